/** The read path, put together: respond -> cache (memory -> Redis) -> query -> one pipeline -> Redis. */
import type { FastifyBaseLogger } from 'fastify';
import { createSlowQueries } from '../admin/slow-queries.js';
import { createAnswerCache } from '../cache/answers.js';
import { createInFlight } from '../cache/in-flight.js';
import type { Clock } from '../clock.js';
import { createExplain } from '../compliance/explain.js';
import { createNearestSystems } from '../compliance/nearest-systems.js';
import { createPercentileQueries } from '../compliance/percentile-query.js';
import { createQueries } from '../compliance/query.js';
import { createAsk } from '../compliance/question.js';
import { createRecall } from '../compliance/recall.js';
import { createRecallHook, createRespond } from '../compliance/respond.js';
import { createSeriesQueries } from '../compliance/series-query.js';
import { createSummaries } from '../compliance/summaries.js';
import { createFindSystems } from '../compliance/systems.js';
import type { Config } from '../config.js';
import type { Metrics } from '../metrics.js';
import { sendAnswer, sendHeld, wantsFresh } from '../plugins/answers.js';
import { type People, plainPeople } from '../privacy/pseudonyms.js';
import type { Store } from '../redis/pipeline.js';
import type { ShardsOf } from '../redis/shard-names.js';
import { createSystemNames } from '../redis/system-names.js';
import type { Retention } from '../windows/retention.js';

interface ReadPathDependencies {
  redis: Store;
  shardsOf: ShardsOf;
  config: Config;
  retention: Retention;
  clock: Clock;
  /** For how long something takes and how old it is. */
  monotonic: Clock;
  metrics: Metrics;
  log: FastifyBaseLogger;
  randomId: () => string;
  pseudonyms: People | undefined;
}

export function createReadPath(dependencies: ReadPathDependencies) {
  const { redis, shardsOf, config, retention, clock, monotonic, metrics, log, randomId } = dependencies;
  const people = dependencies.pseudonyms ?? plainPeople;
  const timeoutMs = config.REDIS_QUERY_TIMEOUT_MS;
  const inFlight = createInFlight(config.QUERIES_IN_FLIGHT_MAX, metrics);
  const ask = createAsk({ redis, timeoutMs, inFlight });
  const query = { ask, shardsOf, retention, clock, formsChangedAt: people.changedAt };
  const names = createSystemNames({ redis, timeoutMs, clock: monotonic });
  const cache = createAnswerCache({
    redis,
    timeoutMs,
    inFlight,
    memoryBytesMax: config.CACHE_MAX_SIZE_MB * 1024 ** 2,
    clock: monotonic,
    metrics,
    log,
    randomId,
    enabled: config.QUERY_CACHE === 'on',
  });
  const queries = createQueries(query);
  const slow = createSlowQueries({ thresholdMs: config.SLOW_QUERY_MS, clock, metrics, log });
  const recall = createRecall(cache, clock, monotonic);
  const explain = createExplain(createNearestSystems(names, monotonic));
  const stopwatch = monotonic;
  const answering = {
    cache,
    recall,
    send: sendAnswer,
    sendHeld,
    wantsFresh,
    explain,
    findSystems: createFindSystems(ask, config.QUERY_SYSTEMS_MAX),
    slow,
    clock,
    stopwatch,
  };
  return {
    ask: query.ask,
    people,
    names,
    cache,
    slow,
    queries,
    percentileQueries: createPercentileQueries(query),
    seriesQueries: createSeriesQueries(query),
    summaries: createSummaries({ cache, queries, explain, clock }),
    respond: createRespond(answering),
    wantsFresh,
    recallHook: createRecallHook(answering),
  };
}

export type ReadPath = ReturnType<typeof createReadPath>;
