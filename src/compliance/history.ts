/**
 * History: when a system was first written, and each hour of the days that some buckets touch. From it and
 * from what is there now follows what an answer covers (windows/retention.ts). Buckets within their retention
 * cannot have expired, so their days are not asked.
 */
import { systemKey, writtenKey } from '../redis/keys.js';
import { call } from '../redis/pipeline.js';
import { type Bucket, bucketsIn } from '../windows/bucket.js';
import { DAY_MS, HOUR_MS } from '../windows/civil.js';
import { bucketCoverage, type Coverage, combineCoverage, type Retention } from '../windows/retention.js';
import type { Question } from './question.js';

export interface History {
  /** First write to it, milliseconds; undefined where it was never written. */
  systemSince: number | undefined;
  /** Start of an hour to its first write, milliseconds. */
  hours: Map<number, number>;
}

/** Asks for what of the history of a system or shard tells whether buckets that may have expired are complete. */
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

/** What is known of a system, or of one of its shards. */
export interface Known {
  history: History;
  facts: readonly Fact[];
}

interface Part {
  bucket: Bucket;
  coverage: Coverage;
  /** Nothing was ever written there, as far as is known. */
  isSilent: boolean;
}

const placeOf = (grain: string, start: number) => `${grain} ${start}`;

/** Leaves out what shards say that had nothing in a bucket, or in all of its day, of which others tell. */
function withoutSilent(parts: readonly Part[]): readonly Part[] {
  const told = new Set(
    parts.flatMap(({ bucket, isSilent }) => (isSilent ? [] : [placeOf(bucket.grain, bucket.start)])),
  );
  const isTold = ({ grain, start }: Bucket) =>
    told.has(placeOf(grain, start)) || told.has(placeOf('day', Math.floor(start / DAY_MS) * DAY_MS));
  return parts.filter(({ bucket, isSilent }) => !isSilent || !isTold(bucket));
}

/** What an answer from some buckets of a system covers, told by all its shards. */
export function coverageOf(shards: readonly Known[], retention: Retention, now: number): Coverage {
  const parts = shards.flatMap(({ history, facts }) =>
    facts.map(({ bucket, exists }): Part => {
      const known = { bucket, firstWritten: firstWritten(history, bucket), exists };
      const coverage = bucketCoverage(known, retention, now, history.systemSince);
      const isSilent = coverage === 'complete' && known.firstWritten === undefined && !exists;
      return { bucket, coverage, isSilent };
    }),
  );
  const telling = shards.length > 1 ? withoutSilent(parts) : parts;
  return combineCoverage(telling.map(({ coverage }) => coverage));
}
