/** Figures of the Redis behind the service, as older clients ask for them. They are for who runs the service. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { Redis } from 'ioredis';
import { Type } from 'typebox';
import { Problem } from '../errors.js';
import { problemAnswers } from '../problem-schema.js';
import { call, readPipeline, type Store } from '../redis/pipeline.js';
import { mastersOf } from '../redis/store.js';

interface StatsOptions {
  redis: Store;
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
  {
    title: 'RedisStats',
    description: 'As Redis itself reports them; on a cluster sums over the masters, and the least uptime.',
  },
);

/** The value of a line of INFO. */
const infoLine = (info: string, name: string) => new RegExp(`^${name}:(.*)\\r?$`, 'm').exec(info)?.[1] ?? '';

/** As Redis writes it: 1023B, 1.00K, 12.34M. */
function humanBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes}B`;
  const power = Math.min(Math.floor(Math.log2(bytes) / 10), 5);
  return `${(bytes / 1024 ** power).toFixed(2)}${'BKMGTP'[power]}`;
}

/** What one server says of itself. */
async function figuresOf(server: Redis, timeoutMs: number) {
  const calls = [call('INFO', 'memory'), call('INFO', 'server'), call('DBSIZE')];
  const [memory, process, keys] = (await readPipeline(server, calls, timeoutMs)) as [string, string, number];
  return {
    bytes: Number(infoLine(memory, 'used_memory')),
    uptime: Number(infoLine(process, 'uptime_in_seconds')),
    keys,
  };
}

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
        const servers = await Promise.all(mastersOf(redis).map((server) => figuresOf(server, timeoutMs)));
        if (servers.length === 0) throw new Error('no master is known');
        return {
          connected: true,
          used_memory_human: humanBytes(servers.reduce((sum, { bytes }) => sum + bytes, 0)),
          total_keys: servers.reduce((sum, { keys }) => sum + keys, 0),
          uptime_seconds: Math.min(...servers.map(({ uptime }) => uptime)),
        };
      } catch (cause) {
        throw new Problem('redis_unavailable', 'Redis cannot be reached or is too slow', {}, { cause });
      }
    },
  );
};
