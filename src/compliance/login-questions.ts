/**
 * Questions about log-ins and how many of them failed (docs/adr/0023). Log-ins are events of one type, which are counted
 * exactly by the minute, as all types are, and by the hour and day in lists that hold every type. Failed ones have
 * counters of their own, by the minute, hour and day.
 *
 * Where an earlier release has written an hour first, which did not count failed log-ins, nothing is said of it: the
 * counters lack what came before, and a zero in them would be none.
 */
import { hourlyPrefix, rollSuffix, sketchSuffix, systemKey } from '../redis/keys.js';
import { type Call, callScript } from '../redis/pipeline.js';
import { scripts } from '../redis/scripts.js';
import { failedInDay, failedInHour, minuteOfFailed } from '../sketches/counters.js';
import { failedLoginMetric, loginType, topMetrics } from '../sketches/registry.js';
import { type Bucket, bucketAt } from '../windows/bucket.js';
import { HOUR_MS, MINUTE_MS } from '../windows/civil.js';
import type { Span } from '../windows/cover.js';
import type { Coverage } from '../windows/retention.js';
import { spanAt } from './event-questions.js';
import type { Place } from './place.js';
import { all, combine, map, type Question } from './question.js';
import { stated } from './statement.js';

/** Failed log-ins of a day in a system. */
interface Failures {
  /** Fields and values in turn. */
  pairs: readonly string[];
  /** Starts of hours (milliseconds) that are not known in full; and, where there are any, those that are. */
  unknown: number[];
  known: number[];
}

const startOf = (day: Bucket) => (hour: number) => day.start + hour * HOUR_MS;

/** @param counters '' where only the hours are asked for */
function readFailures(system: string, day: Bucket, counters: string): Question<Failures> {
  const terms = [sketchSuffix('written', 'all', day), counters];
  return {
    calls: [callScript(scripts['read-failures-1'], [systemKey(system)], terms)],
    decode([reply]) {
      const [pairs, unknown, known] = reply as [string[], number[], number[]];
      return { pairs, unknown: unknown.map(startOf(day)), known: known.map(startOf(day)) };
    },
  };
}

const touches = (hours: readonly number[], { from, to }: Span): boolean =>
  hours.some((hour) => hour < to && from < hour + HOUR_MS);

/** What is known of the failed log-ins of a span, of which so many were counted; expired: nothing. */
function coverageOf(days: readonly Failures[], span: Span, count: number): Coverage {
  if (!days.some(({ unknown }) => touches(unknown, span))) return 'complete';
  return count > 0 || days.some(({ known }) => touches(known, span)) ? 'partial' : 'expired';
}

interface FailedSeries {
  counts: { count: number; coverage: Coverage }[];
  exists: boolean[];
}

/**
 * How many log-ins failed in each of some spans of whole minutes.
 * @param places the days that hold the spans
 */
export function askFailedSeries(places: readonly Place[], spans: readonly Span[]): Question<FailedSeries> {
  const days = places.map(({ system, bucket }) =>
    readFailures(system, bucket, sketchSuffix('count', failedLoginMetric, bucket)),
  );
  return map(all(days), (days) => {
    const counts = spans.map(() => 0);
    days.forEach(({ pairs }, day) => {
      for (let i = 0; i < pairs.length; i += 2) {
        const minute = minuteOfFailed(pairs[i]);
        if (minute === undefined) continue;
        const span = spanAt(spans, places[day].bucket.start + minute * MINUTE_MS);
        if (span !== undefined) counts[span] += Number(pairs[i + 1]);
      }
    });
    return {
      counts: counts.map((count, i) => ({ count, coverage: coverageOf(days, spans[i], count) })),
      exists: days.map(({ pairs }) => pairs.length > 0),
    };
  });
}

/** Of an hour and its day. */
interface HourAndDay<Count> {
  hour: Count;
  day: Count;
}

interface Logins {
  /** Failed ones included. */
  logins: HourAndDay<number>;
  /** Null where not all of that time is known. */
  failed: HourAndDay<number | null>;
  exists: boolean[];
  partial: boolean[];
  hours: (boolean[] | undefined)[];
}

type LoginsReply = [
  source: string,
  partial: number,
  lists: string,
  inHour: number,
  inDay: number,
  failedInHour: number,
  failedInDay: number,
  unknownHours: number[],
];

/** Those of the hour or the day, as an answer states them. */
export function loginsOf({ logins, failed }: Logins, part: keyof HourAndDay<number>, coverage: Coverage) {
  const failures = failed[part];
  return {
    logins: stated(coverage, { count: logins[part] }).count,
    failed_logins: failures === null ? null : stated(coverage, { count: failures }).count,
  };
}

function readLogins(hourOfDay: number, { system, bucket }: Place): Call {
  const types = 'event_types';
  return callScript(
    scripts['read-logins-1'],
    [systemKey(system)],
    [
      loginType,
      rollSuffix(bucket),
      sketchSuffix('top', types, bucket),
      hourlyPrefix('top', types, bucket),
      String(hourOfDay).padStart(2, '0'),
      sketchSuffix('written', 'all', bucket),
      sketchSuffix('count', failedLoginMetric, bucket),
      failedInHour(hourOfDay),
      failedInDay,
    ],
  );
}

/**
 * How many log-ins there were in an hour and in its day.
 * @param at an instant of the hour, milliseconds
 * @param places the day
 * @param isOld whether hours of the day may have expired
 */
export function askLogins(at: number, places: readonly Place[], isOld: boolean): Question<Logins> {
  const hourOfDay = new Date(at).getUTCHours();
  return {
    calls: places.map((place) => readLogins(hourOfDay, place)),
    decode(replies) {
      const found: Logins = {
        logins: { hour: 0, day: 0 },
        failed: { hour: 0, day: 0 },
        exists: [],
        partial: [],
        hours: [],
      };
      const { logins, failed } = found;
      for (const reply of replies as LoginsReply[]) {
        const [source, partial, lists, inHour, inDay, failedHour, failedDay, unknown] = reply;
        logins.hour += inHour;
        logins.day += inDay;
        if (failed.hour !== null) failed.hour = unknown.includes(hourOfDay) ? null : failed.hour + failedHour;
        if (failed.day !== null) failed.day = unknown.length > 0 ? null : failed.day + failedDay;
        found.exists.push(lists.includes('1'));
        found.partial.push(partial === 1);
        found.hours.push(isOld && source === 'hours' ? [...lists].map((list) => list === '1') : undefined);
      }
      return found;
    },
  };
}

/** Metrics of lists that are kept for as long as failed log-ins are counted. */
const youngLists = new Set(topMetrics.flatMap((row) => (row.sinceFailedLogins ? [row.metric] : [])));

/** A question about lists; of those that earlier releases did not write, what they lack is partial. */
export function sinceKept<Answer extends { partial: boolean[] }>(
  metric: string,
  places: readonly Place[],
  question: Question<Answer>,
): Question<Answer> {
  if (!youngLists.has(metric)) return question;
  const days = all(
    places.map(({ system, bucket }) => readFailures(system, bucketAt('day', bucket.start), '')),
  );
  return map(combine({ answer: question, days }), ({ answer, days }) => ({
    ...answer,
    partial: answer.partial.map((isPartial, i) => {
      const { start, end } = places[i].bucket;
      return isPartial || touches(days[i].unknown, { from: start, to: end });
    }),
  }));
}
