/** Fitting costs to what was measured. */
import t from 'tap';
import { fitCosts } from '../../../load/capacity/fit.js';
import { seededRandom } from '../../support/random.js';

const kinds = ['a', 'b', 'c'] as const;
const random = seededRandom(5);
const works = Array.from({ length: 12 }, () => ({
  a: 1_000 * random(),
  b: 10 * random(),
  c: random(),
}));

t.test('costs without noise are found', async (t) => {
  const observations = works.map((work) => ({ work, used: 3 * work.a + 50 * work.b + 700 * work.c }));
  const costs = fitCosts(kinds, observations);
  for (const [kind, cost] of [
    ['a', 3],
    ['b', 50],
    ['c', 700],
  ] as const) {
    t.ok(Math.abs(costs[kind] / cost - 1) < 1e-3, `${kind}: ${costs[kind]}`);
  }
});

t.test('no cost is below 0, also where that would explain more', async (t) => {
  const observations = works.map((work) => ({ work, used: Math.max(1, 3 * work.a - 20 * work.b) }));
  for (const cost of Object.values(fitCosts(kinds, observations))) t.ok(cost >= 0);
});

t.test('what no point has any of costs 0', async (t) => {
  const observations = works.map((work) => ({ work: { ...work, c: 0 }, used: 3 * work.a + 50 * work.b }));
  t.equal(fitCosts(kinds, observations).c, 0);
});
