/**
 * The wiring diagram: what there is, what depends on what, in which order it opens and closes.
 *
 *   write  events/routes -> ingest -> writer (group commit) -> system-writes -> one pipeline -> Redis
 *   fold   rollups/rounds (one leader) -> day-folder -> store-day -> Redis
 *   read   compliance/routes -> respond -> cache (memory -> Redis) -> query -> covered -> question -> one pipeline -> Redis
 *
 * Closing runs the other way round: requests are finished, the writer drains, jobs stop, connections close.
 */
import { randomUUID } from 'node:crypto';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import Fastify, { type FastifyBaseLogger, type FastifyInstance, LogController } from 'fastify';
import adminRoutes from './admin/routes.js';
import { createAnswerCache, warmEveryMs } from './cache/answers.js';
import { type Invalidation, lookEveryMs } from './cache/generations.js';
import { type Clock, systemClock } from './clock.js';
import { createPercentileQueries } from './compliance/percentile-query.js';
import { createQueries } from './compliance/query.js';
import { createAsk } from './compliance/question.js';
import { createRecall } from './compliance/recall.js';
import { createRecallHook, createRespond } from './compliance/respond.js';
import complianceRoutes from './compliance/routes.js';
import { createSeriesQueries } from './compliance/series-query.js';
import { seriesRoutes } from './compliance/series-routes.js';
import { createSummaries } from './compliance/summaries.js';
import { createReadSystems } from './compliance/systems.js';
import { createWarmUp } from './compliance/warm-up.js';
import type { Config } from './config.js';
import { createDigestFolder } from './events/digest-folder.js';
import { createDirectory } from './events/directory.js';
import { createIngest } from './events/ingest.js';
import { createRepeatFilter } from './events/repeat-filter.js';
import eventsRoutes from './events/routes.js';
import { createSystemWrites } from './events/system-writes.js';
import { createWriter } from './events/writer.js';
import { createReadiness } from './health/readiness.js';
import healthRoutes from './health/routes.js';
import { createMetrics } from './metrics.js';
import { sendAnswer, sendHeld, wantsFresh } from './plugins/answers.js';
import { answerClientErrors } from './plugins/client-errors.js';
import compression from './plugins/compression.js';
import docs from './plugins/docs.js';
import errors, { sendFrameworkError } from './plugins/errors.js';
import logging from './plugins/logging.js';
import { collectMethods } from './plugins/method-not-allowed.js';
import metricsPlugin from './plugins/metrics.js';
import openapi from './plugins/openapi.js';
import problemPages from './plugins/problem-pages.js';
import queryChecks from './plugins/queries.js';
import stop from './plugins/stop.js';
import { createConnection, type RedisAddress } from './redis/connection.js';
import { createSystemNames } from './redis/system-names.js';
import { createRollups, roundMs } from './rollups/rounds.js';
import systemsRoutes from './systems/routes.js';
import { type Retention, recordSeconds } from './windows/retention.js';
import { startJob } from './workers.js';

const EVICTION_LOOK_MS = 60_000;
const DIRECTORY_FLUSH_MS = 1_000;
/** Percent-encoded, the longest system name has three characters a byte. */
const PARAM_CHARACTERS_MAX = 3 * 256;

export interface AppOptions {
  config: Config;
  /** Where Redis is. */
  address: RedisAddress;
  log: FastifyBaseLogger;
  clock?: Clock;
  randomId?: () => string;
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

const requestIdPattern = /^[\w.:-]{1,128}$/;

function createServer(config: Config, log: FastifyBaseLogger, randomId: () => string) {
  return Fastify({
    loggerInstance: log,
    bodyLimit: config.BODY_BYTES_MAX,
    logController: new LogController({ disableRequestLogging: true }),
    // A logger of its own for each request is dear; the few lines there are name their request themselves.
    childLoggerFactory: (logger) => logger,
    routerOptions: { maxParamLength: PARAM_CHARACTERS_MAX },
    requestIdHeader: false,
    return503OnClosing: false, // plugins/stop.ts answers then, with a problem as everywhere
    // A sender's own id is kept where it can do no harm in a log.
    genReqId: ({ headers }) => {
      const given = headers['x-request-id'];
      return typeof given === 'string' && requestIdPattern.test(given) ? given : randomId();
    },
    frameworkErrors: sendFrameworkError,
    clientErrorHandler: answerClientErrors(randomId),
    ajv: { customOptions: { removeAdditional: false, allErrors: true, coerceTypes: true } },
  }).withTypeProvider<TypeBoxTypeProvider>();
}

/** Builds the service. It is connected to Redis as soon as Redis is there; `close` ends everything it opened. */
export async function buildApp(options: AppOptions): Promise<FastifyInstance> {
  const { config, address, log, clock = systemClock, randomId = randomUUID } = options;
  const app = createServer(config, log, randomId);
  const metrics = createMetrics();
  const retention = retentionOf(config);
  const connect = (name: 'write' | 'read' | 'background') =>
    createConnection({ address, name, connectTimeoutMs: config.REDIS_CONNECT_TIMEOUT_MS, metrics, log });
  const redis = { write: connect('write'), read: connect('read'), background: connect('background') };

  const writeTimeoutMs = config.REDIS_INGEST_TIMEOUT_MS;
  const filter = createRepeatFilter(config.REPEAT_FILTER_VALUES_MAX);
  const folder = createDigestFolder({ redis: redis.write, timeoutMs: writeTimeoutMs, metrics, log });
  const directory = createDirectory({
    redis: redis.write,
    systemsMax: config.SYSTEMS_MAX,
    timeoutMs: writeTimeoutMs,
    recordSeconds: recordSeconds(retention),
    now: clock.now,
  });
  const writes = createSystemWrites({
    redis: redis.write,
    filter,
    folder,
    retention,
    clock,
    timeoutMs: writeTimeoutMs,
    metrics,
    randomId,
  });
  const writer = createWriter({
    redis: redis.write,
    directory,
    writes,
    pipelinesInFlightMax: config.PIPELINES_IN_FLIGHT_MAX,
    pendingBytesMax: config.INGEST_PENDING_BYTES_MAX,
    timeoutMs: writeTimeoutMs,
    metrics,
  });
  const ingest = createIngest({
    writer,
    directory,
    clock,
    metrics,
    futureMsMax: config.FUTURE_SECONDS_MAX * 1_000,
    minuteRetentionMs: retention.minute,
  });

  const queryTimeoutMs = config.REDIS_QUERY_TIMEOUT_MS;
  const query = { ask: createAsk(redis.read, queryTimeoutMs), retention, clock };
  const names = createSystemNames({ redis: redis.read, timeoutMs: queryTimeoutMs, clock });
  const cache = createAnswerCache({
    redis: redis.read,
    timeoutMs: queryTimeoutMs,
    memoryBytesMax: config.CACHE_MAX_SIZE_MB * 1024 ** 2,
    clock,
    metrics,
    log,
    randomId,
    enabled: config.QUERY_CACHE === 'on',
  });
  const readSystems = createReadSystems(names, config.QUERY_SYSTEMS_MAX);
  const queries = createQueries(query);
  const readiness = createReadiness({
    connections: [redis.write, redis.read],
    directoryLoaded: () => directory.isLoaded,
    evictionAllowed: config.EVICTION_ALLOWED,
    timeoutMs: queryTimeoutMs,
    metrics,
    log,
  });

  const rollups = createRollups({
    redis: redis.background,
    retention,
    holderId: randomId(),
    clock,
    timeoutMs: writeTimeoutMs,
    metrics,
    log,
  });

  const summaries = createSummaries({ cache, queries, clock });
  const warmUp = createWarmUp({
    isReady: () => config.QUERY_CACHE === 'on' && redis.read.status === 'ready' && directory.isLoaded,
    latestSystems: directory.latest,
    look: cache.look,
    ask: query.ask,
    summaries,
    clock,
    log,
  });

  // A new connection may lead to another server, or to one that lost its tail.
  redis.write.on('ready', () => {
    filter.forgetAll();
    directory
      .load()
      .then(warmUp)
      .catch((error: Error) => log.warn({ err: error }, 'the directory could not be read'));
    void readiness.lookAtEviction();
  });
  // What was invalidated meanwhile, or before this process was there, is not answered from a cache.
  redis.read.on('ready', () => {
    if (config.QUERY_CACHE === 'off') return;
    cache
      .look()
      .then(warmUp)
      .catch((error: Error) => log.warn({ err: error }, 'invalidations could not be looked for'));
  });
  const jobs = [
    startJob({ name: 'eviction look', everyMs: EVICTION_LOOK_MS, run: readiness.lookAtEviction, log }),
    startJob({ name: 'directory flush', everyMs: DIRECTORY_FLUSH_MS, run: directory.flush, log }),
    ...(config.QUERY_CACHE === 'on'
      ? [
          startJob({ name: 'look for invalidations', everyMs: lookEveryMs, run: cache.look, log }),
          startJob({ name: 'cache warming', everyMs: warmEveryMs, run: cache.warm, log }),
        ]
      : []),
    startJob({ name: 'rollups', everyMs: roundMs, run: rollups.round, log }),
  ];

  app.addHook('preClose', async () => readiness.stop());
  app.addHook('onClose', async () => {
    await writer.drain();
    await cache.settle();
    await folder.settle();
    rollups.stop();
    await Promise.all(jobs.map((job) => job.stop()));
    await rollups
      .resign()
      .catch((error: Error) => log.warn({ err: error }, 'the lead could not be given up'));
    await directory
      .flush()
      .catch((error: Error) => log.warn({ err: error }, 'the directory could not be flushed'));
    redis.write.disconnect();
    redis.read.disconnect();
    redis.background.disconnect();
  });

  const methods = collectMethods(app);
  await app.register(openapi);
  await app.register(errors);
  await app.register(logging);
  await app.register(stop);
  await app.register(metricsPlugin, { metrics });
  await app.register(compression);
  await app.register(queryChecks);
  await app.register(docs);
  await app.register(problemPages);
  await app.register(healthRoutes, { readiness, redis: redis.read, timeoutMs: queryTimeoutMs });
  await app.register(eventsRoutes, {
    prefix: '/api/v1',
    ingest,
    batchEventsMax: config.BATCH_EVENTS_MAX,
    bodyBytesMax: config.BODY_BYTES_MAX,
    randomId,
  });
  const answering = { cache, recall: createRecall(cache, clock), send: sendAnswer, sendHeld, wantsFresh };
  const questions = {
    prefix: '/api/v1/compliance',
    readSystems,
    respond: createRespond(answering),
    recallHook: createRecallHook(answering),
    clock,
  };
  await app.register(complianceRoutes, {
    ...questions,
    queries,
    percentileQueries: createPercentileQueries(query),
  });
  await app.register(seriesRoutes, {
    ...questions,
    seriesQueries: createSeriesQueries(query),
    summaries,
  });
  await app.register(systemsRoutes, { prefix: '/api/v1', redis: redis.read, timeoutMs: queryTimeoutMs });
  await app.register(adminRoutes, {
    prefix: '/api/v1/admin',
    async invalidate(what: Invalidation) {
      await cache.invalidate(what);
      names.expire();
    },
  });
  methods.seal();
  return app as unknown as FastifyInstance;
}
