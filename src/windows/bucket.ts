/**
 * Buckets: the grains in which time is kept, all in UTC, and the names that buckets carry in keys.
 *
 *   minute 2017-03-27T1306   hour 2017-03-27T13   day 2017-03-27   week 2017-W13 (ISO 8601)   month 2017-03
 *
 * A name sorts by time within its grain, holds no character that means something in a key, and can be read
 * back. A bucket covers [start, end). The two days of the year 0 that lie before its first week are in week 0,
 * so that no name needs a sign.
 */
import { civilFromDays, DAY_MS, daysFromCivil, daysInMonth, HOUR_MS, MINUTE_MS } from './civil.js';

export const grains = ['minute', 'hour', 'day', 'week', 'month'] as const;
export type Grain = (typeof grains)[number];

export interface Bucket {
  grain: Grain;
  name: string;
  /** First instant of the bucket, milliseconds. */
  start: number;
  /** First instant after it, milliseconds. */
  end: number;
}

const pad = (value: number, length = 2) => String(value).padStart(length, '0');
const floorTo = (at: number, size: number) => Math.floor(at / size) * size;

function dayName(days: number): string {
  const { year, month, day } = civilFromDays(days);
  return `${pad(year, 4)}-${pad(month)}-${pad(day)}`;
}

/** 0 for Monday. 1970-01-01 was a Thursday. */
const weekday = (days: number) => (((days + 3) % 7) + 7) % 7;

interface Edges {
  /** First instant, milliseconds. */
  start: number;
  /** First instant after it, milliseconds. */
  end: number;
}

function monthEdges(days: number): Edges {
  const { year, month } = civilFromDays(days);
  const first = daysFromCivil(year, month, 1);
  return { start: first * DAY_MS, end: (first + daysInMonth(year, month)) * DAY_MS };
}

/** Where the bucket of a grain that holds an instant starts and ends. */
export function edgesAt(grain: Grain, at: number): Edges {
  if (grain === 'month') return monthEdges(Math.floor(at / DAY_MS));
  if (grain === 'week') {
    const days = Math.floor(at / DAY_MS);
    const monday = days - weekday(days);
    return { start: monday * DAY_MS, end: (monday + 7) * DAY_MS };
  }
  const size = grain === 'day' ? DAY_MS : grain === 'hour' ? HOUR_MS : MINUTE_MS;
  const start = floorTo(at, size);
  return { start, end: start + size };
}

/** Name of the week that begins on a Monday. */
function weekName(monday: number): string {
  const year = Math.max(0, civilFromDays(monday + 3).year); // the year of a week is that of its Thursday
  const first = daysFromCivil(year, 1, 4);
  return `${pad(year, 4)}-W${pad((monday - (first - weekday(first))) / 7 + 1)}`;
}

/** The name of the bucket of a grain that begins at an instant. */
function nameOf(grain: Grain, start: number): string {
  const days = Math.floor(start / DAY_MS);
  if (grain === 'week') return weekName(days);
  if (grain === 'month') return dayName(days).slice(0, -3);
  if (grain === 'day') return dayName(days);
  const hour = pad(Math.floor((start - days * DAY_MS) / HOUR_MS));
  const minute = grain === 'minute' ? pad(Math.floor((start % HOUR_MS) / MINUTE_MS + 60) % 60) : '';
  return `${dayName(days)}T${hour}${minute}`;
}

/** The bucket of a grain that holds an instant. */
export function bucketAt(grain: Grain, at: number): Bucket {
  const { start, end } = edgesAt(grain, at);
  return { grain, name: nameOf(grain, start), start, end };
}

/** The day of a name that a day's bucket carries. */
export function dayNamed(name: string): Bucket {
  const [year, month, day] = name.split('-').map(Number);
  return bucketAt('day', daysFromCivil(year, month, day) * DAY_MS);
}

/** The buckets of a grain that touch [from, to), oldest first. */
export function bucketsIn(grain: Grain, from: number, to: number): Bucket[] {
  const buckets: Bucket[] = [];
  for (let at = from; at < to; ) {
    const bucket = bucketAt(grain, at);
    buckets.push(bucket);
    at = bucket.end;
  }
  return buckets;
}
