/** How many different values draws meet, against the sum and against drawing. */
import t from 'tap';
import { distinctOf } from '../../../src/capacity/distinct.js';

/** The same, rank by rank. */
function summed(draws: number, values: number, above = 0): number {
  let harmonic = 0;
  for (let rank = 1; rank <= values; rank++) harmonic += 1 / rank;
  let met = 0;
  for (let rank = above + 1; rank <= values; rank++) met -= Math.expm1(-draws / rank / harmonic);
  return met;
}

t.test('bands of ranks are as good as every rank, within a thousandth', async (t) => {
  for (const values of [1, 2, 63, 64, 65, 1_000, 300_000]) {
    for (const draws of [0.01, 1, 100, 10_000, 1e7]) {
      const exact = Math.min(summed(draws, values), draws);
      t.ok(Math.abs(distinctOf(draws, values) - exact) <= 0.001 * exact, `${draws} of ${values}`);
    }
  }
});

t.test('of those above a rank only they are counted', async (t) => {
  for (const draws of [1, 1_000, 1e6]) {
    const exact = summed(draws, 50_000, 1_000);
    t.ok(Math.abs(distinctOf(draws, 50_000, 1_000) - exact) <= 0.002 * exact, `${draws}`);
  }
  t.equal(distinctOf(1e6, 1_000, 1_000), 0);
});

t.test('nothing is met by no draws or of no values, and never more than there are', async (t) => {
  t.equal(distinctOf(0, 1_000), 0);
  t.equal(distinctOf(1_000, 0), 0);
  t.ok(distinctOf(1e12, 1_000) <= 1_000);
  t.ok(distinctOf(5, 1e9) <= 5);
});
