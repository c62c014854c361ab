/**
 * Windows: the spans a question may ask for, and the buckets that answer it.
 *
 * `window` with `timestamp` means the aligned span that holds the timestamp: `1h` at 13:37 is 13:00 to 14:00,
 * not the last sixty minutes. Which grain answers which window depends on what a metric keeps, so each metric
 * brings its own table of those (see the sketch registry); a window that is not in it is never answered.
 */
import { type Bucket, bucketAt, bucketsIn, type Grain } from './bucket.js';
import { DAY_MS, HOUR_MS, MINUTE_MS } from './civil.js';

export const windows = ['1m', '5m', '15m', '1h', '1d', '1w', '1M'] as const;
export type Window = (typeof windows)[number];

export interface Span {
  /** First instant, milliseconds. */
  from: number;
  /** First instant after it, milliseconds. */
  to: number;
}

/** Milliseconds of each window, of a month as 30 days. */
export const windowMs: Readonly<Record<Window, number>> = {
  '1m': MINUTE_MS,
  '5m': 5 * MINUTE_MS,
  '15m': 15 * MINUTE_MS,
  '1h': HOUR_MS,
  '1d': DAY_MS,
  '1w': 7 * DAY_MS,
  '1M': 30 * DAY_MS,
};
const wholeBucket: Partial<Record<Window, Grain>> = {
  '1h': 'hour',
  '1d': 'day',
  '1w': 'week',
  '1M': 'month',
};

/** The aligned span of a window that holds an instant. */
export function spanOf(window: Window, at: number): Span {
  const grain = wholeBucket[window];
  if (grain) {
    const { start, end } = bucketAt(grain, at);
    return { from: start, to: end };
  }
  const size = windowMs[window];
  const from = Math.floor(at / size) * size;
  return { from, to: from + size };
}

/** The buckets of a grain that make up a window, oldest first. */
export function cover(window: Window, at: number, grain: Grain): Bucket[] {
  const { from, to } = spanOf(window, at);
  return bucketsIn(grain, from, to);
}
