/**
 * Packing: how a t-digest joins neighbours, so that about 100 centroids stand for any number of samples.
 *
 * The scale function k1, an arcsine, cuts the ranks into `centroidsMax` units, each of which becomes at most
 * one centroid: 1.6% of the samples in the middle, 0.02% at the ends. (In the terms of the paper the
 * compression is 200.) k2 would have finer tails, but at a million samples 8% in the middle, too coarse for a
 * median within one point.
 *
 * A centroid belongs to the unit in which the middle of its ranks lies. The usual way, to fill from the left
 * until a unit is full, leans: what lies between two full centroids always joins the left one, and after
 * hundreds of merges the ranks have moved by up to half a point. Middles stay where they are: the same merges
 * cost a tenth of that, and the number of centroids cannot grow.
 *
 * A value that fills a unit or more alone is an atom, as in whole milliseconds or status codes. It is packed
 * into two centroids of equal mean, which is how a reader knows it, and no neighbour joins them; so
 * interpolation never invents values beside it. Only what is known to have exactly that value counts towards
 * an atom: single samples and atoms, not a centroid whose mean happens to be the same.
 */
export const centroidsMax = 100;
/** Up to this many samples stay as they are: packing fewer would cost more time than it saves bytes. */
export const singlesMax = 250;

export interface Centroids {
  /** Ascending. */
  means: Float64Array;
  /** Samples of each centroid, whole numbers above 0. */
  weights: Float64Array;
}

/** Centroids on their way through a merge; `pure` is how many samples are known to equal the mean. */
interface Run extends Centroids {
  pure: Float64Array;
}

/** All `count` samples of the runs as about `centroidsMax` centroids; up to `singlesMax` samples as they are. */
export function packCentroids(runs: readonly Centroids[], count: number): Centroids {
  const { means, weights, pure } = mergeRuns(runs);
  if (count <= singlesMax) return { means, weights };
  const packed: Packed = { means: [], weights: [], open: -1 };
  let before = 0;
  let unit = 0;
  for (let start = 0, end = 1; start < means.length; start = end++) {
    let weight = weights[start];
    let exact = pure[start];
    for (; end < means.length && means[end] === means[start]; end++) {
      weight += weights[end];
      exact += pure[end];
    }
    if (exact > 1 && scale((before + exact) / count) - scale(before / count) >= 1) {
      packed.open = -1;
      push(packed, means[start], Math.ceil(weight / 2));
      push(packed, means[start], Math.floor(weight / 2));
    } else {
      const middle = (before + weight / 2) / count;
      while (unitEnds[unit] <= middle) unit++;
      join(packed, means[start], weight, unit);
    }
    before += weight;
  }
  return { means: new Float64Array(packed.means), weights: new Float64Array(packed.weights) };
}

/** What has been packed; `open` is the unit whose centroid, the last one, may still grow, or -1. */
interface Packed {
  means: number[];
  weights: number[];
  open: number;
}

function push(packed: Packed, mean: number, weight: number): void {
  packed.means.push(mean);
  packed.weights.push(weight);
}

function join(packed: Packed, mean: number, weight: number, unit: number): void {
  if (unit === packed.open) {
    const last = packed.means.length - 1;
    const joined = packed.weights[last] + weight;
    packed.means[last] = weightedMean(packed.means[last], mean, weight / joined);
    packed.weights[last] = joined;
  } else {
    push(packed, mean, weight);
    packed.open = unit;
  }
}

/** k1, from 0 for q = 0 to `centroidsMax` for q = 1. */
function scale(q: number): number {
  return centroidsMax * (0.5 + Math.asin(Math.min(2 * q - 1, 1)) / Math.PI);
}

/** Where each unit but the last ends: the q at which `scale` reaches its number. The last holds all beyond. */
const unitEnds = Float64Array.from({ length: centroidsMax }, (_, unit) =>
  unit + 1 === centroidsMax
    ? Number.POSITIVE_INFINITY
    : (1 + Math.sin(Math.PI * ((unit + 1) / centroidsMax - 0.5))) / 2,
);

/** Between `low` and `high` whatever the rounding, and safe where `high - low` would overflow. */
function weightedMean(low: number, high: number, shareOfHigh: number): number {
  return Math.min(Math.max(low * (1 - shareOfHigh) + high * shareOfHigh, low), high);
}

/** Merges sorted runs into one, neighbours first, so that n centroids in r runs take n log r steps. */
export function mergeRuns(runs: readonly Centroids[]): Run {
  const length = runs.reduce((sum, { means }) => sum + means.length, 0);
  let from = emptyRun(length);
  let starts: number[] = [];
  for (let i = 0, at = 0; i < runs.length; at += runs[i++].means.length) {
    starts.push(at);
    copyRun(runs[i], from, at);
  }
  if (runs.length < 2) return from;
  let to = emptyRun(length);
  while (starts.length > 1) {
    for (let i = 0; i < starts.length; i += 2) {
      const middle = starts[i + 1] ?? length;
      mergeNeighbours(from, to, { start: starts[i], middle, end: starts[i + 2] ?? length });
    }
    starts = starts.filter((_, i) => i % 2 === 0);
    [from, to] = [to, from];
  }
  return from;
}

function copyRun({ means, weights }: Centroids, into: Run, at: number): void {
  into.means.set(means, at);
  into.weights.set(weights, at);
  for (let i = 0; i < means.length; i++) {
    const isPure = weights[i] === 1 || means[i] === means[i - 1] || means[i] === means[i + 1];
    into.pure[at + i] = isPure ? weights[i] : 0;
  }
}

/** Merges `start` to `middle` and `middle` to `end` of one buffer into the same places of another. */
function mergeNeighbours(from: Run, to: Run, span: { start: number; middle: number; end: number }): void {
  const { means, weights, pure } = from;
  const { start, middle, end } = span;
  for (let out = start, i = start, j = middle; out < end; out++) {
    const at = j >= end || (i < middle && means[i] <= means[j]) ? i++ : j++;
    to.means[out] = means[at];
    to.weights[out] = weights[at];
    to.pure[out] = pure[at];
  }
}

function emptyRun(length: number): Run {
  return {
    means: new Float64Array(length),
    weights: new Float64Array(length),
    pure: new Float64Array(length),
  };
}
