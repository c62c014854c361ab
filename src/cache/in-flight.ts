/** How many questions are at Redis at once: past a bound one more is refused, or gets an older answer where there is one. */
import { Problem } from '../errors.js';
import type { Metrics } from '../metrics.js';

/** Runs what a question asks Redis. @throws Problem overloaded where `max` others are under way */
export function createInFlight(max: number, metrics: Pick<Metrics, 'queriesInFlight'>) {
  let inFlight = 0;
  return async <Result>(work: () => Promise<Result>): Promise<Result> => {
    if (inFlight >= max) throw new Problem('overloaded', 'too many questions are being computed');
    metrics.queriesInFlight.set(++inFlight);
    try {
      return await work();
    } finally {
      metrics.queriesInFlight.set(--inFlight);
    }
  };
}

export type InFlight = ReturnType<typeof createInFlight>;
