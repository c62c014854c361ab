/**
 * MessagePack bodies, as one value: an event, a list of events or `{"events": [...]}`.
 *
 * Before anything is built, one pass over the bytes checks what the decoder takes on trust: that each length
 * is backed by bytes (a five-byte header may claim an array of four thousand million), that nesting is
 * bounded, and that text is UTF-8 (the decoder turns any bytes into some text, so two ids could become one).
 *
 * Source: https://github.com/msgpack/msgpack/blob/master/spec.md
 */
import { isUtf8 } from 'node:buffer';
import { Decoder } from '@msgpack/msgpack';
import { Problem } from '../../errors.js';

const LEVELS_MAX = 64;
const decoder = new Decoder();

/** How a value begins: header bytes, then payload bytes of text or of anything else, then values inside. */
interface Head {
  header: number;
  payload: number;
  text: boolean;
  values: number;
}

const atom = (header: number, payload = 0): Head => ({ header, payload, text: false, values: 0 });
const text = (header: number, payload: number): Head => ({ header, payload, text: true, values: 0 });
const nest = (header: number, values: number): Head => ({ header, payload: 0, text: false, values });

/** 0xc0 nil to 0xdf map 32, in the order of the specification; undefined for the byte it never uses. */
const heads: readonly (((body: Buffer, at: number) => Head) | undefined)[] = [
  () => atom(1),
  undefined,
  () => atom(1),
  () => atom(1),
  (body, at) => atom(2, body.readUInt8(at)),
  (body, at) => atom(3, body.readUInt16BE(at)),
  (body, at) => atom(5, body.readUInt32BE(at)),
  (body, at) => atom(3, body.readUInt8(at)),
  (body, at) => atom(4, body.readUInt16BE(at)),
  (body, at) => atom(6, body.readUInt32BE(at)),
  ...[4, 8, 1, 2, 4, 8, 1, 2, 4, 8].map((bytes) => () => atom(1, bytes)), // floats, unsigned, signed
  ...[1, 2, 4, 8, 16].map((bytes) => () => atom(2, bytes)), // fixext
  (body, at) => text(2, body.readUInt8(at)),
  (body, at) => text(3, body.readUInt16BE(at)),
  (body, at) => text(5, body.readUInt32BE(at)),
  (body, at) => nest(3, body.readUInt16BE(at)),
  (body, at) => nest(5, body.readUInt32BE(at)),
  (body, at) => nest(3, body.readUInt16BE(at) * 2),
  (body, at) => nest(5, body.readUInt32BE(at) * 2),
];

function headAt(body: Buffer, at: number): Head {
  const first = body.readUInt8(at);
  if (first < 0x80 || first >= 0xe0) return atom(1);
  if (first < 0x90) return nest(1, (first & 0x0f) * 2);
  if (first < 0xa0) return nest(1, first & 0x0f);
  if (first < 0xc0) return text(1, first & 0x1f);
  const head = heads[first - 0xc0];
  if (!head) throw new RangeError('a byte that begins no value');
  return head(body, at + 1);
}

function isText(body: Buffer, from: number, to: number): boolean {
  for (let i = from; i < to; i++) if (body[i] >= 0x80) return isUtf8(body.subarray(from, to));
  return true;
}

const malformed = (detail: string, cause?: unknown) => new Problem('body_malformed', detail, {}, { cause });

/** Walks one value without building it. @throws Problem, RangeError where the bytes end too soon */
function check(body: Buffer): void {
  const open: number[] = [1]; // how many values each open level still wants
  let at = 0;
  while (open.length > 0) {
    if (open[open.length - 1]-- === 0) {
      open.pop();
      continue;
    }
    const head = headAt(body, at);
    const from = at + head.header;
    at = from + head.payload;
    if (at > body.length || head.values > body.length - at) throw new RangeError('a length beyond the end');
    if (head.text && !isText(body, from, at)) {
      throw new Problem('body_not_utf8', `the text at byte ${from} of the body is not UTF-8`);
    }
    if (head.values > 0) open.push(head.values);
    if (open.length > LEVELS_MAX) throw malformed(`the body nests deeper than ${LEVELS_MAX} levels`);
  }
  if (at !== body.length) throw malformed(`the body goes on after its first value, at byte ${at}`);
}

/** The value of a MessagePack body. @throws Problem body_malformed or body_not_utf8 */
export function parseMsgpack(body: Buffer): unknown {
  try {
    check(body);
    return decoder.decode(body);
  } catch (error) {
    if (error instanceof Problem) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw malformed(`the body is not valid MessagePack: ${why}`, error);
  }
}
