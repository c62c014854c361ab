/**
 * The questions one kind of sketch can answer: for each, its Redis commands and how the replies become an
 * estimate with its bound. All take the buckets to read; all tell which of these exist.
 */
import { sketchKey } from '../redis/keys.js';
import { call, callScript } from '../redis/pipeline.js';
import { scripts } from '../redis/scripts.js';
import {
  bloomKeyBytes,
  combineRates,
  decodeBloomHeader,
  falsePositiveRate,
  writeBloomKey,
} from '../sketches/bloom.js';
import { distinctBounds } from '../sketches/hyperloglog.js';
import { type TopItem, type TopSummary, topItems } from '../sketches/space-saving.js';
import { type Digest, decodeDigest, decodeDigestHeader, mergeDigests } from '../sketches/t-digest.js';
import type { Bucket } from '../windows/bucket.js';
import type { Question } from './question.js';

export interface Distinct {
  count: number;
  /** Relative, one standard error. */
  standardError: number;
  /** 95% interval. */
  lower: number;
  upper: number;
  exists: boolean[];
}

/** How many different values the union of some buckets holds. */
export function askDistinct(system: string, metric: string, buckets: readonly Bucket[]): Question<Distinct> {
  const keys = buckets.map((bucket) => sketchKey(system, 'hll', metric, bucket));
  return {
    calls: [call('PFCOUNT', ...keys), ...keys.map((key) => call('EXISTS', key))],
    decode([reply, ...found]) {
      const count = Number(reply);
      return { count, ...distinctBounds(count), exists: found.map((one) => one === 1) };
    },
  };
}

export interface Membership {
  found: boolean;
  /** Chance that a value never written would be found. */
  falsePositiveRate: number;
  /** A filter has taken more than it was made for, so its rate is above the aim. */
  saturated: boolean;
  exists: boolean[];
}

/** Whether a value was written in any of some days. */
export function askMembership(
  system: string,
  metric: string,
  value: string,
  buckets: readonly Bucket[],
): Question<Membership> {
  const keys = buckets.map((bucket) => sketchKey(system, 'bloom', metric, bucket));
  const bloomKey = Buffer.alloc(bloomKeyBytes);
  writeBloomKey(value, bloomKey, 0);
  return {
    calls: [callScript(scripts['check-membership-n'], keys, [bloomKey], true)],
    decode([reply]) {
      const filters = reply as (Buffer | [found: number, header: Buffer])[];
      const present = filters.filter((filter): filter is [number, Buffer] => Array.isArray(filter));
      const headers = present.map(([, header]) => decodeBloomHeader(header));
      return {
        found: present.some(([found]) => found === 1),
        falsePositiveRate: combineRates(headers.map(({ counts }) => falsePositiveRate(counts))),
        saturated: headers.some(({ saturated }) => saturated),
        exists: filters.map((filter) => Array.isArray(filter)),
      };
    },
  };
}

export interface Top {
  items: TopItem[];
  /** No value that is not listed as tracked can have more than this. */
  floor: number;
  exists: boolean[];
}

function toSummary(pairs: readonly string[], overs: readonly string[]): TopSummary {
  const summary: TopSummary = { counts: new Map(), overcounts: new Map(), floor: 0 };
  for (let i = 0; i < pairs.length; i += 2) summary.counts.set(pairs[i], Number(pairs[i + 1]));
  for (let i = 0; i < overs.length; i += 2) {
    if (overs[i] === '') summary.floor = Number(overs[i + 1]);
    else summary.overcounts.set(overs[i], Number(overs[i + 1]));
  }
  return summary;
}

/** The `k` values with the largest counts over some hours. */
export function askTop(system: string, metric: string, k: number, buckets: readonly Bucket[]): Question<Top> {
  return {
    calls: buckets.flatMap((bucket) => [
      call('ZRANGE', sketchKey(system, 'top', metric, bucket), 0, -1, 'WITHSCORES'),
      call('HGETALL', sketchKey(system, 'over', metric, bucket)),
    ]),
    decode(replies) {
      const lists = buckets.map((_, i) => [replies[2 * i], replies[2 * i + 1]] as [string[], string[]]);
      const summaries = lists.map(([pairs, overs]) => toSummary(pairs, overs));
      return { ...topItems(summaries, k), exists: lists.map(([pairs]) => pairs.length > 0) };
    },
  };
}

export interface Samples {
  /** Undefined where there are no samples. */
  digest: Digest | undefined;
  exists: boolean[];
}

/** One digest of all samples of some hours. */
export function askSamples(system: string, metric: string, buckets: readonly Bucket[]): Question<Samples> {
  return {
    calls: buckets.map((bucket) => ({
      ...call('LRANGE', sketchKey(system, 'digest', metric, bucket), 0, -1),
      binary: true,
    })),
    decode(replies) {
      const digests: Digest[] = [];
      const exists = (replies as Buffer[][]).map(([header, ...blobs]) => {
        if (header === undefined) return false;
        decodeDigestHeader(header);
        for (const blob of blobs) digests.push(decodeDigest(blob));
        return true;
      });
      return { digest: digests.length === 0 ? undefined : mergeDigests(digests), exists };
    },
  };
}
