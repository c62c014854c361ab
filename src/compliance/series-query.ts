/**
 * Time series: one question asked of every step of a range, in one go. A step is an aligned window, in UTC or in
 * a zone; the range widens to whole steps. Nothing is summed up that cannot be: the distinct values of two hours
 * are not those of both, so each point is read from its own buckets, and says so where these are gone or were
 * begun anew, or have not begun: a zero of what is not kept is none. Counters of events are read by the day, all at once,
 * and a point of them covers what its days do.
 */
import { Problem } from '../errors.js';
import type { People } from '../privacy/pseudonyms.js';
import {
  distinctMetrics,
  failedLoginMetric,
  loginType,
  percentileAliases,
  personOf,
  readGrains,
  topMetrics,
  unitOf,
} from '../sketches/registry.js';
import { quantile } from '../sketches/t-digest.js';
import { bucketsIn, grains } from '../windows/bucket.js';
import type { Span, Window } from '../windows/cover.js';
import { formatInstant } from '../windows/instant.js';
import { coverRange } from '../windows/range.js';
import { type Coverage, combineCoverage } from '../windows/retention.js';
import { createCovered, type QueryDependencies, type Said, spanSaid } from './covered.js';
import { askEventCounts, type EventCounts } from './event-questions.js';
import { askSamples, type ItemCount, type Samples } from './list-questions.js';
import { askFailedSeries, sinceKept } from './login-questions.js';
import { invalid, type Percentile } from './parameters.js';
import { askItemCounts } from './person-questions.js';
import type { Place } from './place.js';
import { formsOfItem, notedTwice } from './query.js';
import { all, type Question } from './question.js';
import type { Needed } from './records.js';
import { isReadByHour, type Kind, type Scope } from './scope.js';
import { askDistinct, type Distinct } from './set-questions.js';
import { lowerBound, stated } from './statement.js';

/** What a series is of. */
export type Series =
  | { of: 'distinct'; metric: string }
  | { of: 'events' }
  | { of: 'logins' }
  | { of: 'failed_logins' }
  | { of: 'item'; metric: string; forms: readonly string[] }
  | { of: 'percentiles'; metric: string; percentiles: readonly Percentile[] };

interface SeriesParameters {
  item?: string | undefined;
  percentiles: readonly Percentile[];
  people: People;
}

const has = (rows: readonly { metric: string }[], metric: string) =>
  rows.some((row) => row.metric === metric);

/** What a metric name means here. A numeric key that is called like another metric is not reached. */
export function readSeries(metric: string, { item, percentiles, people }: SeriesParameters): Series {
  if (metric === failedLoginMetric && item === undefined) return { of: 'failed_logins' };
  if (has(topMetrics, metric)) {
    if (item === undefined) throw invalid('item', `is required: whose count in ${metric}`);
    return { of: 'item', metric, forms: formsOfItem(people, personOf(topMetrics, metric), item) };
  }
  if (item !== undefined) throw invalid('item', `has no meaning for ${metric}`);
  if (metric === 'events' || metric === 'logins') return { of: metric };
  if (has(distinctMetrics, metric)) return { of: 'distinct', metric };
  return { of: 'percentiles', metric: percentileAliases.get(metric) ?? metric, percentiles };
}

const NOTE_UNCOUNTED =
  'Some of this time was written by a release that did not count failed log-ins: of that part nothing is known.';

/** Days of counters that one question reads: each holds up to 12,960 fields. */
const COUNTER_DAYS_MAX = 100;

interface Steps {
  step: Window;
  spans: readonly Span[];
}

const startAndEnd = ({ from, to }: Span) => ({ from: formatInstant(from), to: formatInstant(to) });

/** What a point says of its coverage; nothing where it is complete. */
const coverageOfPoint = (coverage: Coverage) =>
  coverage === 'complete' ? {} : { ...lowerBound(coverage), coverage };

/** What is asked, and the instant before anything is read, by Redis' clock, milliseconds since 1970. */
interface SeriesScope {
  scope: Scope;
  asOf: number;
}

export function createSeriesQueries(dependencies: QueryDependencies) {
  const { shardsOf } = dependencies;
  const { covered, askExisting } = createCovered(dependencies);

  /** One point a step, each from its own buckets. */
  async function points<Answer extends { exists: boolean[] }, Point>(
    kind: Kind,
    { scope, asOf }: SeriesScope,
    { step, spans }: Steps,
    asking: (places: readonly Place[]) => Question<Answer>,
    pointOf: (answer: Answer, coverage: Coverage) => Point,
    needed?: Needed,
  ) {
    const kept = grains.filter((grain) => (Object.values(readGrains[kind]) as string[]).includes(grain));
    const questions = spans.map((span) => {
      const cover = coverRange(
        span,
        kept.map((grain) => ({ grain, from: Number.NEGATIVE_INFINITY })),
      );
      if (cover.from === span.from && cover.to === span.to)
        return covered(scope, asOf, { ...cover, isByHour: isReadByHour(kind) }, asking);
      const detail = `${step} is finer than ${kept[0]}, the finest that is kept for ${kind}`;
      throw new Problem('window_unsupported', detail, { errors: [{ pointer: '/step', detail }] });
    });
    const work = questions.reduce((sum, { calls }) => sum + calls.length, 0);
    if (work * (kind === 'distinct' ? 1 : LIST_WORK) > SERIES_WORK_MAX) {
      const detail = `${spans.length} points of ${scope.systems.length} systems read too much at once`;
      throw new Problem('question_too_large', detail, { errors: [{ pointer: '/step', detail }] });
    }
    const { answer: answers, unknown } = await askExisting(scope, all(questions), needed);
    const said = answers.map((answer) => answer.said);
    return {
      points: answers.map((answer, i) => {
        const { coverage } = answer.said;
        return { ...startAndEnd(spans[i]), ...pointOf(answer, coverage), ...coverageOfPoint(coverage) };
      }),
      ...(kind === 'distinct' && answers.some(({ isMixed }) => isMixed) ? notedTwice : {}),
      ...saidOfAll(said, scope, spans),
      ...unknown,
    };
  }

  /** One point a step, from counters of whole days. */
  async function counted<Answer extends { exists: boolean[] }>(
    { scope, asOf }: SeriesScope,
    { spans }: Steps,
    asking: (places: readonly Place[]) => Question<Answer>,
  ) {
    const buckets = bucketsIn('day', spans[0].from, spans[spans.length - 1].to);
    if (buckets.length * scope.systems.flatMap(shardsOf).length > COUNTER_DAYS_MAX) {
      const detail = `events are read from at most ${COUNTER_DAYS_MAX} days of systems, or of shards, at once`;
      throw new Problem('question_too_large', detail, { errors: [{ pointer: '/from', detail }] });
    }
    const cover = { isByHour: false, buckets, from: buckets[0].start, to: buckets[buckets.length - 1].end };
    const { answer, unknown } = await askExisting(scope, covered(scope, asOf, cover, asking));
    return { answer, said: { ...saidOfAll([answer.said], scope, spans), ...unknown } };
  }

  async function events<Numbers>(
    scope: SeriesScope,
    steps: Steps,
    numbersOf: (counts: EventCounts, coverage: Coverage) => Numbers,
  ) {
    const { spans } = steps;
    const { answer, said } = await counted(scope, steps, (places) => askEventCounts(places, spans));
    const points = answer.counts.map((counts, i) => {
      const coverage = answer.coverageIn(spans[i]);
      return { ...startAndEnd(spans[i]), ...numbersOf(counts, coverage), ...coverageOfPoint(coverage) };
    });
    return { points, ...said };
  }

  async function failedLogins(scope: SeriesScope, steps: Steps) {
    const { spans } = steps;
    const { answer, said } = await counted(scope, steps, (places) => askFailedSeries(places, spans));
    const coverages = answer.counts.map(({ coverage }, i) => {
      const kept = answer.coverageIn(spans[i]);
      return kept === 'expired' || kept === 'future' || coverage === 'complete' ? kept : coverage;
    });
    const points = answer.counts.map(({ count }, i) => ({
      ...startAndEnd(spans[i]),
      ...stated(coverages[i], { count }),
      ...coverageOfPoint(coverages[i]),
    }));
    const isCounted = answer.counts.every(({ coverage }) => coverage === 'complete');
    if (isCounted) return { points, ...said };
    const coverage = said.coverage === 'complete' ? combineCoverage(coverages) : said.coverage;
    return { points, ...said, coverage, coverage_note: NOTE_UNCOUNTED };
  }

  /** Asks. `asOf`: the instant before anything is read, by Redis' clock, milliseconds since 1970. */
  return async (series: Series, asked: Scope, steps: Steps, asOf: number) => {
    const scope = { scope: asked, asOf };
    const { step } = steps;
    switch (series.of) {
      case 'events': {
        const numbers = ({ count, byType }: EventCounts, coverage: Coverage) => ({
          ...stated(coverage, { count }),
          by_type: byType,
        });
        return { metric: 'events', unit: null, step, ...(await events(scope, steps, numbers)) };
      }
      case 'logins': {
        const numbers = ({ byType }: EventCounts, coverage: Coverage) =>
          stated(coverage, { count: byType[loginType] ?? 0 });
        return { metric: 'logins', unit: null, step, ...(await events(scope, steps, numbers)) };
      }
      case 'failed_logins':
        return { metric: failedLoginMetric, unit: null, step, ...(await failedLogins(scope, steps)) };
      case 'distinct': {
        const { metric } = series;
        const asking = (places: readonly Place[]) => askDistinct(metric, places);
        const point = ({ count, lower, upper }: Distinct, coverage: Coverage) =>
          stated(coverage, { count, lower, upper });
        return { metric, unit: null, step, ...(await points('distinct', scope, steps, asking, point)) };
      }
      case 'item': {
        const { metric, forms } = series;
        const asking = (places: readonly Place[]) =>
          sinceKept(metric, places, askItemCounts(metric, forms, places));
        const point = ({ count, lower }: ItemCount, coverage: Coverage) =>
          stated(coverage, { count, lower, upper: count });
        return {
          metric,
          item: forms[0],
          unit: null,
          step,
          ...(await points('top', scope, steps, asking, point)),
        };
      }
      case 'percentiles': {
        const { metric, percentiles } = series;
        const asking = (places: readonly Place[]) => askSamples(metric, places);
        const point = ({ digest }: Samples, coverage: Coverage) => ({
          ...stated(coverage, { count: digest?.count ?? 0 }),
          percentiles: Object.fromEntries(
            percentiles.map(({ name, percentile }) => [
              name,
              digest ? quantile(digest, percentile / 100) : null,
            ]),
          ),
        });
        const needed = { numericKey: metric };
        const answer = await points('percentiles', scope, steps, asking, point, needed);
        return { metric, unit: unitOf(metric), step, ...answer };
      }
    }
  };
}

/** Commands of one series, and how many of them a list weighs: it may have 100 KB. */
const SERIES_WORK_MAX = 50_000;
const LIST_WORK = 20;

function saidOfAll(parts: readonly Said[], scope: Scope, spans: readonly Span[]) {
  const { window: _, widened: __, coverage_note: ___, ...said } = parts[0];
  const noted = parts.find(({ coverage_note }) => coverage_note !== undefined);
  const ends = spanSaid(scope, { from: spans[0].from, to: spans[spans.length - 1].to });
  return {
    ...said,
    ...ends,
    coverage: combineCoverage(parts.map(({ coverage }) => coverage)),
    ...(noted ? { coverage_note: noted.coverage_note } : {}),
  };
}

export type SeriesQueries = ReturnType<typeof createSeriesQueries>;
