/**
 * Day lists: how top lists and digest lists are read for whole UTC days. A day that is over is folded by the rollups
 * into one list a metric; a day that is not, or that has changed since, has the lists of its hours. Which of the two
 * is decided inside the script that reads them, so one round trip serves any number of days, the answer lacks
 * nothing that was acknowledged before the question, and it is the same whether the rollups came by or not.
 *
 * Cost in Redis of a full top list (1,000 items and overcounts): see docs/rollups.md. A folded day is one list, an
 * unfolded one up to twenty-four, each call no more than one day.
 *
 * Redis down: the calls fail like any others.
 */
import type { TopSummary } from '../sketches/space-saving.js';
import { type Bucket, bucketsIn } from '../windows/bucket.js';
import { rollSuffix, sketchSuffix, systemKey } from './keys.js';
import { type Call, callScript } from './pipeline.js';
import { scripts } from './scripts.js';

/** A top list as Redis has it: item and count in turn, item and overcount in turn (the floor under ''). */
export type StoredTop = [pairs: string[], overs: string[]];
/** A digest list: header, then blobs. Empty where there is none. */
export type StoredDigests = Buffer[];

export interface DayLists<List> {
  /** Whether `lists` is the day's own list or those of its hours, which may be empty. */
  source: 'day' | 'hours';
  /** The day was folded when some of its hours had expired already. */
  isPartial: boolean;
  lists: List[];
}

interface DayReading<List> {
  /** One a day. */
  calls: Call[];
  /** One a day, from the replies to the calls, in order. */
  decode: (replies: readonly unknown[]) => DayLists<List>[];
}

type Reply = [source: string | Buffer, partial: number, ...lists: unknown[]];

const hoursOf = (day: Bucket) => bucketsIn('hour', day.start, day.end);

function readDay(system: string, day: Bucket, kind: 'top' | 'digest', suffixes: string[]): Call {
  const terms = [rollSuffix(day), kind, ...suffixes];
  return callScript(scripts['read-day-1'], [systemKey(system)], terms, kind === 'digest');
}

function decodeDay<List>(reply: unknown, cut: (lists: unknown[]) => List[]): DayLists<List> {
  const [source, partial, ...lists] = reply as Reply;
  return {
    source: String(source) === 'day' ? 'day' : 'hours',
    isPartial: partial === 1,
    lists: cut(lists),
  };
}

/** The top lists of one metric over some days. */
export function readTopDays(system: string, metric: string, days: readonly Bucket[]): DayReading<StoredTop> {
  return {
    calls: days.map((day) => {
      const suffixes = [day, ...hoursOf(day)].flatMap((bucket) => [
        sketchSuffix('top', metric, bucket),
        sketchSuffix('over', metric, bucket),
      ]);
      return readDay(system, day, 'top', suffixes);
    }),
    decode: (replies) =>
      replies.map((reply) =>
        decodeDay(reply, (lists) =>
          lists.flatMap((pairs, i) => (i % 2 === 0 ? [[pairs, lists[i + 1]] as StoredTop] : [])),
        ),
      ),
  };
}

/** The digest lists of one metric (numeric key) over some days. */
export function readDigestDays(
  system: string,
  metric: string,
  days: readonly Bucket[],
): DayReading<StoredDigests> {
  return {
    calls: days.map((day) => {
      const suffixes = [day, ...hoursOf(day)].map((bucket) => sketchSuffix('digest', metric, bucket));
      return readDay(system, day, 'digest', suffixes);
    }),
    decode: (replies) => replies.map((reply) => decodeDay(reply, (lists) => lists as StoredDigests[])),
  };
}

/** What a stored top list says. */
export function decodeTop([pairs, overs]: StoredTop): TopSummary {
  const summary: TopSummary = { counts: new Map(), overcounts: new Map(), floor: 0 };
  for (let i = 0; i < pairs.length; i += 2) summary.counts.set(pairs[i], Number(pairs[i + 1]));
  for (let i = 0; i < overs.length; i += 2) {
    if (overs[i] === '') summary.floor = Number(overs[i + 1]);
    else summary.overcounts.set(overs[i], Number(overs[i + 1]));
  }
  return summary;
}
