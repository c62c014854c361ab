/**
 * Steps: a range cut into the aligned windows of a time series, one a point.
 *
 * Steps are the windows of cover.ts, or of a time zone, so that a point of a series is the same number as the
 * answer for that window. The ends of the range widen to whole steps: a point never stands for a part of its
 * time. In a zone a step of a day may be 23 or 25 hours long, and a date that was left out has no point.
 *
 * Bounded by the number of points: each is at least one key to read. What would be longer is refused and told
 * how many points it would be (in a zone or in months: about), never thinned out.
 *
 * Example, `1w` from Thursday 2020-12-31 to Tuesday 2021-01-05: the weeks from 2020-12-28 and 2021-01-04.
 */
import { Problem } from '../errors.js';
import { type Span, spanOf, type Window, windowMs } from './cover.js';
import type { Zone } from './zone.js';

/** Points of the longest series that is answered. */
export const seriesPointsMax = 1_000;

interface StepOptions {
  /** Whose hours, days, weeks and months; absent means those of UTC. */
  zone?: Zone | undefined;
  pointsMax: number;
}

/**
 * The steps that tile a range, oldest first.
 * @param span [from, to) in milliseconds; an empty one has no steps
 * @throws Problem series_too_long, which says how many points there would be; zone_unsupported
 */
export function stepSpans(span: Span, step: Window, { zone, pointsMax }: StepOptions): Span[] {
  const stepAt = zone ? zone.spanOf : spanOf;
  const spans: Span[] = [];
  for (let at = span.from; at < span.to; ) {
    const next = stepAt(step, at);
    if (spans.length === pointsMax) {
      const points = pointsMax + Math.ceil((span.to - next.from) / windowMs[step]);
      const detail = `of ${step} gives ${points} points, at most ${pointsMax} are answered`;
      throw new Problem('series_too_long', `step ${detail}`, {
        errors: [{ pointer: '/step', detail }],
        points,
      });
    }
    spans.push(next);
    at = next.to;
  }
  return spans;
}
