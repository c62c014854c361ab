/** Calls of apply-delta as a test writes them down, and the whole content of a Redis to compare before and after. */
import type { Redis } from 'ioredis';
import { systemKey } from '../../src/redis/keys.js';
import { encodePayload, type PayloadValue } from '../../src/redis/payload.js';
import { type Call, callScript, ReplyError, runPipeline } from '../../src/redis/pipeline.js';
import { scripts } from '../../src/redis/scripts.js';
import { bloomKeyBytes, writeBloomKey } from '../../src/sketches/bloom.js';
import { packCountRecords } from '../../src/sketches/count-min.js';
import { digestOf, encodeDigest } from '../../src/sketches/t-digest.js';

export const replyDeadlineMs = 10_000;

type Operation = readonly PayloadValue[];

export interface Delta {
  distinct?: Operation[];
  membership?: Operation[];
  tops?: Operation[];
  digests?: Operation[];
  counters?: Operation[];
  written?: Operation[];
  frequency?: Operation[];
  /** Suffix, TTL, field. */
  marker?: readonly [string, PayloadValue, PayloadValue];
  /** What begins the suffix of a slice, seconds that ids are known, seconds of a slice, hashes. */
  ids?: readonly [string, PayloadValue, PayloadValue, PayloadValue];
}

export interface Terms {
  system?: string;
  /** The epoch relied on. */
  epoch?: string;
  /** The epoch for a system that has none. */
  fresh?: string;
  nowSeconds?: number;
  recordSeconds?: number;
}

/** How many elements of an operation, as tests write it, are its head; and whether the rest is names and counts in turn. */
const shapes = {
  distinct: { headLength: 1, counted: false },
  membership: { headLength: 2, counted: false },
  tops: { headLength: 3, counted: true },
  digests: { headLength: 3, counted: false },
  counters: { headLength: 2, counted: true },
  written: { headLength: 3, counted: false },
  frequency: { headLength: 2, counted: false },
};
const listed: readonly string[] = ['distinct', 'written'];

/** The payload of a call that brings one part. Operations are written flat here: what the head holds, then the rest. */
export function payloadOf(delta: Delta, { epoch = '', fresh = 'e1' }: Terms = {}): Buffer {
  const heads: PayloadValue[] = [];
  const part = Object.entries(shapes).map(([section, { headLength, counted }]) =>
    (delta[section as keyof typeof shapes] ?? []).map((operation) => {
      const head = section === 'distinct' ? operation[0] : operation.slice(0, headLength);
      const rest = operation.slice(headLength);
      heads.push(head);
      if (counted)
        return [heads.length, rest.filter((_, i) => i % 2 === 0), rest.filter((_, i) => i % 2 === 1)];
      return listed.includes(section) ? [heads.length, rest] : [heads.length, ...rest];
    }),
  );
  const apart: PayloadValue[] = [];
  for (const extra of [delta.marker, delta.ids]) {
    if (extra) heads.push(extra.slice(0, -1));
    apart.push(extra ? [heads.length, extra.at(-1) ?? ''] : []);
  }
  if (!delta.ids) apart.pop();
  return encodePayload([heads, [[epoch, fresh, ...part, ...apart]]]);
}

export function applyCall(delta: Delta | Buffer, terms: Terms = {}): Call {
  const { system = 's', nowSeconds = 1_700_000_000, recordSeconds = 5_000 } = terms;
  const payload = Buffer.isBuffer(delta) ? delta : payloadOf(delta, terms);
  return callScript(scripts['apply-delta-n'], [systemKey(system)], [nowSeconds, recordSeconds, payload]);
}

/** Runs one call. @throws what Redis answers it with */
export async function runCall(redis: Redis, call: Call): Promise<unknown> {
  const [outcome] = await runPipeline(redis, [call], replyDeadlineMs);
  if (outcome.error) throw outcome.error;
  return outcome.reply;
}

/** Applies one part. @throws what the script answers it with */
export async function apply(redis: Redis, delta: Delta | Buffer, terms?: Terms): Promise<unknown> {
  const [reply] = (await runCall(redis, applyCall(delta, terms))) as unknown[][];
  if (reply[0] === 'error') throw new ReplyError(String(reply[1]));
  return reply;
}

/** The bloom keys of some values, one after the other. */
export function bloomKeys(values: readonly string[]): Buffer {
  const keys = Buffer.alloc(values.length * bloomKeyBytes);
  values.forEach((value, i) => {
    writeBloomKey(value, keys, i * bloomKeyBytes);
  });
  return keys;
}

/** The records of some values and their counts, in turn, as frequency operations take them. */
export const countRecords = (...pairs: [string, number][]): Buffer =>
  packCountRecords(
    pairs.map(([value]) => value),
    pairs.map(([, count]) => count),
  );

export const digestBlob = (...samples: number[]): Buffer => Buffer.from(encodeDigest(digestOf(samples)));

/** Names from 0 to `count`. */
export const namesFrom = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, i) => `${prefix}${i}`);

/** Every key with its bytes, and whether it has a TTL. */
export async function contentOf(redis: Redis): Promise<Record<string, string>> {
  const keys = (await redis.keys('*')).sort();
  const content: Record<string, string> = {};
  for (const key of keys) {
    const bytes = (await redis.dumpBuffer(key)) as Buffer;
    content[key] = `${(await redis.pttl(key)) > 0 ? 'expires' : 'stays'} ${bytes.toString('base64')}`;
  }
  return content;
}
