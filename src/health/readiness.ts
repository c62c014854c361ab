/** Readiness: what must hold before the service takes work, looked at without asking Redis each time. */
import type { FastifyBaseLogger } from 'fastify';
import type { Redis } from 'ioredis';
import type { Metrics } from '../metrics.js';
import { breakers } from '../redis/breaker.js';
import { call, readPipeline } from '../redis/pipeline.js';

interface ReadinessDependencies {
  /** The connections that work needs; the first is asked. */
  connections: readonly [Redis, ...Redis[]];
  /** Whether the directory of systems has been read. */
  directoryLoaded: () => boolean;
  evictionAllowed: boolean;
  timeoutMs: number;
  metrics: Metrics;
  log: FastifyBaseLogger;
}

export function createReadiness(dependencies: ReadinessDependencies) {
  const { connections, directoryLoaded, evictionAllowed, timeoutMs, metrics, log } = dependencies;
  let stopping = false;
  let policy: string | undefined;

  function evictionCheck(): string {
    if (policy === undefined) return 'not looked at yet';
    if (policy === 'noeviction' || policy === 'unknown' || evictionAllowed) return 'ok';
    return `maxmemory-policy is ${policy}: Redis may delete sketches; set noeviction or EVICTION_ALLOWED=true`;
  }

  function checks(): Record<string, string> {
    return {
      service: stopping ? 'stopping' : 'ok',
      redis: connections.every(({ status }) => status === 'ready') ? 'ok' : 'not connected',
      breaker: connections.some((redis) => breakers.get(redis)?.state === 'open') ? 'open' : 'ok',
      directory: directoryLoaded() ? 'ok' : 'not read yet',
      eviction: evictionCheck(),
    };
  }

  const isReady = () => Object.values(checks()).every((check) => check === 'ok');
  metrics.observeReady(isReady);

  return {
    checks,
    isReady,
    /** Each connection with its state and that of its breaker. */
    connections: () =>
      connections.map((redis) => ({
        name: redis.options.connectionName ?? '',
        state: redis.status,
        breaker: breakers.get(redis)?.state ?? 'closed',
      })),
    /** Asks Redis for its eviction policy. Managed services may not tell; that is logged and let pass. */
    async lookAtEviction(): Promise<void> {
      try {
        const [reply] = await readPipeline(
          connections[0],
          [call('CONFIG', 'GET', 'maxmemory-policy')],
          timeoutMs,
        );
        policy = (reply as string[])[1] ?? 'unknown';
      } catch (error) {
        if ((error as Error).name !== 'ReplyError') return; // not connected: asked again at the next look
        policy = 'unknown';
      }
      if (policy === 'unknown')
        log.warn('Redis does not tell its maxmemory-policy; make sure it is noeviction');
      else if (evictionCheck() !== 'ok') log.error(evictionCheck());
    },
    stop(): void {
      stopping = true;
    },
  };
}

export type Readiness = ReturnType<typeof createReadiness>;
