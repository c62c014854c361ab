/** Mean, variance, skewness and kurtosis against exact arithmetic, in one go and through merges. */
import t from 'tap';
import { mergeMoments, momentsOf, momentsOfSamples, type Statistics } from '../../../src/sketches/moments.js';
import {
  type Digest,
  decodeDigest,
  digestOf,
  encodeDigest,
  mergeDigests,
  quantile,
} from '../../../src/sketches/t-digest.js';
import { type DataSet, dataSets, numbersOf } from '../../support/data-sets.js';
import { normal, seededRandom, shuffled } from '../../support/random.js';

/** Their fourth powers are no doubles. */
const beyondRange: readonly DataSet[] = ['alternating extremes', 'tiny and huge'];
const withinRange = dataSets.filter((set) => !beyondRange.includes(set));

const SCALE = 160n;
const toFixed = (value: number): bigint => {
  // A double is a whole number times a power of two: exact, for all from 2 ** -107 on.
  const [mantissa, exponent] = split(value);
  const shift = BigInt(exponent) + SCALE;
  if (shift < 0n) throw new Error(`${value} is too small for this test.`);
  return mantissa << shift;
};

function split(value: number): [mantissa: bigint, exponent: number] {
  let exponent = 0;
  let whole = value;
  while (!Number.isInteger(whole)) {
    whole *= 2;
    exponent--;
  }
  return [BigInt(whole), exponent];
}

/** a / b with 60 digits more than a double has. */
function ratio(a: bigint, b: bigint): number {
  const digits = 200n;
  const scaled = (a << digits) / b;
  const bits = scaled.toString(2).replace('-', '').length;
  const drop = BigInt(Math.max(bits - 64, 0));
  return Number(scaled >> drop) * 2 ** Number(drop - digits);
}

/** The statistics in exact arithmetic on whole numbers. */
function exactly(samples: readonly number[]): Statistics {
  const n = BigInt(samples.length);
  const fixed = samples.map(toFixed);
  const sum = fixed.reduce((total, value) => total + value, 0n);
  // Distances times n, so that they are whole too.
  const [s2, s3, s4] = [2n, 3n, 4n].map((power) =>
    fixed.reduce((total, value) => total + (value * n - sum) ** power, 0n),
  );
  const one = 1n << SCALE;
  const variance = ratio(s2, n ** 3n * one ** 2n);
  const deviation = Math.sqrt(variance);
  const spread = s2 !== 0n;
  return {
    count: samples.length,
    mean: ratio(sum, n * one),
    variance,
    standard_deviation: deviation,
    skewness: spread ? ratio(s3, n ** 4n * one ** 3n) / variance / deviation : null,
    kurtosis: spread ? ratio(s4 * n, s2 ** 2n) : null,
    min: Math.min(...samples),
    max: Math.max(...samples),
  };
}

/** The largest relative error; the mean's to its scale, the skewness's to 1 where it is smaller. */
function worstError(found: Statistics, wanted: Statistics): number {
  const scales: Partial<Record<keyof Statistics, number>> = {
    mean: Math.max(Math.abs(wanted.mean ?? 0), wanted.standard_deviation ?? 0),
    skewness: Math.max(Math.abs(wanted.skewness ?? 0), 1),
  };
  let worst = 0;
  for (const key of Object.keys(wanted) as (keyof Statistics)[]) {
    const [is, should] = [found[key], wanted[key]];
    if (is === should) continue;
    if (is === null || should === null) return Number.POSITIVE_INFINITY;
    worst = Math.max(worst, Math.abs(is - should) / (scales[key] ?? Math.abs(should)));
  }
  return worst;
}

function batchesOf(samples: readonly number[], size: number): Digest[] {
  const batches: Digest[] = [];
  for (let at = 0; at < samples.length; at += size) batches.push(digestOf(samples.slice(at, at + size)));
  return batches;
}

/** One packed digest after the other, the way with the most roundings. */
const foldOf = (batches: readonly Digest[]) =>
  batches.reduce((folded, batch) => mergeDigests([folded, batch]), digestOf([]));

const offsets = seededRandom(9);
const hardSets: Record<string, number[]> = {
  'a large offset': Array.from({ length: 6_000 }, () => 1e9 + offsets()),
  'a large negative offset': Array.from({ length: 6_000 }, () => -1e12 + normal(offsets)),
  'one far away': [...Array.from({ length: 5_999 }, () => offsets()), 1e6],
};
for (const set of withinRange) hardSets[set] = numbersOf(set, 6_000, 1);

t.test('a known example', async (t) => {
  const { kurtosis, ...rest } = momentsOf(digestOf([4, 1, 3, 2]));
  t.strictSame(rest, {
    count: 4,
    mean: 2.5,
    variance: 1.25,
    standard_deviation: Math.sqrt(1.25),
    skewness: 0,
    min: 1,
    max: 4,
  });
  t.ok(Math.abs(Number(kurtosis) - 1.64) < 1e-12);
});

t.test('everything is right to 1e-9 on every data set, through merges of every kind', async (t) => {
  for (const [set, samples] of Object.entries(hardSets)) {
    const wanted = exactly(samples);
    const ways: Record<string, Digest> = {
      'one digest': digestOf(samples),
      'small batches': mergeDigests(batchesOf(samples, 20)),
      'folds of small batches': foldOf(batchesOf(samples, 20)),
      'packed batches': mergeDigests(batchesOf(samples, 300)),
      'folds of packed batches': foldOf(batchesOf(samples, 300)),
      'written and read': mergeDigests(
        batchesOf(samples, 300).map((digest) => decodeDigest(encodeDigest(digest))),
      ),
    };
    for (const [way, digest] of Object.entries(ways)) {
      const error = worstError(momentsOf(digest), wanted);
      t.ok(error <= 1e-9, `${set}, ${way}: ${error}`);
    }
  }
});

t.test('up to 250 samples the merged moments are those of the samples, bit for bit', async (t) => {
  for (const set of dataSets) {
    const samples = numbersOf(set, 250, 3);
    t.strictSame(momentsOf(foldOf(batchesOf(samples, 7))), momentsOf(digestOf(samples)), set);
  }
});

t.test('the empty digest is the identity, and merging commutes to the bit', async (t) => {
  const random = seededRandom(4);
  for (const set of dataSets) {
    const digests = [5, 300, 4_000, 4_000, 700].map((length, i) => digestOf(numbersOf(set, length, i)));
    const merged = mergeDigests(digests);
    t.strictSame(mergeDigests([merged, digestOf([])]).moments, merged.moments, set);
    for (let round = 0; round < 3; round++)
      t.strictSame(mergeDigests(shuffled(digests, random)).moments, merged.moments, set);
  }
});

t.test('merging associates to 1e-9', async (t) => {
  for (const set of withinRange) {
    const [a, b, c] = [1, 2, 3].map((seed) => digestOf(numbersOf(set, 1_000 * seed, seed)));
    const left = momentsOf(mergeDigests([mergeDigests([a, b]), c]));
    const right = momentsOf(mergeDigests([a, mergeDigests([b, c])]));
    t.ok(worstError(left, right) <= 1e-9, set);
  }
});

t.test('equal samples have no spread, neither skewness nor kurtosis', async (t) => {
  for (const value of [0, 42.5, 0.1, -1e9, 1e300]) {
    for (const length of [1, 10, 1_000]) {
      const digest = foldOf(batchesOf(Array(length).fill(value), 300));
      t.strictSame(
        momentsOf(digest),
        {
          count: length,
          mean: value,
          variance: 0,
          standard_deviation: 0,
          skewness: null,
          kurtosis: null,
          min: value,
          max: value,
        },
        `${value} x ${length}`,
      );
    }
  }
});

t.test('nothing seen has no statistics', async (t) => {
  const nothing = momentsOf(digestOf([]));
  t.strictSame(
    Object.entries(nothing).filter(([, value]) => value !== null),
    [['count', 0]],
  );
});

t.test('what leaves the range of numbers is null, now and after merges, and nothing else is', async (t) => {
  for (const set of beyondRange) {
    const samples = numbersOf(set, 3_000, 1);
    for (const digest of [
      digestOf(samples),
      foldOf(batchesOf(samples, 300)),
      foldOf(batchesOf(samples, 7)),
    ]) {
      const written = decodeDigest(encodeDigest(digest));
      const spoiled = mergeDigests([written, digestOf(numbersOf('uniform', 500, 1))]);
      for (const { count, mean, min, max, ...rest } of [written, spoiled].map(momentsOf)) {
        t.strictSame(rest, { variance: null, standard_deviation: null, skewness: null, kurtosis: null }, set);
        t.ok(Number.isFinite(mean) && count >= 3_000 && min === Math.min(...samples), set);
        t.equal(max, Math.max(...samples));
      }
      t.equal(quantile(spoiled, 1), Math.max(...samples), 'percentiles are as they were');
    }
  }
  const large = momentsOf(digestOf(numbersOf('uniform', 1_000, 1).map((value) => value * 1e100)));
  t.ok(Number(large.variance) > 1e198, 'a variance that is a number is told');
  t.equal(large.kurtosis, null);
  const tiny = momentsOf(digestOf(numbersOf('uniform', 1_000, 1).map((value) => value * 1e-100)));
  t.match(tiny, { skewness: null, kurtosis: null });
});

t.test('merging leaves its arguments as they are', async (t) => {
  const all = [1, 2].map((seed) => momentsOfSamples(Float64Array.from(numbersOf('zipf', 100, seed))));
  const before = structuredClone(all);
  mergeMoments(all);
  t.strictSame(all, before);
});
