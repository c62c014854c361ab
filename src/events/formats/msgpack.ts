/**
 * MessagePack bodies, as one value: an event, a list of events or `{"events": [...]}`.
 *
 * Before anything is built, one pass over the bytes checks what the decoder takes on trust: that each length
 * is backed by bytes (a five-byte header may claim an array of four thousand million), that nesting and the
 * number of lists and maps are bounded (an empty map is one byte here and fifty in memory), and that text is
 * UTF-8 (the decoder turns any bytes into some text, so two ids could become one).
 *
 * The decoder gives up at a key `__proto__`. Such a key is overwritten with one that means nothing to anybody,
 * so that it costs the row nothing but itself.
 *
 * Source: https://github.com/msgpack/msgpack/blob/master/spec.md
 */
import { isUtf8 } from 'node:buffer';
import { Decoder } from '@msgpack/msgpack';
import { Problem } from '../../errors.js';
import { checkRows, namesMax, nestedMax } from './rows.js';

const LEVELS_MAX = 64;
const decoder = new Decoder();
const FEARED_KEY = Buffer.from('__proto__');
/** As long as the other; what ends in `_id` is no measurement, and nobody reads it. */
const IGNORED_KEY = Buffer.from('_proto_id');

/** How a value begins: header bytes, then payload bytes of text or of anything else, then values inside. */
interface Head {
  kind: 'atom' | 'text' | 'list' | 'map';
  header: number;
  payload: number;
  values: number;
}

const atom = (header: number, payload = 0): Head => ({ kind: 'atom', header, payload, values: 0 });
const text = (header: number, payload: number): Head => ({ kind: 'text', header, payload, values: 0 });
const list = (header: number, values: number): Head => ({ kind: 'list', header, payload: 0, values });
const map = (header: number, pairs: number): Head => ({ kind: 'map', header, payload: 0, values: pairs * 2 });

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
  (body, at) => list(3, body.readUInt16BE(at)),
  (body, at) => list(5, body.readUInt32BE(at)),
  (body, at) => map(3, body.readUInt16BE(at)),
  (body, at) => map(5, body.readUInt32BE(at)),
];

function headAt(body: Buffer, at: number): Head {
  const first = body.readUInt8(at);
  if (first < 0x80 || first >= 0xe0) return atom(1);
  if (first < 0x90) return map(1, first & 0x0f);
  if (first < 0xa0) return list(1, first & 0x0f);
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

/** Looks at the text of a value, a key or not. @throws Problem body_not_utf8 */
function checkText(body: Buffer, from: number, to: number, isKey: boolean): void {
  if (!isText(body, from, to)) {
    throw new Problem('body_not_utf8', `the text at byte ${from} of the body is not UTF-8`);
  }
  if (isKey && to - from === FEARED_KEY.length && body.subarray(from, to).equals(FEARED_KEY)) {
    IGNORED_KEY.copy(body, from);
  }
}

/** Walks one value without building it. @throws Problem, RangeError where the bytes end too soon */
function check(body: Buffer): void {
  const open: number[] = [1]; // how many values each open level still wants
  const maps: boolean[] = [false]; // and whether every other one of them is a key
  const most = nestedMax(body.length);
  let nested = 0;
  let at = 0;
  while (open.length > 0) {
    const level = open.length - 1;
    if (open[level]-- === 0) {
      open.pop();
      maps.pop();
      continue;
    }
    const first = body[at];
    if (first < 0x80 || first >= 0xe0) {
      at++; // a small number, the one value that may come by the million
      continue;
    }
    const head = headAt(body, at);
    const from = at + head.header;
    at = from + head.payload;
    if (at > body.length || head.values > body.length - at) throw new RangeError('a length beyond the end');
    if (head.kind === 'text') checkText(body, from, at, maps[level] && open[level] % 2 === 1);
    if (head.kind === 'text' || head.kind === 'atom') continue;
    if (++nested > most) throw malformed(`the body holds more than ${most} lists and maps`);
    if (head.kind === 'map' && head.values > 2 * namesMax) {
      throw malformed(`the body holds a map of more than ${namesMax} names`);
    }
    if (head.values === 0) continue;
    open.push(head.values);
    maps.push(head.kind === 'map');
    if (open.length > LEVELS_MAX) throw malformed(`the body nests deeper than ${LEVELS_MAX} levels`);
  }
  if (at !== body.length) throw malformed(`the body goes on after its first value, at byte ${at}`);
}

/** How many elements the list has that a body is, 0 where it is none. */
function rowsIn(body: Buffer): number {
  const head = body.length > 0 ? headAt(body, 0) : undefined;
  return head?.kind === 'list' && head.values <= body.length ? head.values : 0;
}

/**
 * The value of a MessagePack body, whose bytes may be changed.
 * @throws Problem body_malformed, body_not_utf8, batch_empty, batch_too_large
 */
export function parseMsgpack(body: Buffer, rowsMax: number): unknown {
  if (body.length === 0) throw new Problem('batch_empty', 'the body is empty');
  try {
    checkRows(rowsIn(body), rowsMax);
    check(body);
    return decoder.decode(body);
  } catch (error) {
    if (error instanceof Problem) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw malformed(`the body is not valid MessagePack: ${why}`, error);
  }
}
