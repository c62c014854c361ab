/** Calls of apply-delta as a test writes them down, and the whole content of a Redis to compare before and after. */
import type { Redis } from 'ioredis';
import { systemKey } from '../../src/redis/keys.js';
import { encodePayload, type PayloadValue } from '../../src/redis/payload.js';
import { type Call, callScript, runPipeline } from '../../src/redis/pipeline.js';
import { scripts } from '../../src/redis/scripts.js';
import { bloomKeyBytes, writeBloomKey } from '../../src/sketches/bloom.js';
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

export function payloadOf(delta: Delta): Buffer {
  const { distinct = [], membership = [], tops = [], digests = [], counters = [], written = [] } = delta;
  return encodePayload([distinct, membership, tops, digests, counters, written]);
}

export function applyCall(delta: Delta | Buffer, terms: Terms = {}): Call {
  const { system = 's', epoch = '', fresh = 'e1', nowSeconds = 1_700_000_000, recordSeconds = 5_000 } = terms;
  const payload = Buffer.isBuffer(delta) ? delta : payloadOf(delta);
  return callScript(
    scripts['apply-delta-1'],
    [systemKey(system)],
    [epoch, fresh, nowSeconds, recordSeconds, payload],
  );
}

/** Runs one call. @throws what Redis answers it with */
export async function runCall(redis: Redis, call: Call): Promise<unknown> {
  const [outcome] = await runPipeline(redis, [call], replyDeadlineMs);
  if (outcome.error) throw outcome.error;
  return outcome.reply;
}

export const apply = (redis: Redis, delta: Delta | Buffer, terms?: Terms): Promise<unknown> =>
  runCall(redis, applyCall(delta, terms));

/** The bloom keys of some values, one after the other. */
export function bloomKeys(values: readonly string[]): Buffer {
  const keys = Buffer.alloc(values.length * bloomKeyBytes);
  values.forEach((value, i) => {
    writeBloomKey(value, keys, i * bloomKeyBytes);
  });
  return keys;
}

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
