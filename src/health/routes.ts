/**
 * Health: `/livez` says that the process answers, whatever Redis does; `/readyz` that it can take events and
 * questions now. Open to all and says nothing secret.
 *
 * Not ready: stopping, Redis not connected, the directory not read yet, or a Redis that may evict keys.
 * Eviction would delete sketches without a trace, so it makes the service not ready unless a setting allows it.
 */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { Redis } from 'ioredis';
import { Type } from 'typebox';
import { Problem } from '../errors.js';
import { call, readPipeline } from '../redis/pipeline.js';
import type { Readiness } from './readiness.js';

interface HealthOptions {
  readiness: Readiness;
  redis: Redis;
  timeoutMs: number;
}

const tags = ['operations'];
const checks = Type.Record(Type.String(), Type.String(), {
  description: 'Each check: ok, or what is wrong.',
});
const readyAnswer = Type.Object({ status: Type.String(), checks });

/** The value of a line of INFO. */
const infoLine = (info: string, name: string) => new RegExp(`^${name}:(.*)\\r?$`, 'm').exec(info)?.[1] ?? '';

const healthRoutes: FastifyPluginAsyncTypebox<HealthOptions> = async (
  app,
  { readiness, redis, timeoutMs },
) => {
  app.get(
    '/livez',
    {
      schema: {
        tags,
        summary: 'The process answers',
        response: { 200: Type.Object({ status: Type.String() }) },
      },
    },
    async () => ({ status: 'ok' }),
  );

  app.get(
    '/readyz',
    {
      schema: {
        tags,
        summary: 'Events and questions can be served',
        response: { 200: readyAnswer, 503: readyAnswer },
      },
    },
    async (_request, reply) => {
      const ready = readiness.isReady();
      if (!ready) reply.code(503).header('retry-after', 2);
      return { status: ready ? 'ok' : 'unavailable', checks: readiness.checks() };
    },
  );

  app.get(
    '/api/v1/events/health',
    {
      schema: {
        tags,
        summary: 'Health, as older clients ask for it',
        response: { 200: Type.Object({ status: Type.String(), redis: Type.String() }) },
      },
    },
    async () => {
      const connected = redis.status === 'ready';
      return { status: connected ? 'healthy' : 'unhealthy', redis: connected ? 'connected' : 'disconnected' };
    },
  );

  app.get(
    '/api/v1/events/stats',
    {
      schema: {
        tags,
        summary: 'Figures of the Redis behind the service',
        response: {
          200: Type.Object({
            connected: Type.Boolean(),
            used_memory_human: Type.String(),
            total_keys: Type.Integer(),
            uptime_seconds: Type.Integer(),
          }),
        },
      },
    },
    async () => {
      try {
        const calls = [call('INFO', 'memory'), call('INFO', 'server'), call('DBSIZE')];
        const [memory, server, keys] = (await readPipeline(redis, calls, timeoutMs)) as [
          string,
          string,
          number,
        ];
        return {
          connected: true,
          used_memory_human: infoLine(memory, 'used_memory_human'),
          total_keys: keys,
          uptime_seconds: Number(infoLine(server, 'uptime_in_seconds')),
        };
      } catch (cause) {
        throw new Problem('redis_unavailable', 'Redis cannot be reached or is too slow', {}, { cause });
      }
    },
  );
};

export default healthRoutes;
