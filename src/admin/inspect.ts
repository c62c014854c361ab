/**
 * One key, looked into: how Redis keeps it, how long it lives, how large it is, and what its sketch says of itself, as
 * the sketch's own decoder reads it: how full it is and how wrong it may be. No value that was ever sent is shown: of
 * top lists the counts alone, of the others there is nothing to show but numbers.
 *
 * What cannot be decoded, because a later version wrote it or it is no sketch, is a clear error and no guess. Cost: a
 * few commands on the one key; none reads more than a megabyte, of a Bloom filter only the first 11 KB.
 */
import { Problem } from '../errors.js';
import { type ParsedKey, parseKey, type SketchKind } from '../redis/keys.js';
import { type Call, call, readPipeline, toProblem } from '../redis/pipeline.js';
import { parseRecord } from '../redis/system-record.js';
import { bloomLayers, decodeBloomHeader } from '../sketches/bloom.js';
import { bloomStartBytes, falsePositiveRate } from '../sketches/bloom-rate.js';
import {
  countMinHeaderBytes,
  countMinLayers,
  countMinRows,
  countRecordBytes,
  decodeCountMinHeader,
} from '../sketches/count-min.js';
import { failedInDay } from '../sketches/counters.js';
import { decodeHll, distinctBounds, estimate } from '../sketches/hyperloglog.js';
import { failedLoginMetric } from '../sketches/registry.js';
import { decodeDigest, decodeDigestHeader } from '../sketches/t-digest.js';
import { formatInstant } from '../windows/instant.js';
import type { AdminRedis } from './census.js';

/** What a sketch says of itself: names and numbers. */
type Facts = Record<string, unknown>;

/** How one kind is asked and what its replies say. */
interface Look {
  calls: (key: string) => Call[];
  say: (replies: never) => Facts;
}

const binary = (one: Call): Call => ({ ...one, binary: true });
const look = <Replies extends unknown[]>(
  calls: (key: string) => Call[],
  say: (replies: Replies) => Facts,
): Look => ({ calls, say: say as Look['say'] });

const hll = look<[Buffer]>(
  (key) => [binary(call('GET', key))],
  ([bytes]) => {
    const registers = decodeHll(bytes);
    const count = estimate(registers);
    const { standardError, lower, upper } = distinctBounds(count);
    return {
      form: bytes[4] === 0 ? 'dense' : 'sparse',
      registers: registers.length,
      registers_set: registers.filter((register) => register > 0).length,
      estimate: count,
      standard_error: standardError,
      lower,
      upper,
    };
  },
);

const bloom = look<[Buffer]>(
  (key) => [binary(call('GETRANGE', key, 0, bloomStartBytes(1) - 1))],
  ([start]) => {
    const { counts, saturated } = decodeBloomHeader(start);
    const layers = counts.map((values, layer) => {
      const { blocks, capacity } = bloomLayers[layer];
      return { blocks, values, capacity, fill: values / capacity };
    });
    return { layers, false_positive_rate: falsePositiveRate(start), saturated };
  },
);

const countMin = look<[Buffer, number]>(
  (key) => [binary(call('GETRANGE', key, 0, countMinHeaderBytes - 1)), call('STRLEN', key)],
  ([header, bytes]) => {
    const states = decodeCountMinHeader(header);
    const { endBytes } = countMinLayers[states.length - 1];
    const layers = states.map(({ total, taken }, layer) => {
      const { width } = countMinLayers[layer];
      return {
        width,
        rows: countMinRows,
        events: total,
        fill: taken / (width * countMinRows),
        epsilon: Math.E / width,
      };
    });
    return { layers, records_waiting: (bytes - endBytes) / countRecordBytes };
  },
);

const digest = look<[Buffer[]]>(
  (key) => [binary(call('LRANGE', key, 0, -1))],
  ([[header, ...blobs]]) => {
    const digests = blobs.map(decodeDigest);
    return {
      generation: decodeDigestHeader(header).generation,
      blobs: blobs.length,
      samples: digests.reduce((sum, { count }) => sum + count, 0),
      centroids: digests.reduce((sum, { means }) => sum + means.length, 0),
    };
  },
);

const top = look<[number, string | null]>(
  (key) => [call('ZCARD', key), call('HGET', overcountsOf(key), '')],
  ([items, floor]) => ({ items, floor: Number(floor ?? 0), saturated: floor !== null }),
);

/** The overcounts beside a top list. */
const overcountsOf = (key: string) => key.replace('}:top:', '}:over:');

const over = look<[number, string | null]>(
  (key) => [call('HLEN', key), call('HGET', key, '')],
  ([fields, floor]) => ({ overcounts: fields - (floor === null ? 0 : 1), floor: Number(floor ?? 0) }),
);

const count = look<[string[]]>(
  (key) => [call('HVALS', key)],
  ([counts]) => ({ counters: counts.length, events: counts.reduce((sum, one) => sum + Number(one), 0) }),
);

const failedLogins = look<[string | null, number]>(
  (key) => [call('HGET', key, failedInDay), call('HLEN', key)],
  ([events, counters]) => ({ counters, events: Number(events ?? 0) }),
);

/** Fields and values in turn, as an object. */
const pairsToObject = (pairs: readonly string[]): Record<string, string> =>
  Object.fromEntries(pairs.flatMap((name, i) => (i % 2 === 0 ? [[name, pairs[i + 1]]] : [])));

const written = look<[string[]]>(
  (key) => [call('HGETALL', key)],
  ([pairs]) => ({
    first_written: Object.fromEntries(
      Object.entries(pairsToObject(pairs)).map(([hour, at]) => [hour, formatInstant(Number(at) * 1_000)]),
    ),
  }),
);

const roll = look<[string[]]>(
  (key) => [call('HGETALL', key)],
  ([pairs]) => {
    const { changes = '0', rolled, partial, sealed } = pairsToObject(pairs);
    return {
      changes: Number(changes),
      folded: rolled !== undefined,
      knows_everything: sealed !== undefined || rolled === changes,
      partial: partial === '1',
      sealed: sealed !== undefined,
    };
  },
);

const record = look<[string[]]>(
  (key) => [call('HGETALL', key)],
  ([pairs]) => {
    const { since, numericKeys, days } = parseRecord(pairs);
    return {
      since: Number.isNaN(since) ? null : formatInstant(since),
      numeric_keys: numericKeys,
      days_to_fold: days.length,
    };
  },
);

const markers = look<[number]>(
  (key) => [call('HLEN', key)],
  ([parts]) => ({ parts }),
);

const ids = look<[number]>(
  (key) => [call('SCARD', key)],
  ([known]) => ({ ids: known }),
);

const sealed = look<[number]>(
  (key) => [call('ZCARD', key)],
  ([days]) => ({ days }),
);

const looks: Record<SketchKind, Look> = {
  hll,
  bloom,
  top,
  over,
  digest,
  count,
  cm: countMin,
  written,
  roll,
  idem: markers,
  ids,
  sealed,
};

const lookAt = ({ sketch }: ParsedKey): Look => {
  if (!sketch) return record;
  return sketch.kind === 'count' && sketch.metric === failedLoginMetric ? failedLogins : looks[sketch.kind];
};

const unreadable = (key: string, cause: Error) =>
  new Problem('sketch_unreadable', `${key}: ${cause.message}`, {}, { cause });

/** A key in the words of the API. */
const nameOf = ({ system, sketch }: ParsedKey) => ({
  system,
  sketch: sketch?.kind ?? 'record',
  metric: sketch?.metric ?? null,
  grain: sketch?.grain ?? null,
  bucket: sketch?.bucket ?? null,
});

/** Elements that `MEMORY USAGE` looks at, 0: all. There may be millions of ids, each as large as the next. */
const samplesOf = ({ sketch }: ParsedKey) => (sketch?.kind === 'ids' ? 5 : 0);

/** @throws Problem not_found, sketch_unreadable, redis_unavailable */
export async function inspectKey({ redis, timeoutMs }: AdminRedis, key: string) {
  const parsed = parseKey(key);
  if (!parsed) throw new Problem('not_found', 'this is no key of a system');
  const { calls, say } = lookAt(parsed);
  const about = [
    call('OBJECT', 'ENCODING', key),
    call('TTL', key),
    call('MEMORY', 'USAGE', key, 'SAMPLES', samplesOf(parsed)),
  ];
  let replies: unknown[];
  try {
    const [encoding, ...rest] = await readPipeline(redis, [call('TYPE', key), ...about], timeoutMs);
    if (encoding === 'none') throw new Problem('not_found', 'there is no such key');
    replies = [encoding, ...rest, ...(await readPipeline(redis, calls(key), timeoutMs))];
  } catch (error) {
    if ((error as Error).message.startsWith('WRONGTYPE')) throw unreadable(key, error as Error);
    throw toProblem(error as Error);
  }
  const [type, encoding, ttl, bytes, ...own] = replies;
  const name = { key, ...nameOf(parsed), type: String(type), encoding: String(encoding) };
  try {
    return { ...name, ttl_seconds: Number(ttl), bytes: Number(bytes), state: say(own as never) };
  } catch (error) {
    throw unreadable(key, error as Error);
  }
}
