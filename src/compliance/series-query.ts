/**
 * Time series: one question asked of every step of a range, in one go. A step is an aligned window, in UTC or in
 * a zone; the range widens to whole steps. Nothing is summed up that cannot be: the distinct values of two hours
 * are not those of both, so each point is read from its own buckets, and says so where these are gone or were
 * begun anew: a zero of what is not kept is none. Counters of events are read by the day, all at once, and so is what
 * they cover.
 */
import { Problem } from '../errors.js';
import type { People } from '../privacy/pseudonyms.js';
import {
  distinctMetrics,
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
import { combineCoverage } from '../windows/retention.js';
import { createCovered, type QueryDependencies, type Said } from './covered.js';
import { askEventCounts } from './event-questions.js';
import { askSamples } from './list-questions.js';
import { invalid, type Percentile } from './parameters.js';
import { askItemCounts } from './person-questions.js';
import type { Place } from './place.js';
import { formsOfItem, notedTwice } from './query.js';
import { all, type Question } from './question.js';
import { isReadByHour, type Kind, type Scope } from './scope.js';
import { askDistinct } from './set-questions.js';

/** What a series is of. */
export type Series =
  | { of: 'distinct'; metric: string }
  | { of: 'events' }
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
  if (has(topMetrics, metric)) {
    if (item === undefined) throw invalid('item', `is required: whose count in ${metric}`);
    return { of: 'item', metric, forms: formsOfItem(people, personOf(topMetrics, metric), item) };
  }
  if (item !== undefined) throw invalid('item', `has no meaning for ${metric}`);
  if (metric === 'events') return { of: 'events' };
  if (has(distinctMetrics, metric)) return { of: 'distinct', metric };
  return { of: 'percentiles', metric: percentileAliases.get(metric) ?? metric, percentiles };
}

/** Days of counters that one question reads: each holds up to 12,960 fields. */
const COUNTER_DAYS_MAX = 100;

interface Steps {
  step: Window;
  spans: readonly Span[];
}

const startAndEnd = ({ from, to }: Span) => ({ from: formatInstant(from), to: formatInstant(to) });

export function createSeriesQueries(dependencies: QueryDependencies) {
  const { ask, shardsOf } = dependencies;
  const { covered } = createCovered(dependencies);

  /** One point a step, each from its own buckets. */
  async function points<Answer extends { exists: boolean[] }, Point>(
    kind: Kind,
    scope: Scope,
    { step, spans }: Steps,
    asking: (places: readonly Place[]) => Question<Answer>,
    pointOf: (answer: Answer) => Point,
  ) {
    const kept = grains.filter((grain) => (Object.values(readGrains[kind]) as string[]).includes(grain));
    const questions = spans.map((span) => {
      const cover = coverRange(
        span,
        kept.map((grain) => ({ grain, from: Number.NEGATIVE_INFINITY })),
      );
      if (cover.from === span.from && cover.to === span.to)
        return covered(scope, { ...cover, isByHour: isReadByHour(kind) }, asking);
      const detail = `${step} is finer than ${kept[0]}, the finest that is kept for ${kind}`;
      throw new Problem('window_unsupported', detail, { errors: [{ pointer: '/step', detail }] });
    });
    const work = questions.reduce((sum, { calls }) => sum + calls.length, 0);
    if (work * (kind === 'distinct' ? 1 : LIST_WORK) > SERIES_WORK_MAX) {
      const detail = `${spans.length} points of ${scope.systems.length} systems read too much at once`;
      throw new Problem('question_too_large', detail, { errors: [{ pointer: '/step', detail }] });
    }
    const answers = await ask(all(questions));
    const said = answers.map((answer) => answer.said);
    return {
      points: answers.map((answer, i) => {
        const { coverage } = answer.said;
        const point = { ...startAndEnd(spans[i]), ...pointOf(answer) };
        return coverage === 'complete' ? point : { ...point, coverage };
      }),
      ...(kind === 'distinct' && answers.some(({ isMixed }) => isMixed) ? notedTwice : {}),
      ...saidOfAll(said, spans),
    };
  }

  async function events(scope: Scope, { spans }: Steps) {
    const buckets = bucketsIn('day', spans[0].from, spans[spans.length - 1].to);
    if (buckets.length * scope.systems.flatMap(shardsOf).length > COUNTER_DAYS_MAX) {
      const detail = `events are read from at most ${COUNTER_DAYS_MAX} days of systems, or of shards, at once`;
      throw new Problem('question_too_large', detail, { errors: [{ pointer: '/from', detail }] });
    }
    const cover = { isByHour: false, buckets, from: buckets[0].start, to: buckets[buckets.length - 1].end };
    const { counts, said } = await ask(covered(scope, cover, (places) => askEventCounts(places, spans)));
    return {
      points: counts.map(({ count, byType }, i) => ({ ...startAndEnd(spans[i]), count, by_type: byType })),
      ...saidOfAll([said], spans),
    };
  }

  return async (series: Series, scope: Scope, steps: Steps) => {
    const { step } = steps;
    switch (series.of) {
      case 'events':
        return { metric: 'events', unit: null, step, ...(await events(scope, steps)) };
      case 'distinct': {
        const { metric } = series;
        const asking = (places: readonly Place[]) => askDistinct(metric, places);
        const point = ({ count, lower, upper }: { count: number; lower: number; upper: number }) => ({
          count,
          lower,
          upper,
        });
        return { metric, unit: null, step, ...(await points('distinct', scope, steps, asking, point)) };
      }
      case 'item': {
        const { metric, forms } = series;
        const asking = (places: readonly Place[]) => askItemCounts(metric, forms, places);
        const point = ({ count, lower }: { count: number; lower: number }) => ({
          count,
          lower,
          upper: count,
        });
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
        const answer = await points('percentiles', scope, steps, asking, ({ digest }) => ({
          count: digest?.count ?? 0,
          percentiles: Object.fromEntries(
            percentiles.map(({ name, percentile }) => [
              name,
              digest ? quantile(digest, percentile / 100) : null,
            ]),
          ),
        }));
        return { metric, unit: unitOf(metric), step, ...answer };
      }
    }
  };
}

/** Commands of one series, and how many of them a list weighs: it may have 100 KB. */
const SERIES_WORK_MAX = 50_000;
const LIST_WORK = 20;

function saidOfAll(parts: readonly Said[], spans: readonly Span[]) {
  const { window: _, ...said } = parts[0];
  const ends = startAndEnd({ from: spans[0].from, to: spans[spans.length - 1].to });
  return { ...said, ...ends, coverage: combineCoverage(parts.map(({ coverage }) => coverage)) };
}

export type SeriesQueries = ReturnType<typeof createSeriesQueries>;
