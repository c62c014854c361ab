/**
 * Moments: mean, variance, skewness and kurtosis of any number of samples, from five numbers that merge.
 *
 *   mean + rest   the mean as a sum of two doubles, so that a spread far smaller than the mean keeps its digits
 *   m2, m3, m4    sums of the second, third and fourth powers of the distances from the mean
 *
 * Sums of plain powers would merge more simply and lose all digits where the mean is large; distances do not.
 * Two sets are joined by the formulas of Pebay 2008. They travel in the blob of a t-digest, which counts and
 * knows the ends; a digest that still holds all its samples has none, and they are taken from the samples.
 * So writers compute nothing, and what is small is exact.
 *
 * Error: rounding only. Through hundreds of merges everything stays within 1e-9, relative (the mean: to the larger of mean
 * and standard deviation; the skewness: to the larger of itself and 1).
 *
 * Range: the fourth power of a distance over 1e77 is no double any more, the square of one over 1e154. What
 * has left the range is infinite or NaN here, stays so through every merge, and is answered with null; mean,
 * ends and percentiles are never touched by it. Below a standard deviation of about 1e-72 skewness and kurtosis are null
 * too. Example: 1, 2, 3, 4 has mean 2.5, m2 5, m3 0, m4 10.25: variance 1.25, kurtosis 1.64.
 *
 * Source: Pebay 2008, "Formulas for robust, one-pass parallel computation of covariances and
 * arbitrary-order statistical moments" (SAND2008-6212).
 */
export interface Moments {
  /** How many samples. */
  count: number;
  mean: number;
  /** What is missing from `mean`, less than half of its last digit. */
  rest: number;
  m2: number;
  m3: number;
  m4: number;
}

/** Fourth powers under this have lost digits. */
const FOURTH_POWER_MIN = 1e-290;

/** The moments of finite samples, at least one. The same samples in the same order give the same bits. */
export function momentsOfSamples(samples: Float64Array): Moments {
  const count = samples.length;
  const { mean, rest } = meanOf(samples);
  let m2 = 0;
  let m3 = 0;
  let m4 = 0;
  for (let i = 0; i < count; i++) {
    const distance = samples[i] - mean - rest;
    const square = distance * distance;
    m2 += square;
    m3 += square * distance;
    m4 += square * square;
  }
  return { count, mean, rest, m2, m3, m4 };
}

function meanOf(samples: Float64Array): { mean: number; rest: number } {
  const count = samples.length;
  let sum = 0;
  for (let i = 0; i < count; i++) sum += samples[i];
  const near = sum / count;
  let off = 0;
  for (let i = 0; i < count; i++) off += samples[i] - near;
  if (Number.isFinite(off)) return sumOf(near, off / count);
  let mean = 0;
  for (let i = 0; i < count; i++) mean += samples[i] / count;
  return { mean, rest: 0 };
}

/** a + b as a double and what it lacks (Knuth's two-sum). */
function sumOf(a: number, b: number): { mean: number; rest: number } {
  const mean = a + b;
  const added = mean - a;
  return { mean, rest: a - (mean - added) + (b - added) };
}

/** The moments of the samples of all; of the same ones in any order to the same bits. */
export function mergeMoments(all: readonly Moments[]): Moments {
  return [...all].sort(byContent).reduce(mergeTwo);
}

/** Largest first: the small ones move a mean that stands. */
function byContent(a: Moments, b: Moments): number {
  return b.count - a.count || a.mean - b.mean || a.rest - b.rest || a.m2 - b.m2 || a.m3 - b.m3 || a.m4 - b.m4;
}

function mergeTwo(a: Moments, b: Moments): Moments {
  const count = a.count + b.count;
  const shareA = a.count / count;
  const shareB = b.count / count;
  const apart = b.mean - a.mean + (b.rest - a.rest);
  const square = apart * apart;
  const pairs = a.count * shareB;
  return {
    count,
    ...meanOfTwo(a, b, shareB),
    m2: a.m2 + b.m2 + square * pairs,
    m3:
      a.m3 + b.m3 + square * apart * pairs * (shareA - shareB) + 3 * apart * (shareA * b.m2 - shareB * a.m2),
    m4:
      a.m4 +
      b.m4 +
      square * square * pairs * (shareA * shareA - shareA * shareB + shareB * shareB) +
      6 * square * (shareA * shareA * b.m2 + shareB * shareB * a.m2) +
      4 * apart * (shareA * b.m3 - shareB * a.m3),
  };
}

function meanOfTwo(a: Moments, b: Moments, shareB: number): { mean: number; rest: number } {
  const apart = b.mean - a.mean;
  if (!Number.isFinite(apart)) return { mean: a.mean * (1 - shareB) + b.mean * shareB, rest: 0 };
  const { mean, rest } = sumOf(a.mean, (apart + (b.rest - a.rest)) * shareB);
  return sumOf(mean, rest + a.rest);
}

/** What a digest knows of its samples. */
interface Sampled {
  count: number;
  min: number;
  max: number;
  /** The samples in ascending order, where there are no moments. */
  means: Float64Array;
  moments: Moments | undefined;
}

/** Of all samples, as of a whole population; null where it is not defined or has left the range of numbers. */
export interface Statistics {
  count: number;
  mean: number | null;
  /** m2 / count. */
  variance: number | null;
  standard_deviation: number | null;
  /** 0 where the samples lie evenly on both sides of the mean; above, where the long tail is on the right. */
  skewness: number | null;
  /** 3 for a normal distribution (the excess is this less 3). */
  kurtosis: number | null;
  min: number | null;
  max: number | null;
}

const orNull = (value: number): number | null => (Number.isFinite(value) ? value : null);

/** The statistics of a digest's samples. Skewness and kurtosis need samples that differ. */
export function momentsOf({ count, min, max, means, moments }: Sampled): Statistics {
  const { mean, rest, m2, m3, m4 } = moments ?? momentsOfSamples(means);
  const variance = m2 / count;
  const deviation = Math.sqrt(variance);
  const isWide = variance * variance >= FOURTH_POWER_MIN;
  return {
    count,
    mean: orNull(Math.min(Math.max(mean + rest, min), max)),
    variance: orNull(variance),
    standard_deviation: orNull(deviation),
    skewness: isWide ? orNull(m3 / count / variance / deviation) : null,
    kurtosis: isWide ? orNull(m4 / count / variance / variance) : null,
    min: orNull(min),
    max: orNull(max),
  };
}
