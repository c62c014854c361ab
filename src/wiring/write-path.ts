/**
 * The write path, put together: ingest -> writer (writers.ts) -> system-writes -> one pipeline -> Redis, with what
 * it remembers (repeat filter, directory) and what it has to tidy up (digest lists).
 */
import type { FastifyBaseLogger } from 'fastify';
import type { Clock } from '../clock.js';
import type { Config } from '../config.js';
import { createAdmission } from '../events/admission.js';
import { createDigestFolder } from '../events/digest-folder.js';
import { createDirectory } from '../events/directory.js';
import { createRefold } from '../events/identified-rows.js';
import { createIngest } from '../events/ingest.js';
import { createLateWrites } from '../events/late-writes.js';
import { createOnce } from '../events/once.js';
import { createPlacement } from '../events/placement.js';
import type { Metrics } from '../metrics.js';
import type { Pseudonyms } from '../privacy/pseudonyms.js';
import { createClaims } from '../redis/claims.js';
import { knownIdsHead } from '../redis/known-ids.js';
import type { Store } from '../redis/pipeline.js';
import type { Shards } from '../redis/shards.js';
import type { Spread } from '../redis/spread.js';
import { type Retention, recordSeconds } from '../windows/retention.js';
import { openWriter } from './writers.js';

interface WritePathDependencies {
  redis: Store;
  spread: Spread;
  shards: Shards;
  config: Config;
  retention: Retention;
  clock: Clock;
  monotonic: Clock;
  metrics: Metrics;
  log: FastifyBaseLogger;
  randomId: () => string;
  pseudonyms: Pseudonyms | undefined;
}

export function createWritePath(dependencies: WritePathDependencies) {
  const { redis, spread, shards, config, retention, clock, monotonic, metrics, log, randomId, pseudonyms } =
    dependencies;
  const timeoutMs = config.REDIS_INGEST_TIMEOUT_MS;
  const folder = createDigestFolder({ redis, timeoutMs, metrics, log });
  const placement = createPlacement(spread);
  const directory = createDirectory({
    redis,
    shards,
    systemsMax: config.SYSTEMS_MAX,
    timeoutMs,
    recordSeconds: recordSeconds(retention),
    clock,
    monotonic,
  });
  const readsIds = config.EVENT_ID_SECONDS > 0;
  const rows = {
    pseudonyms,
    futureMsMax: config.FUTURE_SECONDS_MAX * 1_000,
    minuteRetentionMs: retention.minute,
  };
  const admission = createAdmission({
    requestsMax: config.INGEST_REQUESTS_IN_FLIGHT_MAX,
    queueMsMax: config.INGEST_QUEUE_MS_MAX,
    pendingBytesMax: config.INGEST_PENDING_BYTES_MAX,
    floodBytesMax: config.INGEST_FLOOD_BYTES_MAX,
    clock: monotonic,
  });
  metrics.observeIngest(admission);
  const lateWrites = createLateWrites(clock);
  const { writer, filter } = openWriter({
    config,
    redis,
    directory,
    folder,
    admission,
    lateWrites,
    retention,
    clock,
    monotonic,
    timeoutMs,
    wait: { replicas: config.INGEST_WAIT_REPLICAS, timeoutMs: config.INGEST_WAIT_MS },
    metrics,
    ids: readsIds ? { head: knownIdsHead(config.EVENT_ID_SECONDS), refold: createRefold(rows) } : undefined,
    randomId,
  });
  const ingest = createIngest({
    writer,
    directory,
    clock,
    metrics,
    readsIds,
    placement,
    ...rows,
  });
  const claims = createClaims({
    redis,
    timeoutMs,
    // Twice the time that Redis has for one pipeline: one may be under way when a request comes.
    leaseMs: 2 * timeoutMs,
    keptSeconds: config.IDEMPOTENCY_SECONDS,
    randomId,
  });
  const limits = { rowsMax: config.BATCH_EVENTS_MAX, bytesMax: config.BODY_BYTES_MAX };
  const once = createOnce({ claims, redis, directory, limits, placement, clock, timeoutMs, metrics });
  const shedding = {
    admission,
    eventLoopDelayMsMax: config.EVENT_LOOP_DELAY_MS_MAX,
    heapUsedPercentMax: config.HEAP_USED_PERCENT_MAX,
    bodyBytesMax: config.BODY_BYTES_MAX,
    clock: monotonic,
    metrics,
  };
  return { filter, folder, directory, lateWrites, writer, ingest, once, shedding };
}

export type WritePath = ReturnType<typeof createWritePath>;
