import t from 'tap';
import { centroidsMax } from '../../../src/sketches/centroids.js';
import { type Digest, digestOf, mergeDigests, quantile, rankError } from '../../../src/sketches/t-digest.js';
import { dataSets, numbersOf } from '../../support/data-sets.js';
import { seededRandom, shuffled } from '../../support/random.js';

const percentiles = [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99];
const sorted = (samples: readonly number[]) => Float64Array.from(samples).sort();

/** How many of `ascending` are below `value`, or not above it. */
function countBelow(ascending: Float64Array, value: number, inclusive: boolean): number {
  let low = 0;
  let high = ascending.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ascending[middle] < value || (inclusive && ascending[middle] === value)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Distance of q from the ranks that `value` has among the samples, 0..1. */
function measuredError(ascending: Float64Array, value: number, q: number): number {
  const from = countBelow(ascending, value, false) / ascending.length;
  const to = countBelow(ascending, value, true) / ascending.length;
  return Math.max(from - q, q - to, 0);
}

const nearestRank = (ascending: Float64Array, percent: number) =>
  ascending[Math.max(Math.ceil((percent * ascending.length) / 100), 1) - 1];

function batchesOf(samples: readonly number[], size: number): Digest[] {
  const batches: Digest[] = [];
  for (let at = 0; at < samples.length; at += size) batches.push(digestOf(samples.slice(at, at + size)));
  return batches;
}

/** Folds as the writers do: what has been folded and the next 64. */
function foldOf(batches: readonly Digest[]): Digest {
  let folded = mergeDigests([]);
  for (let at = 0; at < batches.length; at += 64)
    folded = mergeDigests([folded, ...batches.slice(at, at + 64)]);
  return folded;
}

/** Digests of the same samples: in one go, and folded step by step. */
const ways: Record<string, (samples: readonly number[]) => Digest> = {
  'one digest': digestOf,
  'folds of batches': (samples) => foldOf(batchesOf(samples, 7)),
};

for (const [way, digestBy] of Object.entries(ways)) {
  t.test(`${way}: at most one point of rank error for 99% of seeds`, async (t) => {
    const seeds = 200;
    for (const set of dataSets) {
      const worst = percentiles.map(() => 0);
      const misses = percentiles.map(() => 0);
      for (let seed = 1; seed <= seeds; seed++) {
        const samples = numbersOf(set, 1_500, seed);
        const digest = digestBy(samples);
        const ascending = sorted(samples);
        percentiles.forEach((q, i) => {
          const error = measuredError(ascending, quantile(digest, q), q);
          worst[i] = Math.max(worst[i], error);
          if (error > 0.01) misses[i]++;
        });
      }
      t.comment(`${set}: worst in points ${worst.map((error) => (100 * error).toFixed(2)).join(' ')}`);
      t.ok(Math.max(...misses) <= seeds / 100, set);
    }
  });
}

t.test('the same holds for a million samples, whole and folded from a thousand digests', async (t) => {
  for (const set of ['lognormal', 'negative', 'zipf', 'repeating'] as const) {
    const samples = numbersOf(set, 1_000_000, 5);
    const ascending = sorted(samples);
    for (const digest of [digestOf(samples), foldOf(batchesOf(samples, 1_000))]) {
      const errors = percentiles.map((q) => measuredError(ascending, quantile(digest, q), q));
      t.comment(`${set}: in points ${errors.map((error) => (100 * error).toFixed(3)).join(' ')}`);
      t.ok(Math.max(...errors) <= 0.01, set);
      t.equal(digest.count, 1_000_000);
    }
  }
});

/** The percentiles 0..100 for which the digest does not answer the sample of nearest rank. */
function inexactPercents(digest: Digest, samples: readonly number[]): number[] {
  const ascending = sorted(samples);
  return Array.from({ length: 101 }, (_, percent) => percent).filter(
    (percent) => quantile(digest, percent / 100) !== nearestRank(ascending, percent),
  );
}

t.test('up to 250 samples every percentile is the sample of nearest rank, through any merges', async (t) => {
  for (const set of dataSets) {
    for (const length of [1, 2, 3, 7, 19, 100, 249, 250]) {
      const samples = numbersOf(set, length, length);
      for (const digest of [
        digestOf(samples),
        foldOf(batchesOf(samples, 1)),
        foldOf(batchesOf(samples, 3)),
      ]) {
        t.strictSame(inexactPercents(digest, samples), [], `${set} ${length}`);
        t.strictSame(new Set(percentiles.map((q) => rankError(digest, q))), new Set([0]));
      }
    }
  }
});

t.test('values that come often are answered exactly, never one in between', async (t) => {
  for (const set of ['constant', 'duplicates', 'alternating extremes', 'tiny and huge'] as const) {
    const samples = numbersOf(set, 5_000, 1);
    for (const digest of [digestOf(samples), foldOf(batchesOf(samples, 11))]) {
      t.strictSame(inexactPercents(digest, samples), [], set);
    }
  }
});

t.test('quantiles rise with q, stay between min and max and are never NaN, on every data set', async (t) => {
  for (const set of dataSets) {
    const samples = numbersOf(set, 3_000, 2);
    const ascending = sorted(samples);
    const digest = foldOf(batchesOf(samples, 13));
    t.equal(quantile(digest, 0), ascending[0], set);
    t.equal(quantile(digest, 1), ascending[2_999], set);
    let previous = ascending[0];
    for (let i = 0; i <= 1_000; i++) {
      const value = quantile(digest, i / 1_000);
      if (!(value >= previous && value <= ascending[2_999])) t.fail(`${set}: ${value} after ${previous}`);
      previous = value;
    }
  }
});

t.test('a digest is small however much it has seen', async (t) => {
  for (const set of dataSets) {
    const digest = foldOf(batchesOf(numbersOf(set, 20_000, 3), 20));
    t.ok(digest.means.length <= 1.2 * centroidsMax, `${set}: ${digest.means.length}`);
    t.equal(
      digest.weights.reduce((sum, weight) => sum + weight, 0),
      20_000,
    );
  }
});

t.test('the empty digest is the identity, and merging commutes exactly', async (t) => {
  const random = seededRandom(1);
  for (const set of dataSets) {
    const digests = [5, 80, 300, 4_000, 4_000].map((length, i) => digestOf(numbersOf(set, length, i % 4)));
    t.strictSame(mergeDigests([digests[3], mergeDigests([])]), digests[3], set);
    t.strictSame(mergeDigests([digestOf([]), digests[1]]), digests[1], set);
    const merged = mergeDigests(digests);
    for (let round = 0; round < 3; round++)
      t.strictSame(mergeDigests(shuffled(digests, random)), merged, set);
  }
});

t.test('merging small digests associates exactly and is the digest of both', async (t) => {
  for (const set of dataSets) {
    const samples = numbersOf(set, 90, 1);
    const [a, b, c] = batchesOf(samples, 30);
    t.strictSame(mergeDigests([mergeDigests([a, b]), c]), digestOf(samples), set);
    t.strictSame(mergeDigests([a, mergeDigests([b, c])]), digestOf(samples), set);
  }
});

t.test('merging large digests in any grouping keeps count, min, max and the percentiles', async (t) => {
  for (const set of dataSets) {
    const samples = numbersOf(set, 6_000, 1);
    const ascending = sorted(samples);
    const [a, b, c] = batchesOf(samples, 2_000);
    for (const digest of [mergeDigests([mergeDigests([a, b]), c]), mergeDigests([a, mergeDigests([b, c])])]) {
      t.match(digest, { count: 6_000, min: ascending[0], max: ascending[5_999] }, set);
      for (const q of percentiles) t.ok(measuredError(ascending, quantile(digest, q), q) <= 0.01, set);
    }
  }
});

t.test('merging any number of digests of up to 250 samples is the digest of all of them', async (t) => {
  for (const set of dataSets) {
    const samples = numbersOf(set, 5_000, 1);
    for (const size of [1, 10, 250]) {
      t.strictSame(mergeDigests(batchesOf(samples, size)), digestOf(samples), `${set}, batches of ${size}`);
    }
  }
});

t.test('merging leaves its arguments as they are', async (t) => {
  const digests = batchesOf(numbersOf('duplicates', 2_000, 1), 500);
  const before = structuredClone(digests);
  mergeDigests(digests);
  t.strictSame(digests, before);
});

t.test('the estimated rank error is on the safe side of the measured one', async (t) => {
  for (const set of ['uniform', 'negative', 'lognormal', 'heavy tail', 'eight decades'] as const) {
    for (const q of percentiles) {
      let squares = 0;
      let estimate = 0;
      for (let seed = 1; seed <= 50; seed++) {
        const samples = numbersOf(set, 2_000, seed);
        const digest = foldOf(batchesOf(samples, 20));
        squares += measuredError(sorted(samples), quantile(digest, q), q) ** 2 / 50;
        estimate += rankError(digest, q) / 50;
      }
      t.ok(Math.sqrt(squares) <= estimate, `${set}: ${Math.sqrt(squares)} against ${estimate}`);
      t.ok(estimate < 0.008, `${set}: ${estimate} says something`);
    }
  }
});

t.test('samples that are not finite are refused, and an empty digest has no quantile', async (t) => {
  for (const sample of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
    t.throws(() => digestOf([1, sample, 2]), RangeError);
  }
  t.throws(() => quantile(digestOf([]), 0.5), RangeError);
  t.throws(() => rankError(digestOf([]), 0.5), RangeError);
});
