/** Space-Saving at its real size against theory: a million values, whole, merged and cut. */
import t from 'tap';
import { topItemsMax } from '../../../src/sketches/registry.js';
import {
  addToTop,
  createTop,
  cutTop,
  mergeTops,
  type TopSummary,
} from '../../../src/sketches/space-saving.js';
import { namesOf } from '../../support/data-sets.js';

const total = 1_000_000;
const batch = 1_000;

function countsOf(values: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return counts;
}

function topOf(values: readonly string[]): TopSummary {
  let top = createTop();
  for (let at = 0; at < values.length; at += batch) {
    top = addToTop(top, countsOf(values.slice(at, at + batch)), topItemsMax);
  }
  return top;
}

/** Whether each truth lies within its bounds, which are no wider than theory allows. */
function isRight(top: TopSummary, truth: Map<string, number>): boolean {
  const widest = total / topItemsMax;
  if (top.floor > widest) return false;
  for (const [item, count] of truth) {
    const upper = top.counts.get(item);
    const over = top.overcounts.get(item) ?? 0;
    if (upper === undefined ? count > top.floor : count > upper || count < upper - over) return false;
    if (upper === undefined ? count > widest : over > widest) return false;
  }
  return [...top.counts.keys()].every((item) => truth.has(item));
}

// Skewed, without a mean, without a heavy hitter, and never the same value twice.
for (const set of ['zipf', 'heavy tail', 'duplicates', 'increasing'] as const) {
  t.test(`a million values, ${set}: truth within the bounds, no bound wider than N / itemsMax`, async (t) => {
    const values = namesOf(set, total, 3);
    const truth = countsOf(values);
    t.ok(isRight(topOf(values), truth), 'counted in one list');
    const hours = Array.from({ length: 24 }, (_, hour) =>
      topOf(values.slice((hour * total) / 24, ((hour + 1) * total) / 24)),
    );
    const day = mergeTops(hours);
    t.ok(isRight(day, truth), 'counted by the hour and merged');
    t.ok(isRight(cutTop(day, topItemsMax), truth), 'and cut');
  });
}
