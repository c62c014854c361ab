/**
 * Entries: what a cache holds of one question, the finished bytes of its answer. An entry never changes but for
 * two things that are added to it: its compressed forms, once somebody asks for them, and the instant before which
 * it is not worth trying to refresh it.
 *
 * Two clocks tell its age, and neither is the wall clock of a process. Between processes it is that of Redis: `asOf` is read
 * there before the computation reads anything. Within a process it is the monotonic clock. So a process whose wall
 * clock is wrong neither keeps an answer for longer than the others nor hands them one that never ages.
 *
 * In Redis an entry is a hash of `computed` (its `asOf`), `fresh` (when it becomes stale, by Redis' clock) and `answer`:
 * the envelope and a MessagePack list of how long it is fresh, stale and of use on errors, and its body. Its tag and
 * header are made anew from those, so two processes say the same about the same answer.
 */
import { createHash } from 'node:crypto';
import { decode, encode } from '@msgpack/msgpack';
import { envelopeBytes, readEnvelope, SketchFormatError, writeEnvelope } from '../sketches/envelope.js';
import type { Times } from './policies.js';

export const encodings = ['br', 'gzip'] as const;
export type Encoding = (typeof encodings)[number];

/** When the computation of an answer began. */
export interface Began {
  /** By Redis' clock, milliseconds since 1970. */
  asOf: number;
  /** By the monotonic clock of this process, milliseconds. */
  at: number;
}

export interface Entry {
  /** JSON in UTF-8. */
  body: Buffer;
  /** Of the body's bytes, without quotes; what is compressed is another representation and gets a suffix. */
  tag: string;
  /** The value of Cache-Control: the same for as long as the entry lives. */
  cacheControl: string;
  /** When its computation began, by Redis' clock, milliseconds since 1970. */
  asOf: number;
  times: Times;
  /** The same by the monotonic clock of this process, milliseconds, as are the others. */
  computedAt: number;
  freshUntil: number;
  staleUntil: number;
  errorUntil: number;
  /** No refresh is tried before this: the last one failed. */
  retryAt: number;
  /** The compressed forms that were asked for; a promise while one is being made. */
  encoded: { [Name in Encoding]?: Buffer | Promise<Buffer> };
}

/** A copy that keeps no larger piece of memory alive, as slices of pools and of replies do. */
export function ownCopy(bytes: Uint8Array): Buffer {
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  copy.set(bytes);
  return copy;
}

const TAG_CHARACTERS = 22; // 132 bits
const seconds = (ms: number) => Math.round(ms / 1_000);

const directives = ({ freshMs, staleMs, errorMs }: Times): string =>
  `private, max-age=${seconds(freshMs)}, stale-while-revalidate=${seconds(staleMs)}, ` +
  `stale-if-error=${seconds(errorMs)}`;

function assemble(body: Uint8Array, { asOf, at }: Began, times: Times): Entry {
  const freshUntil = at + times.freshMs;
  return {
    asOf,
    times,
    computedAt: at,
    freshUntil,
    staleUntil: freshUntil + times.staleMs,
    errorUntil: freshUntil + times.errorMs,
    body: ownCopy(body),
    tag: createHash('sha256').update(body).digest('base64url').slice(0, TAG_CHARACTERS),
    cacheControl: times.freshMs > 0 ? directives(times) : 'private, no-cache',
    retryAt: 0,
    encoded: {},
  };
}

/** The entry of an answer. */
export const createEntry = (json: string, began: Began, times: Times): Entry =>
  assemble(Buffer.from(json), began, times);

/** An entry as it stands in Redis, but for its `asOf`. */
export function encodeEntry({ times: { freshMs, staleMs, errorMs }, body }: Entry): Buffer {
  const packed = encode([freshMs, staleMs, errorMs, body]);
  const out = Buffer.allocUnsafe(envelopeBytes + packed.length);
  out.set(packed, envelopeBytes);
  return writeEnvelope('answer', out);
}

/** The reverse. @throws SketchFormatError on bytes that are no entry, or one of another version */
export function decodeEntry(bytes: Uint8Array, began: Began): Entry {
  const packed = readEnvelope('answer', bytes);
  let fields: unknown;
  try {
    fields = decode(packed);
  } catch (cause) {
    throw new SketchFormatError('An answer that is no MessagePack.', { cause });
  }
  const [freshMs, staleMs, errorMs, body] = Array.isArray(fields) ? fields : [];
  if (![freshMs, staleMs, errorMs].every(Number.isFinite) || !(body instanceof Uint8Array)) {
    throw new SketchFormatError('An answer without its four fields.');
  }
  return assemble(body, began, { freshMs, staleMs, errorMs });
}
