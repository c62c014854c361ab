/** The rate limits, put together: policies, the limiter with its own connection, and its sweep. Without a limit there is none of it. */
import type { FastifyBaseLogger } from 'fastify';
import type { Clock } from '../clock.js';
import type { Config } from '../config.js';
import { startJob } from '../jobs.js';
import { createLimiter } from '../limits/limiter.js';
import { createPolicies } from '../limits/policies.js';
import type { Metrics } from '../metrics.js';
import { anyone } from '../principal.js';
import type { RedisAddress } from '../redis/address.js';
import { connectionLimits } from '../redis/connection.js';
import { openStore } from '../redis/store.js';

/** No request waits longer than this for a decision. */
const PAYMENT_MS_MAX = 250;
const SWEEP_MS = 1_000;

interface LimitsDependencies {
  address: RedisAddress;
  config: Config;
  monotonic: Clock;
  metrics: Metrics;
  log: FastifyBaseLogger;
}

/** @returns undefined where nothing is limited */
export function createLimits({ address, config, monotonic, metrics, log }: LimitsDependencies) {
  const policies = createPolicies(config);
  if (!policies.address && !policies.ingest(anyone) && !policies.queries(anyone)) return undefined;
  const redis = openStore({ address, name: 'limits', limits: connectionLimits(config), metrics, log });
  const limiter = createLimiter({ redis, timeoutMs: PAYMENT_MS_MAX, clock: monotonic, metrics, log });
  redis.on('ready', () => void limiter.probe());
  const job = startJob({ name: 'sweep of the limits', everyMs: SWEEP_MS, run: limiter.sweep, log });
  return {
    policies,
    limiter,
    async stop(): Promise<void> {
      await job.stop();
      await limiter.settle();
      redis.disconnect();
    },
  };
}
