/**
 * Distinct values: HyperLogLog, Redis's own. "How many different users?" from at most 12 KB.
 *
 * `PFADD` hashes a value, picks one of 16,384 registers with 14 bits of the hash and keeps there the longest
 * run of zeros met in the rest. Registers only grow, so adding is idempotent, commutes, and a union is the
 * larger register each time: `PFCOUNT a b` is exactly the sketch of both. Few values are stored sparsely in
 * a few bytes each. Since Redis estimates by the method of Ertl 2017 there is no range with a bias.
 *
 * The error depends on the count, so every answer computes it:
 *
 *   many values  standard error 1.04 / sqrt(m) = 0.81%, m = 16,384 (Flajolet et al. 2007)
 *   few values   most registers are empty, and the estimate is as good as linear counting:
 *                sqrt(m (e^t - t - 1)) / (t m) with t = n / m (Whang et al. 1990); 0.55% at n = 100
 *
 * The first holds from about n = 2 m on; below, the second is the smaller one. Example: 1,000 distinct users
 * have a standard error of 0.56%, so 95% of such answers lie between 989 and 1,011.
 */
const registers = 16_384;
/** Bytes of a dense one as Redis stores it: a header, then six bits a register. */
export const hyperloglogDenseBytes = 16 + (registers * 6) / 8;
const asymptoticError = 1.04 / Math.sqrt(registers);
/** Standard errors on each side that hold 95% of a normal distribution. */
const errorsFor95 = 1.96;

interface DistinctBounds {
  /** Relative, 0.0081 for 0.81%. */
  standardError: number;
  /** The 95% interval, whole numbers. */
  lower: number;
  upper: number;
}

/** The relative standard error of a `PFCOUNT` that answered `count`; 0 for 0. */
export function relativeStandardError(count: number): number {
  if (count <= 0) return 0;
  const load = count / registers;
  const linearCounting = Math.sqrt(registers * (Math.expm1(load) - load)) / count;
  return Math.min(asymptoticError, linearCounting);
}

/** Standard error and 95% interval of a `PFCOUNT` that answered `count`. */
export function distinctBounds(count: number): DistinctBounds {
  const standardError = relativeStandardError(count);
  const halfWidth = errorsFor95 * standardError * count;
  return {
    standardError,
    lower: Math.max(0, Math.round(count - halfWidth)),
    upper: Math.round(count + halfWidth),
  };
}
