/** Questions that are many at once: one for every step of a range, and the summaries of many systems. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { problemAnswers } from '../problem-schema.js';
import { seriesPointsMax, stepSpans } from '../windows/steps.js';
import * as answers from './answer-schemas.js';
import { checkYears, invalid, percentilesText, readPercentiles } from './parameters.js';
import type { WantsFresh } from './respond.js';
import { type ComplianceOptions, questionProblems } from './routes.js';
import * as schemas from './schemas.js';
import { endNames, rangeScope, readTime, readZone } from './scope.js';
import { readSeries, type SeriesQueries } from './series-query.js';
import type { Summaries } from './summaries.js';
import { allSystems, readSystems } from './systems.js';

interface SeriesOptions extends Omit<ComplianceOptions, 'queries' | 'percentileQueries'> {
  seriesQueries: SeriesQueries;
  summaries: Summaries;
  wantsFresh: WantsFresh;
}

const tags = ['compliance'];

export const seriesRoutes: FastifyPluginAsyncTypebox<SeriesOptions> = async (app, options) => {
  const { seriesQueries, summaries, people, respond, wantsFresh, clock } = options;

  app.addHook('onRequest', options.recallHook);

  app.get(
    '/timeseries/:metric',
    {
      schema: {
        tags,
        operationId: 'timeseries',
        summary: 'The same question for every step of a range',
        params: schemas.seriesParams,
        querystring: schemas.seriesQuery,
        response: {
          200: answers.seriesAnswer,
          ...problemAnswers([...questionProblems, 'metric_unknown', 'series_too_long']),
        },
      },
    },
    async (request, reply) => {
      const { system, from, to, step = '1h', tz, item, percentiles } = request.query;
      const { metric } = request.params;
      const list = readPercentiles(percentiles ?? '50,95,99');
      const series = readSeries(metric, { item, percentiles: list, people });
      const { name, zone, label } = readZone(tz);
      const time = rangeScope(from, to, clock.now(), zone);
      const spans = stepSpans(time.span, step, { zone, pointsMax: seriesPointsMax });
      checkYears({ from: spans[0].from, to: spans[spans.length - 1].to }, endNames(time));
      const scope = { ...time, tz: name, ...readSystems(system, request.principal) };
      const terms = {
        metric,
        step,
        tz: label,
        ...(series.of === 'item' ? { item: series.forms[0] } : {}),
        percentiles: percentilesText(list),
      };
      return respond(request, reply, { scope, terms }, (scope, asOf) =>
        seriesQueries(series, scope, { step, spans }, asOf),
      );
    },
  );

  app.post(
    '/summaries',
    {
      schema: {
        tags,
        operationId: 'summaries',
        summary: 'Many systems at a glance',
        body: schemas.summariesBody,
        response: {
          200: answers.summariesAnswer,
          ...problemAnswers(['parameter_invalid', 'quota_exceeded']),
        },
      },
    },
    async (request) => {
      const { systems, timestamp } = request.body;
      const all = systems.indexOf(allSystems);
      if (all >= 0) throw invalid(`systems/${all}`, 'must be one system; /summary/* is about all of them');
      const time = readTime({ timestamp }, '1h', clock.now());
      return summaries(
        systems.map((system) => ({ ...time, systems: [system], isAll: false })),
        { principal: request.principal, refresh: wantsFresh(request) },
      );
    },
  );
};
