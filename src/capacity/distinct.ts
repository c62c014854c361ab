/**
 * How many different values some draws meet. Users are not equally active, and what a group of events costs hangs on
 * how many different ones it holds, so the plan needs a law of activity: Zipf with exponent 1, the usual one, by which
 * the value of rank i comes with a chance in proportion to 1 / i.
 *
 * Draws are independent and their number is Poisson, so a value of chance p is met with 1 - e^(-draws p). The sum over
 * all ranks is exact for the first ones and by bands of ranks beyond, within a thousandth. It also holds for less
 * than one draw on average, as where a group brings half an event to each of many systems.
 *
 * Example: 100 draws of 1,000 values meet 63, 1,000 draws 334, 10,000 draws 908.
 */

/** Ranks that are summed one by one; then bands, each this much wider than where it begins. */
const SINGLE_RANKS = 64;
const BAND_GROWTH = 1.05;

/** The sum of 1 / i up to n. */
function harmonic(n: number): number {
  let sum = 0;
  for (let i = 1; i <= Math.min(n, SINGLE_RANKS); i++) sum += 1 / i;
  return n <= SINGLE_RANKS ? sum : sum + Math.log((n + 0.5) / (SINGLE_RANKS + 0.5));
}

/**
 * Different values among `draws` of `values` possible ones.
 * @param draws on average, 0 or more
 * @param values 0 or more
 * @param above counts only those of higher rank: all but so many of the most active
 */
export function distinctOf(draws: number, values: number, above = 0): number {
  if (values < 1 || draws <= 0) return 0;
  const intensity = draws / harmonic(values);
  let met = 0;
  let rank = above + 1;
  for (; rank <= Math.min(SINGLE_RANKS, values); rank++) met -= Math.expm1(-intensity / rank);
  while (rank <= values) {
    const end = Math.min(values + 1, Math.max(rank + 1, rank * BAND_GROWTH));
    // Between two ranks the chance falls as 1 / rank, so their geometric mean stands for the band.
    met -= Math.expm1(-intensity / Math.sqrt((rank - 0.5) * (end - 0.5))) * (end - rank);
    rank = end;
  }
  return Math.min(met, values, draws);
}
