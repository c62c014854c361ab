/** Figures of the Redis behind the service, as older clients ask for them. They are for who runs the service. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { Redis } from 'ioredis';
import { Type } from 'typebox';
import { Problem } from '../errors.js';
import { problemAnswers } from '../problem-schema.js';
import { call, readPipeline } from '../redis/pipeline.js';

interface StatsOptions {
  redis: Redis;
  timeoutMs: number;
}

const tags = ['operations'];
const statsAnswer = Type.Object(
  {
    connected: Type.Boolean(),
    used_memory_human: Type.String(),
    total_keys: Type.Integer(),
    uptime_seconds: Type.Integer(),
  },
  { title: 'RedisStats', description: 'As Redis itself reports them.' },
);

/** The value of a line of INFO. */
const infoLine = (info: string, name: string) => new RegExp(`^${name}:(.*)\\r?$`, 'm').exec(info)?.[1] ?? '';

export const redisStats: FastifyPluginAsyncTypebox<StatsOptions> = async (app, { redis, timeoutMs }) => {
  app.get(
    '/api/v1/events/stats',
    {
      schema: {
        tags,
        operationId: 'redisStats',
        summary: 'Figures of the Redis behind the service',
        response: { 200: statsAnswer, ...problemAnswers(['redis_unavailable']) },
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
