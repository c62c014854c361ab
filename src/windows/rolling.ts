/**
 * Rolling windows: the time just before now instead of the aligned window that holds it. `1d` is the last 24
 * hours, not today; a week is seven times and a month thirty times that.
 *
 * The ends move outwards to the edges of the finest bucket that the question is to be answered from: to the
 * second they would be a new question at every call, and no cache would ever hold its answer. So a day in
 * hours covers 24 to 25 of them, the one that is running included. What else is no longer kept that finely
 * is widened by range.ts.
 *
 * Example, `1d` at 2026-07-15T13:37 in hours: 2026-07-14T13:00 to 2026-07-15T14:00.
 */
import { type Span, type Window, windowMs } from './cover.js';

/**
 * The last time of a window's length.
 * @param finestMs length of the finest bucket to be read, milliseconds; a minute, an hour or a day
 */
export function rollingSpan(window: Window, now: number, finestMs: number): Span {
  return {
    from: Math.floor((now - windowMs[window]) / finestMs) * finestMs,
    to: Math.ceil(now / finestMs) * finestMs,
  };
}
