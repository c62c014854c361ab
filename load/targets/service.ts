/** The service as a scenario measures it: with a Redis of its own, so that nothing else is in the figures. */
import { Redis } from 'ioredis';
import { startRedis, type TestRedis } from '../../test/support/redis-server.js';
import { freePort } from '../../test/support/replication.js';
import { until } from '../../test/support/until.js';
import { startListening } from './process.js';

/** CPU seconds that a Redis has used. */
async function redisCpuSeconds(redis: Redis): Promise<number> {
  const info = await redis.info('cpu');
  const line = (name: string) => Number(new RegExp(`^${name}:(.*)`, 'm').exec(info)?.[1]);
  return line('used_cpu_user') + line('used_cpu_sys');
}

/** The service on a port and with settings as given, and nothing else. */
export async function startServiceAt(port: number, env: Record<string, string>) {
  // One process unless asked for more: figures are of one, whatever the machine.
  const own = { PORT: String(port), HOST: '127.0.0.1', WORKERS: '1' };
  const base = `http://127.0.0.1:${port}`;
  const script = '../../src/server.js';
  const { child, stop, kill } = await startListening(`${base}/readyz`, script, [], { ...own, ...env });
  return { base, pid: child.pid, stop, kill };
}

/** How a metric stands in the text of /metrics: the sum over its labels that match. */
function metricIn(text: string, name: string, labels = ''): number {
  const lines = text.matchAll(new RegExp(`^${name}${labels} (.*)$`, 'gm'));
  return [...lines].reduce((sum, [, value]) => sum + Number(value), 0);
}

const readMetrics = async (base: string): Promise<string> => (await fetch(`${base}/metrics`)).text();

/** Whether no request is under way. */
async function isIdle(base: string): Promise<boolean> {
  return metricIn(await readMetrics(base), 'papertrail_ingest_requests_in_flight') === 0;
}

/** Counters of a service and its Redis since they were started. */
async function readCounters(base: string, redis: Redis) {
  const text = await readMetrics(base);
  const metric = (name: string, labels?: string) => metricIn(text, `papertrail_${name}`, labels);
  const pipelines = metric('pipeline_duration_seconds_count');
  return {
    nodeCpu: metric('process_cpu_seconds_total'),
    redisCpu: await redisCpuSeconds(redis),
    events: metric('events_accepted_total'),
    /** Of requests that are answered 2xx, too. */
    refused: metric('events_rejected_total', '{[^}]*}'),
    misses: metric('cache_answers_total', '{[^}]*state="miss"}'),
    renewed: metric('cache_refreshes_total', '{[^}]*outcome="computed"}'),
    answers: metric('cache_answers_total', '{[^}]*}'),
    pipelines,
    /** A fold of a digest list reads it and writes it. */
    roundTrips: pipelines + 2 * metric('digest_folds_total', '{[^}]*}'),
    rss: metric('process_resident_memory_bytes'),
  };
}

export type Counters = Awaited<ReturnType<typeof readCounters>>;

/** The service, on a Redis of its own where none is given. */
export async function startService(env: Record<string, string> = {}, given?: TestRedis) {
  const server = given ?? (await startRedis());
  const settings = { REDIS_URL: server.url, LOG_LEVEL: 'warn', ...env };
  const service = await startServiceAt(await freePort(), settings).catch(async (error: Error) => {
    if (!given) await server.stop();
    throw error;
  });
  const redis = new Redis(server.url, { protocol: 2 });
  return {
    base: service.base,
    redis,
    server,
    /** Those of the service and of its Redis, and who loads them. */
    processes: () => ({ service: service.pid, redis: server.process.pid, sender: process.pid }),
    counters: () => readCounters(service.base, redis),
    /** Resolves when nothing that an earlier load broke off is under way: the next one would have to wait for it. */
    idle: () => until(() => isIdle(service.base), 'the end of what is under way'),
    async stop(): Promise<void> {
      await service.stop();
      redis.disconnect();
      if (!given) await server.stop();
    },
  };
}

export type Service = Awaited<ReturnType<typeof startService>>;
