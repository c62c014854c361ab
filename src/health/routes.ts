/**
 * Health: `/livez` says that the process answers, whatever Redis does; `/readyz` that it can take events and
 * questions now. Open to all and says nothing secret.
 *
 * Not ready: stopping, Redis not connected or its breaker open, the directory not read yet, or a Redis that may evict
 * keys. `/readyz?verbose` adds each connection.
 * Eviction would delete sketches without a trace, so it makes the service not ready unless a setting allows it.
 */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import { problemAnswers } from '../problem-schema.js';
import type { Store } from '../redis/pipeline.js';
import type { Readiness } from './readiness.js';

interface HealthOptions {
  readiness: Readiness;
  redis: Store;
}

const tags = ['operations'];
const checks = Type.Record(Type.String(), Type.String(), {
  description: 'Each check: ok, or what is wrong.',
});
const livingAnswer = Type.Object({ status: Type.String() }, { title: 'Living', description: 'It does.' });
const connection = Type.Object({
  name: Type.String(),
  state: Type.String({ description: 'ready, or what it is at instead.' }),
  breaker: Type.String({ description: 'closed, half_open or open.' }),
});
const readyAnswer = Type.Object(
  { status: Type.String(), checks, connections: Type.Optional(Type.Array(connection)) },
  { title: 'Readiness' },
);
const readyQuery = Type.Object({
  verbose: Type.Optional(Type.String({ description: 'Names each connection to Redis, whatever its value.' })),
});
const ready = { ...readyAnswer, 'x-response-description': 'They can.' };
const notReady = { ...readyAnswer, 'x-response-description': 'They cannot, for the reasons given.' };
const healthAnswer = Type.Object(
  {
    status: Type.String({ description: 'healthy or unhealthy' }),
    redis: Type.String({ description: 'connected or disconnected' }),
  },
  { title: 'Health', description: 'Whether Redis is connected; always 200.' },
);

const healthRoutes: FastifyPluginAsyncTypebox<HealthOptions> = async (app, { readiness, redis }) => {
  app.get(
    '/livez',
    {
      schema: {
        tags,
        operationId: 'livez',
        summary: 'Does the process answer',
        response: { 200: livingAnswer },
      },
    },
    async () => ({ status: 'ok' }),
  );

  app.get(
    '/readyz',
    {
      schema: {
        tags,
        operationId: 'readyz',
        summary: 'Can events and questions be served',
        querystring: readyQuery,
        response: { 200: ready, 503: notReady, ...problemAnswers(['parameter_invalid', 'request_invalid']) },
      },
    },
    async ({ query }, reply) => {
      const ready = readiness.isReady();
      if (!ready) reply.code(503).header('retry-after', 2);
      const answer = { status: ready ? 'ok' : 'unavailable', checks: readiness.checks() };
      return query.verbose === undefined ? answer : { ...answer, connections: readiness.connections() };
    },
  );

  app.get(
    '/api/v1/events/health',
    {
      schema: {
        tags,
        operationId: 'health',
        summary: 'Health, as older clients ask for it',
        response: { 200: healthAnswer },
      },
    },
    async () => {
      const connected = redis.status === 'ready';
      return { status: connected ? 'healthy' : 'unhealthy', redis: connected ? 'connected' : 'disconnected' };
    },
  );
};

export default healthRoutes;
