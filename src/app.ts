/**
 * The wiring diagram: what there is, what depends on what, in which order it opens and closes.
 *
 *   write  events/routes -> ingest -> writer (group commit) -> system-writes -> one pipeline -> Redis
 *   ids    privacy/pseudonyms, asked by ingest, questions and subjects/routes
 *   fold   rollups/rounds (one leader) -> day-folder -> store-day -> Redis
 *   read   compliance/routes -> respond -> cache (memory -> Redis) -> query -> covered -> question -> one pipeline -> Redis
 *
 * The parts of the two flows are put together in wiring/. Closing runs the other way round: requests are finished,
 * the writer drains, jobs stop, connections close.
 */
import { randomUUID } from 'node:crypto';
import type { FastifyBaseLogger, FastifyInstance } from 'fastify';
import type { Registry } from 'prom-client';
import { createAttempts } from './access/attempts.js';
import type { Keys } from './access/keys.js';
import adminRoutes from './admin/routes.js';
import type { Invalidation } from './cache/generations.js';
import { type Clock, monotonicClock, systemClock } from './clock.js';
import complianceRoutes from './compliance/routes.js';
import { seriesRoutes } from './compliance/series-routes.js';
import type { Config } from './config.js';
import eventsRoutes from './events/routes.js';
import { createReadiness } from './health/readiness.js';
import { redisStats } from './health/redis-stats.js';
import healthRoutes from './health/routes.js';
import { createMetrics } from './metrics.js';
import access, { requires } from './plugins/access.js';
import { createClientAddresses } from './plugins/client-address.js';
import compression from './plugins/compression.js';
import connectionBounds from './plugins/connection-bounds.js';
import contentCodings from './plugins/content-codings.js';
import docs from './plugins/docs.js';
import errors from './plugins/errors.js';
import logging from './plugins/logging.js';
import { collectMethods } from './plugins/method-not-allowed.js';
import metricsPlugin, { metricsRoute } from './plugins/metrics.js';
import openapi from './plugins/openapi.js';
import problemPages from './plugins/problem-pages.js';
import queryChecks from './plugins/queries.js';
import { addressGuard, createEventCharges, questionLimit } from './plugins/rate-limits.js';
import securityHeaders from './plugins/security-headers.js';
import stop from './plugins/stop.js';
import tracing from './plugins/tracing.js';
import unreadBodies from './plugins/unread-bodies.js';
import type { RedisAddress } from './redis/address.js';
import { createRollups } from './rollups/rounds.js';
import { createRemoval } from './subjects/removal.js';
import subjectsRoutes from './subjects/routes.js';
import systemsRoutes from './systems/routes.js';
import type { Retention } from './windows/retention.js';
import { tzdataVersion } from './windows/tzdata.js';
import { openConfiguredKeys } from './wiring/access.js';
import { createAdministration } from './wiring/administration.js';
import { startBackground } from './wiring/background.js';
import { closeConnections, openConnections } from './wiring/connections.js';
import { createLimits } from './wiring/limits.js';
import { openPseudonyms } from './wiring/pseudonyms.js';
import { createReadPath } from './wiring/read-path.js';
import { createServer } from './wiring/server.js';
import { openShards, openSpread } from './wiring/shards.js';
import { createWritePath } from './wiring/write-path.js';

export interface AppOptions {
  config: Config;
  /** Where Redis is. */
  address: RedisAddress;
  log: FastifyBaseLogger;
  clock?: Clock;
  /** By which durations are measured. */
  monotonic?: Clock;
  /** Who may enter; by default those that the settings name. */
  keys?: Keys;
  randomId?: () => string;
  /** How many processes share the port; by default this one alone. */
  workers?: number;
  /** Shares the metrics with the other processes. Returns what tells those of all. */
  shareMetrics?: (register: Registry) => () => Promise<string>;
}

function retentionOf(config: Config): Retention {
  return {
    minute: config.RETENTION_MINUTE_SECONDS * 1_000,
    hour: config.RETENTION_HOUR_SECONDS * 1_000,
    day: config.RETENTION_DAY_SECONDS * 1_000,
    week: config.RETENTION_WEEK_SECONDS * 1_000,
    month: config.RETENTION_MONTH_SECONDS * 1_000,
  };
}

/** Everything behind the routes. */
async function createParts({ keys: given, ...options }: AppOptions) {
  const { config, address, log, randomId = randomUUID } = options;
  const { clock = systemClock, monotonic = monotonicClock } = options;
  const keys = given ?? (await openConfiguredKeys(config, clock, log));
  const metrics = createMetrics();
  metrics.tzdataInfo.set({ version: tzdataVersion }, 1);
  const pseudonyms = openPseudonyms(config);
  const spread = openSpread(config);
  const retention = retentionOf(config);
  const redis = openConnections({ address, config, metrics, log });
  const shared = { config, retention, clock, monotonic, metrics, log, randomId, pseudonyms };
  const shards = openShards({ redis: redis.write, spread, config, retention });
  const { shardsOf } = shards;
  const write = createWritePath({ redis: redis.write, spread, shards, ...shared });
  const read = createReadPath({ redis: redis.read, shardsOf, ...shared });
  const limits = createLimits({ address, ...shared });
  const readiness = createReadiness({
    connections: [redis.write, redis.read],
    directoryLoaded: () => write.directory.isLoaded,
    evictionAllowed: config.EVICTION_ALLOWED,
    timeoutMs: config.REDIS_QUERY_TIMEOUT_MS,
    metrics,
    log,
  });
  const timeoutMs = config.REDIS_INGEST_TIMEOUT_MS;
  const background = { redis: redis.background, shardsOf, retention, clock, monotonic, timeoutMs };
  const rollups = createRollups({ ...background, holderId: randomId(), metrics, log });
  const invalidate = async (what: Invalidation) => {
    await read.cache.invalidate(what);
    read.names.expire();
  };
  const administration = createAdministration({ redis: redis.background, shards, invalidate, ...shared });
  const removal = createRemoval(background);
  const jobs = startBackground({ config, keys, redis, shards, write, read, readiness, rollups, clock, log });
  const { register } = metrics;
  return {
    ...shared,
    keys,
    redis,
    write,
    read,
    limits,
    readiness,
    rollups,
    administration,
    removal,
    jobs,
    connectionsMax: Math.ceil(config.CONNECTIONS_MAX / (options.workers ?? 1)),
    scrape: options.shareMetrics?.(register) ?? (() => register.metrics()),
  };
}

type Parts = Awaited<ReturnType<typeof createParts>>;

/** What waits is finished first, and connections close last. */
function closeWith(app: FastifyInstance, parts: Parts): void {
  const { write, read, rollups, jobs, limits, redis, readiness, log } = parts;
  app.addHook('preClose', async () => readiness.stop());
  app.addHook('onClose', async () => {
    await write.writer.drain();
    await read.cache.settle();
    await write.folder.settle();
    rollups.stop();
    await Promise.all(jobs.map((job) => job.stop()));
    await rollups
      .resign()
      .catch((error: Error) => log.warn({ err: error }, 'the lead could not be given up'));
    await write.directory
      .flush()
      .catch((error: Error) => log.warn({ err: error }, 'the directory could not be flushed'));
    await write.lateWrites
      .flush(read.cache.invalidateClosed)
      .catch((error: Error) => log.warn({ err: error }, 'cached answers could not be made invalid'));
    await limits?.stop();
    closeConnections(redis);
  });
}

/** What every request passes, in this order. */
async function registerPlugins(app: FastifyInstance, parts: Parts): Promise<void> {
  const { config, keys, limits, monotonic, metrics } = parts;
  const addressOf = createClientAddresses();
  await app.register(unreadBodies);
  await app.register(openapi);
  await app.register(errors);
  await app.register(tracing, {
    endpoint: config.OTEL_EXPORTER_OTLP_ENDPOINT,
    serviceName: config.OTEL_SERVICE_NAME,
    sampledShare: config.OTEL_TRACES_SAMPLER_ARG,
  });
  await app.register(logging);
  await app.register(securityHeaders);
  await app.register(connectionBounds, { connectionsMax: parts.connectionsMax, metrics });
  if (limits?.policies.address) {
    await app.register(addressGuard, { limiter: limits.limiter, limit: limits.policies.address, addressOf });
  }
  await app.register(access, { keys, attempts: createAttempts(monotonic), addressOf, metrics });
  await app.register(stop);
  await app.register(metricsPlugin, { metrics });
  if (limits) {
    await app.register(questionLimit, { limiter: limits.limiter, limitOf: limits.policies.queries });
  }
  await app.register(compression);
  await app.register(contentCodings);
  await app.register(queryChecks);
}

/** Who may use what: each feature is registered with what it asks for (plugins/access.ts). */
async function registerFeatures(app: FastifyInstance, parts: Parts): Promise<void> {
  const { config, readiness, redis, read, write, limits, clock, metrics, retention, pseudonyms } = parts;
  const questioning = { redis: redis.read, timeoutMs: config.REDIS_QUERY_TIMEOUT_MS };
  const operations = config.OPERATIONS_ACCESS;
  await app.register(requires('open', problemPages));
  await app.register(requires('open', healthRoutes), { readiness, redis: redis.read });
  await app.register(requires(operations, redisStats), questioning);
  await app.register(requires(operations, metricsRoute), {
    contentType: metrics.register.contentType,
    scrape: parts.scrape,
  });
  await app.register(requires(operations, docs));
  await app.register(requires('ingest', eventsRoutes), {
    prefix: '/api/v1',
    ingest: write.ingest,
    once: write.once,
    shedding: write.shedding,
    batchEventsMax: config.BATCH_EVENTS_MAX,
    bodyBytesMax: config.BODY_BYTES_MAX,
    openCharge: limits && createEventCharges({ limiter: limits.limiter, limitOf: limits.policies.ingest }),
    randomId: parts.randomId,
  });
  await app.register(requires('query', complianceRoutes), { prefix: '/api/v1/compliance', clock, ...read });
  await app.register(requires('query', seriesRoutes), { prefix: '/api/v1/compliance', clock, ...read });
  await app.register(requires('query', systemsRoutes), { prefix: '/api/v1', ...questioning });
  await app.register(requires('admin', adminRoutes), {
    prefix: '/api/v1/admin',
    slow: read.slow,
    ...parts.administration,
  });
  await app.register(requires('admin', subjectsRoutes), {
    prefix: '/api/v1',
    pseudonyms,
    removal: parts.removal,
    invalidate: read.cache.invalidate,
    remains: { retention, futureMsMax: config.FUTURE_SECONDS_MAX * 1_000 },
    clock,
  });
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Whether events and questions can be served now, as /readyz says it. */
    isReady(): boolean;
  }
}

/** Builds the service. It is connected to Redis as soon as Redis is there; `close` ends everything it opened. */
export async function buildApp(options: AppOptions): Promise<FastifyInstance> {
  const { config, log, randomId = randomUUID } = options;
  const app = createServer(config, log, randomId) as unknown as FastifyInstance;
  const parts = await createParts(options);
  app.decorate('isReady', parts.readiness.isReady);
  closeWith(app, parts);
  const methods = collectMethods(app);
  await registerPlugins(app, parts);
  await registerFeatures(app, parts);
  methods.seal();
  return app;
}
