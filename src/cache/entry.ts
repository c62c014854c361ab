/**
 * Entries: what a cache holds of one question, the finished bytes of its answer. An entry never changes but for
 * two things that are added to it: its compressed forms, once somebody asks for them, and the instant before which
 * it is not worth trying to refresh it.
 *
 * In Redis an entry is the envelope and a MessagePack list: computed at, fresh until, stale until, of use on errors
 * until, body. Its tag and header are made anew from those, so two processes say the same about the same answer.
 */
import { createHash } from 'node:crypto';
import { decode, encode } from '@msgpack/msgpack';
import type { Problem } from '../errors.js';
import { envelopeBytes, readEnvelope, SketchFormatError, writeEnvelope } from '../sketches/envelope.js';
import type { Times } from './policies.js';

export const encodings = ['br', 'gzip'] as const;
export type Encoding = (typeof encodings)[number];

export interface Entry {
  /** JSON in UTF-8. */
  body: Buffer;
  /** Of the body's bytes, without quotes; what is compressed is another representation and gets a suffix. */
  tag: string;
  /** The value of Cache-Control: the same for as long as the entry lives. */
  cacheControl: string;
  /** When its computation began, milliseconds, as are the others. */
  computedAt: number;
  freshUntil: number;
  staleUntil: number;
  errorUntil: number;
  /** No refresh is tried before this: the last one failed. */
  retryAt: number;
  /** The compressed forms that were asked for; a promise while one is being made. */
  encoded: { [Name in Encoding]?: Buffer | Promise<Buffer> };
}

/** An answer that says that there is none. */
export interface Negative {
  problem: Problem;
  freshUntil: number;
}

export const isNegative = (held: Entry | Negative): held is Negative => 'problem' in held;

/** A copy that keeps no larger piece of memory alive, as slices of pools and of replies do. */
export function ownCopy(bytes: Uint8Array): Buffer {
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  copy.set(bytes);
  return copy;
}

const TAG_CHARACTERS = 22; // 132 bits
const seconds = (ms: number) => Math.round(ms / 1_000);

type Instants = Pick<Entry, 'computedAt' | 'freshUntil' | 'staleUntil' | 'errorUntil'>;

function assemble(body: Uint8Array, instants: Instants): Entry {
  const { computedAt, freshUntil, staleUntil, errorUntil } = instants;
  return {
    ...instants,
    body: ownCopy(body),
    tag: createHash('sha256').update(body).digest('base64url').slice(0, TAG_CHARACTERS),
    cacheControl:
      `private, max-age=${seconds(freshUntil - computedAt)}, ` +
      `stale-while-revalidate=${seconds(staleUntil - freshUntil)}, ` +
      `stale-if-error=${seconds(errorUntil - freshUntil)}`,
    retryAt: 0,
    encoded: {},
  };
}

/** The entry of an answer whose computation began at `computedAt`. */
export function createEntry(json: string, computedAt: number, times: Times): Entry {
  const freshUntil = computedAt + times.freshMs;
  return assemble(Buffer.from(json), {
    computedAt,
    freshUntil,
    staleUntil: freshUntil + times.staleMs,
    errorUntil: freshUntil + times.errorMs,
  });
}

/** An entry as it stands in Redis. */
export function encodeEntry({ computedAt, freshUntil, staleUntil, errorUntil, body }: Entry): Buffer {
  const packed = encode([computedAt, freshUntil, staleUntil, errorUntil, body]);
  const out = Buffer.allocUnsafe(envelopeBytes + packed.length);
  out.set(packed, envelopeBytes);
  return writeEnvelope('answer', out);
}

/** The reverse. @throws SketchFormatError on bytes that are no entry, or one of another version */
export function decodeEntry(bytes: Uint8Array): Entry {
  const packed = readEnvelope('answer', bytes);
  let fields: unknown;
  try {
    fields = decode(packed);
  } catch (cause) {
    throw new SketchFormatError('An answer that is no MessagePack.', { cause });
  }
  const [computedAt, freshUntil, staleUntil, errorUntil, body] = Array.isArray(fields) ? fields : [];
  const instants: unknown[] = [computedAt, freshUntil, staleUntil, errorUntil];
  if (!instants.every(Number.isFinite) || !(body instanceof Uint8Array)) {
    throw new SketchFormatError('An answer without its five fields.');
  }
  return assemble(body, { computedAt, freshUntil, staleUntil, errorUntil });
}
