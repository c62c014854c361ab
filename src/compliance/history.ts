/**
 * History: when a system was first written, and each hour of the days that some buckets touch. From it and
 * from what is there now follows what an answer covers (windows/retention.ts). Buckets within their retention
 * cannot have expired, so their days are not asked.
 */
import { systemKey, writtenKey } from '../redis/keys.js';
import { call } from '../redis/pipeline.js';
import { type Bucket, bucketsIn } from '../windows/bucket.js';
import { HOUR_MS } from '../windows/civil.js';
import { bucketCoverage, type Coverage, combineCoverage, type Retention } from '../windows/retention.js';
import type { Question } from './question.js';

export interface History {
  /** First write to the system, milliseconds; undefined where it was never written. */
  systemSince: number | undefined;
  /** Start of an hour to its first write, milliseconds. */
  hours: Map<number, number>;
}

/** Asks for what of a system's history tells whether buckets that may have expired are complete. */
export function askHistory(system: string, old: readonly Bucket[]): Question<History> {
  const days = old.length === 0 ? [] : bucketsIn('day', old[0].start, old[old.length - 1].end);
  return {
    calls:
      days.length === 0
        ? []
        : [
            call('HGET', systemKey(system), 'since'),
            ...days.map((day) => call('HGETALL', writtenKey(system, day))),
          ],
    decode([since, ...records]) {
      const hours = new Map<number, number>();
      records.forEach((record, day) => {
        const fields = record as string[];
        for (let i = 0; i < fields.length; i += 2) {
          hours.set(days[day].start + Number(fields[i]) * HOUR_MS, Number(fields[i + 1]) * 1_000);
        }
      });
      return { systemSince: since == null ? undefined : Number(since) * 1_000, hours };
    },
  };
}

function firstWritten(history: History, bucket: Bucket): number | undefined {
  let first: number | undefined;
  for (let hour = Math.floor(bucket.start / HOUR_MS) * HOUR_MS; hour < bucket.end; hour += HOUR_MS) {
    const at = history.hours.get(hour);
    if (at !== undefined && (first === undefined || at < first)) first = at;
  }
  return first;
}

/** Whether the sketch of a bucket is there. */
export interface Fact {
  bucket: Bucket;
  exists: boolean;
}

/** What an answer from some buckets covers. */
export function coverageOf(
  history: History,
  facts: readonly Fact[],
  retention: Retention,
  now: number,
): Coverage {
  const parts = facts.map(({ bucket, exists }) => {
    const known = { bucket, firstWritten: firstWritten(history, bucket), exists };
    return bucketCoverage(known, retention, now, history.systemSince);
  });
  return combineCoverage(parts);
}
