/** Readiness: what must hold before the service takes work, looked at without asking Redis each time. */
import type { FastifyBaseLogger } from 'fastify';
import type { Redis } from 'ioredis';
import type { Metrics } from '../metrics.js';
import { breakerOf } from '../redis/breaker.js';
import { call, readPipeline, type Store } from '../redis/pipeline.js';
import { mastersOf } from '../redis/store.js';

/** Whether nothing is sent there; a cluster of which one master answers still serves the systems of that. */
function isShut(store: Store): boolean {
  const masters = mastersOf(store);
  return masters.length > 0 && masters.every((redis) => breakerOf(redis) === 'open');
}

interface ReadinessDependencies {
  /** The connections that work needs; the first is asked. */
  connections: readonly [Store, ...Store[]];
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
      breaker: connections.some(isShut) ? 'open' : 'ok',
      directory: directoryLoaded() ? 'ok' : 'not read yet',
      eviction: evictionCheck(),
    };
  }

  const isReady = () => Object.values(checks()).every((check) => check === 'ok');
  metrics.observeReady(isReady);

  /** The policy of one server, undefined where it is not connected. */
  async function policyOf(redis: Redis): Promise<string | undefined> {
    try {
      const [reply] = await readPipeline(redis, [call('CONFIG', 'GET', 'maxmemory-policy')], timeoutMs);
      return (reply as string[])[1] ?? 'unknown';
    } catch (error) {
      return (error as Error).name === 'ReplyError' ? 'unknown' : undefined;
    }
  }

  return {
    checks,
    isReady,
    /** Each connection with its state and that of its breaker; on a cluster one to each master. */
    connections: () =>
      connections.flatMap(mastersOf).map((redis) => ({
        name: redis.options.connectionName ?? '',
        state: redis.status,
        breaker: breakerOf(redis),
      })),
    /**
     * Asks Redis for its eviction policy, on a cluster every master: the worst counts. Managed services may not tell;
     * that is logged and let pass. One that is not connected is asked at a later look.
     */
    async lookAtEviction(): Promise<void> {
      const found = await Promise.all(mastersOf(connections[0]).map(policyOf));
      const told = found.flatMap((one) => one ?? []);
      if (told.length === 0) return;
      const wrong = told.find((one) => one !== 'noeviction' && one !== 'unknown');
      policy = wrong ?? (told.includes('unknown') ? 'unknown' : 'noeviction');
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
