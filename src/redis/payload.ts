/**
 * Payloads: the one argument a script call brings, as MessagePack that Redis's own `cmsgpack` unpacks in C.
 *
 * Written by hand for two reasons. cmsgpack knows the `str` types but neither `bin` nor `ext`, so bytes must
 * travel as `str`, which no general encoder does; and this is the hot path, where strings of ids are most of
 * the work: short ones are copied here character by character, which is cheaper than a call into Buffer.
 *
 * Source: https://github.com/msgpack/msgpack/blob/master/spec.md
 */
export type PayloadValue = string | number | Buffer | readonly PayloadValue[];

/** Up to here a string is at most 255 bytes of UTF-8, so that its length fits into one byte. */
const SHORT_CHARACTERS_MAX = 85;
const START_BYTES = 65_536;
/** A buffer grown beyond this for one large payload is not kept. */
const KEPT_BYTES_MAX = 1_048_576;

let buffer = Buffer.allocUnsafeSlow(START_BYTES);
let at = 0;

function room(bytes: number): void {
  if (at + bytes <= buffer.length) return;
  const larger = Buffer.allocUnsafeSlow(Math.max(buffer.length * 2, at + bytes));
  buffer.copy(larger, 0, 0, at);
  buffer = larger;
}

function writeText(text: string): void {
  room(5 + text.length * 3);
  if (text.length > SHORT_CHARACTERS_MAX) {
    const bytes = buffer.write(text, at + 5);
    buffer[at] = 0xdb; // str 32
    buffer.writeUInt32BE(bytes, at + 1);
    at += 5 + bytes;
    return;
  }
  const start = at + 2;
  let end = start;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code >= 0x80) {
      end = start + buffer.write(text, start);
      break;
    }
    buffer[end++] = code;
  }
  buffer[at] = 0xd9; // str 8
  buffer[at + 1] = end - start;
  at = end;
}

function writeBytes(bytes: Buffer): void {
  room(5 + bytes.length);
  buffer[at] = 0xdb;
  buffer.writeUInt32BE(bytes.length, at + 1);
  bytes.copy(buffer, at + 5);
  at += 5 + bytes.length;
}

function writeNumber(value: number): void {
  room(9);
  if (value >= 0 && value < 128 && Number.isInteger(value)) {
    buffer[at++] = value;
  } else if (value >= 0 && value < 2 ** 32 && Number.isInteger(value)) {
    buffer[at] = 0xce; // uint 32
    buffer.writeUInt32BE(value, at + 1);
    at += 5;
  } else {
    buffer[at] = 0xcb; // float 64: Lua has no other number
    buffer.writeDoubleBE(value, at + 1);
    at += 9;
  }
}

function writeList(list: readonly PayloadValue[]): void {
  room(5);
  if (list.length < 16) {
    buffer[at++] = 0x90 + list.length;
  } else {
    buffer[at] = 0xdd; // array 32
    buffer.writeUInt32BE(list.length, at + 1);
    at += 5;
  }
  for (const value of list) write(value);
}

function write(value: PayloadValue): void {
  if (typeof value === 'string') writeText(value);
  else if (typeof value === 'number') writeNumber(value);
  else if (Buffer.isBuffer(value)) writeBytes(value);
  else writeList(value);
}

/** The MessagePack of a list, in a buffer of its own. Bytes and strings both become `str`. */
export function encodePayload(list: readonly PayloadValue[]): Buffer {
  at = 0;
  writeList(list);
  const payload = Buffer.from(buffer.subarray(0, at));
  if (buffer.length > KEPT_BYTES_MAX) buffer = Buffer.allocUnsafeSlow(START_BYTES);
  return payload;
}
