/**
 * Retention: how long a bucket is kept, and what that says about an answer. Expired is not empty.
 *
 * A key lives for its grain's retention, counted from its creation or from the end of its bucket, whichever
 * is later: an old log can be replayed and read, and an event dated ahead of now does not make its bucket
 * expire before the bucket's time has passed. Beside the sketches each system keeps, per day, when each hour
 * of it was first written; these records live 32 days longer than the longest retention. From them:
 *
 * - a bucket whose first write is younger than the retention, or which ended within it, is `complete`:
 *   nothing of it can have expired;
 * - an older one is `expired`, or `partial` where a late event has begun it anew;
 * - a bucket without a record was never written. Where it is so old that a record could have expired too,
 *   nothing is known, and that is said as `expired`, unless the system itself is younger than that.
 *
 * Minute buckets are written only while their time is within the retention, so an older one is known only
 * to be gone.
 */
import type { Bucket, Grain } from './bucket.js';
import { DAY_MS } from './civil.js';

/** `future`: the time has not begun. */
export type Coverage = 'complete' | 'partial' | 'expired' | 'future';
/** Milliseconds that buckets of a grain are kept. */
export type Retention = Record<Grain, number>;

export const longestMs = (retention: Retention): number => Math.max(...Object.values(retention));

/** Seconds that the records about a system live after a write: no sketch written with them lives longer. */
export const recordSeconds = (retention: Retention): number => (longestMs(retention) + 32 * DAY_MS) / 1_000;

/** Seconds a key of a bucket has to live when it is created at `now`. */
export function ttlSeconds(bucket: Bucket, retention: Retention, now: number): number {
  return Math.ceil((Math.max(now, bucket.end) + retention[bucket.grain] - now) / 1_000);
}

interface BucketHistory {
  bucket: Bucket;
  /** When any part of the bucket was first written, milliseconds; undefined where no record says so. */
  firstWritten: number | undefined;
  /** Whether any key of the bucket is there now. */
  exists: boolean;
}

/** What an answer from one bucket covers. `systemSince`: first write to the system, undefined if never. */
export function bucketCoverage(
  { bucket, firstWritten, exists }: BucketHistory,
  retention: Retention,
  now: number,
  systemSince: number | undefined,
): Coverage {
  const keptFrom = now - retention[bucket.grain];
  if (bucket.end >= keptFrom || systemSince === undefined) return 'complete';
  const remainder = exists ? 'partial' : 'expired';
  if (firstWritten === undefined) {
    const recordsFrom = now - longestMs(retention);
    return exists || (bucket.end < recordsFrom && systemSince < recordsFrom) ? remainder : 'complete';
  }
  return firstWritten >= keptFrom && bucket.grain !== 'minute' ? 'complete' : remainder;
}

/** What an answer from several buckets covers; those that have not begun say nothing about the others. */
export function combineCoverage(all: readonly Coverage[]): Coverage {
  const parts = all.filter((part) => part !== 'future');
  if (parts.length === 0 && all.length > 0) return 'future';
  if (parts.every((part) => part === 'complete')) return 'complete';
  return parts.every((part) => part === 'expired') ? 'expired' : 'partial';
}
