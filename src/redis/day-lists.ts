/**
 * Day lists: how top lists and digest lists are read for whole UTC days. A day that is over is folded by the rollups
 * into one list a metric; a day that is not, or that has changed since, has the lists of its hours. Which of the two
 * counts is looked at inside the script that reads them, so one round trip serves any number of days, the answer
 * lacks nothing that was acknowledged before the question, and it is the same whether the rollups came by or not.
 *
 * A day is read by a few calls, each of some hours, so that none of them blocks Redis for long; the last brings the
 * day's own list too. If any of them finds that the own list knows of everything, that is the answer: what may have
 * come between the calls came after the question.
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
  /** The day's own list was folded when some of its hours had expired already. */
  isPartial: boolean;
  lists: List[];
}

interface DayReading<List> {
  /** The same number for every day, in the order of the days. */
  calls: Call[];
  /** One a day, from the replies to the calls, in order. */
  decode: (replies: readonly unknown[]) => DayLists<List>[];
}

/** How lists of one kind are asked for and come back. */
interface ListKind<List> {
  kind: 'top' | 'digest';
  suffixes: (bucket: Bucket) => string[];
  cut: (elements: unknown[]) => List[];
}

type Reply = [source: string | Buffer, partial: number, ...elements: unknown[]];

/** Of hours one call reads: with full top lists, about six milliseconds of Redis. */
const CALL_HOURS = 8;
const CALLS = 24 / CALL_HOURS;

function callsOf<List>(system: string, day: Bucket, { kind, suffixes }: ListKind<List>): Call[] {
  const hours = bucketsIn('hour', day.start, day.end);
  return Array.from({ length: CALLS }, (_, i) => {
    const isLast = i === CALLS - 1;
    const own = isLast ? [day] : [];
    const buckets = [...own, ...hours.slice(i * CALL_HOURS, (i + 1) * CALL_HOURS)];
    const terms = [rollSuffix(day), kind, own.length, ...buckets.flatMap(suffixes)];
    return callScript(scripts['read-day-1'], [systemKey(system)], terms, kind === 'digest');
  });
}

function decodeDay<List>(replies: readonly unknown[], { cut }: ListKind<List>): DayLists<List> {
  const parts = (replies as Reply[]).map(([source, partial, ...elements]) => ({
    isDay: String(source) === 'day',
    isPartial: partial === 1,
    lists: cut(elements),
  }));
  const [own, ...lastHours] = parts[CALLS - 1].lists;
  const isPartial = parts[CALLS - 1].isPartial;
  if (parts.some(({ isDay }) => isDay)) return { source: 'day', isPartial, lists: [own] };
  const before = parts.slice(0, -1).flatMap(({ lists }) => lists);
  return { source: 'hours', isPartial: false, lists: [...before, ...lastHours] };
}

function readDays<List>(system: string, days: readonly Bucket[], kind: ListKind<List>): DayReading<List> {
  return {
    calls: days.flatMap((day) => callsOf(system, day, kind)),
    decode: (replies) => days.map((_, i) => decodeDay(replies.slice(i * CALLS, (i + 1) * CALLS), kind)),
  };
}

/** The top lists of one metric over some days. */
export function readTopDays(system: string, metric: string, days: readonly Bucket[]): DayReading<StoredTop> {
  return readDays(system, days, {
    kind: 'top',
    suffixes: (bucket) => [sketchSuffix('top', metric, bucket), sketchSuffix('over', metric, bucket)],
    cut: (elements) =>
      elements.flatMap((pairs, i) => (i % 2 === 0 ? [[pairs, elements[i + 1]] as StoredTop] : [])),
  });
}

/** The digest lists of one metric (numeric key) over some days. */
export function readDigestDays(
  system: string,
  metric: string,
  days: readonly Bucket[],
): DayReading<StoredDigests> {
  return readDays(system, days, {
    kind: 'digest',
    suffixes: (bucket) => [sketchSuffix('digest', metric, bucket)],
    cut: (elements) => elements as StoredDigests[],
  });
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
