/**
 * The questions. Parameters are checked by schema first, by parameters.ts and scope.ts where a schema cannot.
 * Each route says what is asked and how it is computed; `respond` decides whether it has to be.
 */

import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyRequest, onRequestHookHandler } from 'fastify';
import type { Clock } from '../clock.js';
import type { People } from '../privacy/pseudonyms.js';
import { problemAnswers } from '../problem-schema.js';
import { frequencyMetrics, personOf } from '../sketches/registry.js';
import * as answers from './answer-schemas.js';
import { percentilesText, readNumber, readPercentile, readPercentiles } from './parameters.js';
import type { PercentileQueries } from './percentile-query.js';
import { formsOfItem, type Queries, readSubject, summaryOf } from './query.js';
import type { Respond } from './respond.js';
import * as schemas from './schemas.js';
import { defaultWindows, grainOf, type Kind, readTime, type Scope, type SpanParameters } from './scope.js';
import { readSystems } from './systems.js';

export interface ComplianceOptions {
  queries: Queries;
  percentileQueries: PercentileQueries;
  people: People;
  respond: Respond;
  recallHook: onRequestHookHandler;
  clock: Clock;
}

const tags = ['compliance'];
export const questionProblems = [
  'parameter_invalid',
  'system_forbidden',
  'system_unknown',
  'window_unsupported',
  'question_too_large',
  'zone_unsupported',
  'quota_exceeded',
  'internal',
  'redis_unavailable',
] as const;
const problems = problemAnswers(questionProblems);
const measurementProblems = problemAnswers([...questionProblems, 'metric_unknown']);

const complianceRoutes: FastifyPluginAsyncTypebox<ComplianceOptions> = async (app, options) => {
  const { queries, percentileQueries, people, respond, clock } = options;

  app.addHook('onRequest', options.recallHook);

  function scopeOf(
    { principal }: FastifyRequest,
    asked: SpanParameters & { system: string | string[] },
    kind: Kind,
  ): Scope {
    const time = readTime(asked, defaultWindows[kind], clock.now());
    const systems = readSystems(asked.system, principal);
    grainOf(kind, time); // what is not kept is refused before anything is read
    return { ...time, ...systems };
  }

  app.get(
    '/distinct/:metric',
    {
      schema: {
        tags,
        operationId: 'distinct',
        summary: 'How many different users, sessions or IPs',
        params: schemas.distinctParams,
        querystring: schemas.distinctQuery,
        response: { 200: answers.distinctAnswer, ...problems },
      },
    },
    async (request, reply) => {
      const { metric } = request.params;
      const scope = scopeOf(request, request.query, 'distinct');
      const asked = { scope, terms: { metric } };
      return respond(request, reply, asked, (scope, asOf) => queries.distinct(metric, scope, asOf));
    },
  );

  app.get(
    '/activity/check',
    {
      schema: {
        tags,
        operationId: 'activity',
        summary: 'Did this user, or this IP, touch that system',
        querystring: schemas.activityQuery,
        response: { 200: answers.activityAnswer, ...problems },
      },
    },
    async (request, reply) => {
      const { user_id, ip, ...asked } = request.query;
      const subject = readSubject({ user_id, ip }, people);
      const terms = { metric: subject.metric, value: subject.forms[0] };
      const scope = scopeOf(request, asked, 'membership');
      return respond(request, reply, { scope, terms }, (scope, asOf) =>
        queries.activity(subject, scope, asOf),
      );
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
        response: { 200: answers.topAnswer, ...problems },
      },
    },
    async (request, reply) => {
      const { metric } = request.params;
      const { k, ...asked } = request.query;
      const scope = scopeOf(request, asked, 'top');
      return respond(request, reply, { scope, terms: { metric, k } }, (scope, asOf) =>
        queries.top(metric, k, scope, asOf),
      );
    },
  );

  app.get(
    '/frequency/:metric',
    {
      schema: {
        tags,
        operationId: 'frequency',
        summary: 'How often one user, IP or endpoint came',
        params: schemas.frequencyParams,
        querystring: schemas.frequencyQuery,
        response: { 200: answers.frequencyAnswer, ...problems },
      },
    },
    async (request, reply) => {
      const { metric } = request.params;
      const { item, ...asked } = request.query;
      const forms = formsOfItem(people, personOf(frequencyMetrics, metric), item);
      const scope = scopeOf(request, asked, 'frequency');
      const terms = { metric, item: forms[0] };
      return respond(request, reply, { scope, terms }, (scope, asOf) =>
        queries.frequency(metric, forms, scope, asOf),
      );
    },
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
        response: { 200: answers.summaryAnswer, ...problems },
      },
    },
    async (request, reply) => {
      const scope = scopeOf(request, { ...request.query, ...request.params }, 'distinct');
      return respond(request, reply, summaryOf(scope, clock.now()), (scope, asOf) =>
        queries.summary(scope, asOf),
      );
    },
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
        response: { 200: answers.percentilesAnswer, ...measurementProblems },
      },
    },
    async (request, reply) => {
      const { metric } = request.params;
      const { percentiles, ...asked } = request.query;
      const list = readPercentiles(percentiles);
      const scope = scopeOf(request, asked, 'percentiles');
      const terms = { metric, percentiles: percentilesText(list) };
      return respond(request, reply, { scope, terms }, (scope, asOf) =>
        percentileQueries.percentiles(metric, list, scope, asOf),
      );
    },
  );

  app.get(
    '/stats/:metric',
    {
      schema: {
        tags,
        operationId: 'stats',
        summary: 'Mean, spread and shape of a measurement',
        params: schemas.percentileParams,
        querystring: schemas.statsQuery,
        response: { 200: answers.statsAnswer, ...measurementProblems },
      },
    },
    async (request, reply) => {
      const { metric } = request.params;
      const scope = scopeOf(request, request.query, 'percentiles');
      return respond(request, reply, { scope, terms: { metric } }, (scope, asOf) =>
        percentileQueries.stats(metric, scope, asOf),
      );
    },
  );

  app.get(
    '/sla/check',
    {
      schema: {
        tags,
        operationId: 'sla',
        summary: 'Is the SLA met',
        querystring: schemas.slaQuery,
        response: {
          200: answers.slaAnswer,
          ...problemAnswers([...questionProblems, 'metric_unknown', 'no_data']),
        },
      },
    },
    async (request, reply) => {
      const { metric, percentile: asPercent, threshold: asText, ...asked } = request.query;
      const percentile = readPercentile('percentile', asPercent);
      const threshold = readNumber('threshold', asText);
      const scope = scopeOf(request, asked, 'percentiles');
      const terms = { metric, percentile, threshold };
      return respond(request, reply, { scope, terms }, (scope, asOf) =>
        percentileQueries.sla(metric, percentile, threshold, scope, asOf),
      );
    },
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
        response: { 200: answers.latencyAnswer, ...measurementProblems },
      },
    },
    async (request, reply) => {
      const { metric, ...asked } = request.query;
      const scope = scopeOf(request, { ...asked, ...request.params }, 'percentiles');
      return respond(request, reply, { scope, terms: { metric } }, (scope, asOf) =>
        percentileQueries.latencySummary(metric, scope, asOf),
      );
    },
  );
};

export default complianceRoutes;
