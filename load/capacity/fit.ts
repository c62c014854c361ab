/**
 * Fitting: which costs, none of them below 0, explain the measured points best. Errors count in relation to what was
 * measured, so that cheap points weigh as much as dear ones. Least squares by descent along one cost at a time, each cut
 * off at 0 (Franc, Hlavac, Navara 2005), which for ten costs is as simple as it is quick.
 */
const ROUNDS = 20_000;

export interface Observation<Kind extends string> {
  /** How much there was of each kind. */
  work: Record<Kind, number>;
  /** What it used in all, above 0. */
  used: number;
}

/** What one of each kind uses, in the unit of what was used; 0 for what no point has any of. */
export function fitCosts<Kind extends string>(
  kinds: readonly Kind[],
  observations: readonly Observation<Kind>[],
): Record<Kind, number> {
  const rows = observations.map(({ work, used }) => kinds.map((kind) => work[kind] / used));
  const costs = kinds.map(() => 0);
  const unexplained = rows.map(() => 1); // as a share of what was used
  for (let round = 0; round < ROUNDS; round++) {
    costs.forEach((cost, i) => {
      const size = rows.reduce((sum, row) => sum + row[i] ** 2, 0);
      if (size === 0) return;
      const slope = rows.reduce((sum, row, at) => sum + row[i] * unexplained[at], 0);
      const next = Math.max(0, cost + slope / size);
      rows.forEach((row, at) => {
        unexplained[at] -= (next - cost) * row[i];
      });
      costs[i] = next;
    });
  }
  return Object.fromEntries(kinds.map((kind, i) => [kind, costs[i]])) as Record<Kind, number>;
}
