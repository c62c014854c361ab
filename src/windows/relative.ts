/**
 * Times that people say: dates, days by name, and how long ago, for questions only. An event says its instant in full.
 *
 *   2015-05-18   today   yesterday   the first instant of that date, in UTC or in the zone that is asked for
 *   -30m   -24h   -7d   -2w          so long before now; a day is 24 hours here, a week seven of them
 *
 * A time before now means a whole minute, the one it lies in or the one after it: all that is kept is kept by the minute
 * at the finest, so nothing is lost, and the same text means the same question within a minute.
 *
 * Example, at 13:37:20: -1h is 12:37:00 as the beginning of a range and 12:38:00 as its end, which widens it.
 */
import { DAY_MS, HOUR_MS, MINUTE_MS } from './civil.js';
import { parseDay } from './instant.js';
import type { Zone } from './zone.js';

const unitMs: Readonly<Record<string, number>> = { m: MINUTE_MS, h: HOUR_MS, d: DAY_MS, w: 7 * DAY_MS };

export interface RelativeTerms {
  /** Milliseconds. */
  now: number;
  /** Whose dates; undefined means those of UTC. */
  zone: Zone | undefined;
  /** Whether it is where a time ends: then it lies at or after the instant that was said, else at or before. */
  isEnd: boolean;
}

interface RelativeInstant {
  /** Milliseconds. */
  at: number;
  /** From when on the same text means another instant, milliseconds. */
  until: number;
}

/** The days since 1970 of a date that is named by a day. */
function namedDay(text: string, { now, zone }: RelativeTerms): number | undefined {
  if (text !== 'today' && text !== 'yesterday') return undefined;
  const today = zone ? zone.dayAt(now) : Math.floor(now / DAY_MS);
  return text === 'today' ? today : today - 1;
}

/** The instant that a text means, undefined where it is none of these forms; `at` is NaN for a date that does not exist. */
export function parseRelative(text: string, terms: RelativeTerms): RelativeInstant | undefined {
  const { now, zone, isEnd } = terms;
  const startOf = (day: number) => (zone ? zone.startOf(day) : day * DAY_MS);
  const until = Math.floor(now / MINUTE_MS) * MINUTE_MS + MINUTE_MS;
  if (/^\d{4}-\d\d-\d\d$/.test(text)) {
    const day = parseDay(text);
    return { at: Number.isNaN(day) ? day : startOf(day), until: Number.POSITIVE_INFINITY };
  }
  const day = namedDay(text, terms);
  if (day !== undefined) return { at: startOf(day), until };
  const [, count, unit] = /^-(\d{1,6})([mhdw])$/.exec(text) ?? [];
  if (count === undefined) return undefined;
  const at = now - Number(count) * unitMs[unit];
  return { at: (isEnd ? Math.ceil : Math.floor)(at / MINUTE_MS) * MINUTE_MS, until };
}
