/**
 * Percentile queries: quantiles of a measurement, and whether they keep an SLA. Each quantile comes with its
 * estimated rank error and with the values that lie that far to both sides, so that a verdict near the
 * threshold can be told from a clear one.
 */
import { Problem } from '../errors.js';
import { momentsOf, type Statistics } from '../sketches/moments.js';
import { percentileAliases, unitOf } from '../sketches/registry.js';
import { type Digest, quantile, rankError } from '../sketches/t-digest.js';
import type { Coverage } from '../windows/retention.js';
import { createCovered, type QueryDependencies, type Said } from './covered.js';
import { askSamples } from './list-questions.js';
import type { Percentile } from './parameters.js';
import type { Place } from './place.js';
import type { Scope } from './scope.js';
import { lowerBound, stated } from './statement.js';

/** What dashboards of this API have always shown; only for measurements in milliseconds. */
const latencyTargets = [
  { name: 'p95_under_200ms', percentile: 95, threshold: 200 },
  { name: 'p99_under_500ms', percentile: 99, threshold: 500 },
];
const latencyPercentiles: Percentile[] = [
  { name: 'p50', percentile: 50 },
  { name: 'p90', percentile: 90 },
  { name: 'p95', percentile: 95 },
  { name: 'p99', percentile: 99 },
  { name: 'p999', percentile: 99.9 },
];

const noStatistics: Omit<Statistics, 'count'> = {
  mean: null,
  variance: null,
  standard_deviation: null,
  skewness: null,
  kurtosis: null,
  min: null,
  max: null,
};

interface Quantile {
  value: number;
  /** Estimated, in ranks from 0 to 1. */
  rank_error: number;
  lower: number;
  upper: number;
}

function quantileOf(digest: Digest, percentile: number): Quantile {
  const q = percentile / 100;
  const error = rankError(digest, q);
  return {
    value: quantile(digest, q),
    rank_error: error,
    lower: quantile(digest, Math.max(0, q - error)),
    upper: quantile(digest, Math.min(1, q + error)),
  };
}

type Verdict = 'PASS' | 'FAIL';
const verdict = (value: number, threshold: number): Verdict => (value <= threshold ? 'PASS' : 'FAIL');

export function createPercentileQueries(dependencies: QueryDependencies) {
  const { askCovered } = createCovered(dependencies);

  async function samples(
    metric: string,
    scope: Scope,
    asOf: number,
  ): Promise<{ digest?: Digest; said: Said }> {
    const numericKey = percentileAliases.get(metric) ?? metric;
    const asking = (places: readonly Place[]) => askSamples(numericKey, places);
    const { digest, said } = await askCovered('percentiles', scope, asOf, asking, { numericKey });
    return digest ? { digest, said } : { said };
  }

  /** Null for each percentile where there are no samples. */
  function quantiles(digest: Digest | undefined, percentiles: readonly Percentile[], coverage: Coverage) {
    const found = percentiles.map(
      ({ name, percentile }) => [name, digest && quantileOf(digest, percentile)] as const,
    );
    return {
      percentiles: Object.fromEntries(found.map(([name, one]) => [name, one?.value ?? null])),
      bounds: Object.fromEntries(
        found.flatMap(([name, one]) =>
          one ? [[name, { rank_error: one.rank_error, lower: one.lower, upper: one.upper }]] : [],
        ),
      ),
      ...stated(coverage, { count: digest?.count ?? 0 }),
      ...lowerBound(coverage),
      min: digest?.min ?? null,
      max: digest?.max ?? null,
    };
  }

  const unit = (metric: string) => unitOf(percentileAliases.get(metric) ?? metric);

  return {
    async percentiles(metric: string, percentiles: readonly Percentile[], scope: Scope, asOf: number) {
      const { digest, said } = await samples(metric, scope, asOf);
      return { metric, ...quantiles(digest, percentiles, said.coverage), unit: unit(metric), ...said };
    },

    async sla(metric: string, percentile: number, threshold: number, scope: Scope, asOf: number) {
      const { digest, said } = await samples(metric, scope, asOf);
      if (!digest) {
        const detail = `no samples of this metric for this system in this window (coverage: ${said.coverage})`;
        throw new Problem('no_data', detail, { coverage: said.coverage });
      }
      const { value, rank_error, lower, upper } = quantileOf(digest, percentile);
      return {
        metric,
        percentile,
        value,
        threshold,
        status: verdict(value, threshold),
        margin: threshold - value,
        certain: said.coverage === 'complete' && verdict(lower, threshold) === verdict(upper, threshold),
        bound: { rank_error, lower, upper },
        count: digest.count,
        ...lowerBound(said.coverage),
        unit: unit(metric),
        ...said,
      };
    },

    /** Moments are exact but for the rounding of sums, so there is no bound to tell. */
    async stats(metric: string, scope: Scope, asOf: number) {
      const { digest, said } = await samples(metric, scope, asOf);
      const { count, ...statistics } = digest ? momentsOf(digest) : { count: 0, ...noStatistics };
      const { coverage } = said;
      const samplesOf = { ...stated(coverage, { count }), ...lowerBound(coverage) };
      return { metric, ...samplesOf, ...statistics, unit: unit(metric), ...said };
    },

    async latencySummary(metric: string, scope: Scope, asOf: number) {
      const { digest, said } = await samples(metric, scope, asOf);
      const targets = digest && unit(metric) === 'milliseconds' ? latencyTargets : [];
      const status: Record<string, Verdict> = {};
      for (const { name, percentile, threshold } of targets) {
        status[name] = verdict(quantile(digest as Digest, percentile / 100), threshold);
      }
      const answer = quantiles(digest, latencyPercentiles, said.coverage);
      return {
        metric,
        ...answer,
        sla_status: status,
        unit: unit(metric),
        ...said,
      };
    },
  };
}

export type PercentileQueries = ReturnType<typeof createPercentileQueries>;
