/** The questions. Parameters are checked by schema first, by parameters.ts where a schema cannot. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { problemAnswers } from '../problem-schema.js';
import { readNumber, readPercentile, readPercentiles, refuseAllSystems } from './parameters.js';
import type { PercentileQueries } from './percentile-query.js';
import type { Queries } from './query.js';
import * as schemas from './schemas.js';

interface ComplianceOptions {
  queries: Queries;
  percentileQueries: PercentileQueries;
}

const tags = ['compliance'];
const problems = problemAnswers(['parameter_invalid', 'window_unsupported', 'internal', 'redis_unavailable']);
const { 422: _, ...unwindowed } = problems;

const complianceRoutes: FastifyPluginAsyncTypebox<ComplianceOptions> = async (app, options) => {
  const { queries, percentileQueries } = options;

  // "*" is the name of no system: it must not be answered as one without events.
  app.addHook('preHandler', async ({ params, query }) =>
    refuseAllSystems({ ...Object(params), ...Object(query) }),
  );

  app.get(
    '/distinct/:metric',
    {
      schema: {
        tags,
        operationId: 'distinct',
        summary: 'How many different users, sessions or IPs',
        params: schemas.distinctParams,
        querystring: schemas.distinctQuery,
        response: { 200: schemas.distinctAnswer, ...unwindowed },
      },
    },
    async ({ params, query }) => queries.distinct(params.metric, query),
  );

  app.get(
    '/activity/check',
    {
      schema: {
        tags,
        operationId: 'activity',
        summary: 'Did this user, or this IP, touch that system',
        querystring: schemas.activityQuery,
        response: { 200: schemas.activityAnswer, ...problems },
      },
    },
    async ({ query: { user_id, ip, ...asked } }) => {
      const subject = { ...(user_id === undefined ? {} : { user_id }), ...(ip === undefined ? {} : { ip }) };
      return queries.activity(subject, asked);
    },
  );

  app.get(
    '/top/:metric',
    {
      schema: {
        tags,
        operationId: 'top',
        summary: 'Who or what is on top, with guaranteed bounds',
        params: schemas.topParams,
        querystring: schemas.topQuery,
        response: { 200: schemas.topAnswer, ...problems },
      },
    },
    async ({ params, query: { k, ...asked } }) => queries.top(params.metric, k, asked),
  );

  app.get(
    '/summary/:system',
    {
      schema: {
        tags,
        operationId: 'summary',
        summary: 'One system at a glance',
        params: schemas.systemParams,
        querystring: schemas.summaryQuery,
        response: { 200: schemas.summaryAnswer, ...unwindowed },
      },
    },
    async ({ params, query }) => queries.summary(params.system, query.timestamp),
  );

  app.get(
    '/percentiles/:metric',
    {
      schema: {
        tags,
        operationId: 'percentiles',
        summary: 'Percentiles of a measurement',
        params: schemas.percentileParams,
        querystring: schemas.percentilesQuery,
        response: { 200: schemas.percentilesAnswer, ...problems },
      },
    },
    async ({ params, query: { percentiles, ...asked } }) =>
      percentileQueries.percentiles(params.metric, readPercentiles(percentiles), asked),
  );

  app.get(
    '/sla/check',
    {
      schema: {
        tags,
        operationId: 'sla',
        summary: 'Is the SLA met',
        querystring: schemas.slaQuery,
        response: { 200: schemas.slaAnswer, ...problems, ...problemAnswers(['no_data']) },
      },
    },
    async ({ query: { metric, percentile, threshold, ...asked } }) =>
      percentileQueries.sla(
        metric,
        readPercentile('percentile', percentile),
        readNumber('threshold', threshold),
        asked,
      ),
  );

  app.get(
    '/latency/summary/:system',
    {
      schema: {
        tags,
        operationId: 'latencySummary',
        summary: 'Latency of one system at a glance',
        params: schemas.systemParams,
        querystring: schemas.latencyQuery,
        response: { 200: schemas.latencyAnswer, ...problems },
      },
    },
    async ({ params, query: { metric, ...asked } }) =>
      percentileQueries.latencySummary(metric, { ...asked, system: params.system }),
  );
};

export default complianceRoutes;
