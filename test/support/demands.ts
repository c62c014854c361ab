/** A demand for the model of capacity, as the command line makes it of its defaults. */
import type { Demand } from '../../src/capacity/use.js';
import type { Shape } from '../../src/capacity/work.js';
import { demandOf } from '../../src/cli/capacity-options.js';

/** @param shape what differs of the shape */
export function demand(differing: Partial<Demand> = {}, shape: Partial<Shape> = {}): Demand {
  const usual = demandOf({ eventsPerSecond: 100_000 });
  return { ...usual, ...differing, shape: { ...usual.shape, ...shape } };
}
