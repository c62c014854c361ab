/**
 * Prometheus metrics: one table. No label takes a value that a client can choose: routes are patterns,
 * reasons and kinds come from tables.
 *
 * The hot path holds on to label children and observes per request or pipeline, never per event.
 *
 * Where several workers share the port, `/metrics` tells of all of them together: sums, or what `aggregator` says.
 */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

const SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];
const SIZES = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000];
const BYTES = [256, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216];

/** Why new events are refused before they are read. */
export const shedReasons = ['bytes', 'requests', 'queue', 'flood', 'event_loop', 'heap'] as const;
export type ShedReason = (typeof shedReasons)[number];

/** What is held for Redis, and how much may be. */
interface Held {
  readonly held: number;
  readonly limit: number;
  readonly pendingBytes: number;
}

/** Counted where workers are supervised (processes/primary.ts). */
export const workerRestarts = { name: 'papertrail_worker_restarts_total', help: 'Workers replaced.' };

/** What makes metrics of a registry, under the prefix of them all. */
function createMakers(registers: Registry[]) {
  const named = <Label extends string>(name: string, help: string, labelNames: readonly Label[] = []) => ({
    name: `papertrail_${name}`,
    help,
    labelNames,
    registers,
  });
  return {
    counter: <Label extends string = never>(...what: Parameters<typeof named<Label>>) =>
      new Counter(named<Label>(...what)),
    gauge: <Label extends string = never>(...what: Parameters<typeof named<Label>>) =>
      new Gauge(named<Label>(...what)),
    histogram: <Label extends string = never>(
      name: string,
      help: string,
      buckets: number[],
      labelNames: readonly Label[] = [],
    ) => new Histogram({ ...named(name, help, labelNames), buckets }),
    /**
     * A counter by two labels whose counts are plain numbers until they are scraped: what it counts is so cheap that
     * finding the labels would be a good part of it.
     */
    tally(name: string, help: string, labelNames: readonly [string, string]) {
      const [first, second] = labelNames;
      const counts = new Map<string, Record<string, number>>();
      new Counter({
        ...named(name, help, labelNames),
        collect() {
          this.reset();
          for (const [value, bySecond] of counts) {
            for (const [other, count] of Object.entries(bySecond)) {
              this.inc({ [first]: value, [second]: other }, count);
            }
          }
        },
      });
      return {
        counts: counts as ReadonlyMap<string, Readonly<Record<string, number>>>,
        count(value: string, other: string): void {
          const bySecond = counts.get(value);
          if (bySecond) bySecond[other] = (bySecond[other] ?? 0) + 1;
          else counts.set(value, { [other]: 1 });
        },
      };
    },
  };
}

/** A registry of its own for each app, so that two of them in one process do not collide. */
export function createMetrics() {
  const register = new Registry();
  const registers = [register];
  const { counter, gauge, histogram, tally } = createMakers(registers);
  let isReady = () => false;
  const breakers = new Map<string, () => number>();
  let ingest: Held = { held: 0, limit: 0, pendingBytes: 0 };
  const cacheAnswers = tally(
    'cache_answers_total',
    'Questions answered, by endpoint and by where the answer came from.',
    ['endpoint', 'state'],
  );
  const metrics = {
    register,
    requestSeconds: histogram(
      'http_request_duration_seconds',
      'Time from the arrival of a request to the end of its answer.',
      SECONDS,
      ['method', 'route', 'status'],
    ),
    eventsAccepted: counter('events_accepted_total', 'Events acknowledged after Redis had stored them.'),
    eventsDuplicate: counter(
      'events_duplicate_total',
      'Of the accepted events, those not counted again because their event_id was known.',
    ),
    eventsUndated: counter(
      'events_undated_total',
      'Of the accepted events, those without a timestamp, counted at the time of their arrival.',
    ),
    fieldsIgnored: counter(
      'event_fields_ignored_total',
      'Fields of accepted events that were not read though their sender may think so; answers name them.',
    ),
    eventsRejected: counter('events_rejected_total', 'Rows refused, by reason.', ['reason']),
    pipelineSeconds: histogram(
      'pipeline_duration_seconds',
      'Time of one write pipeline, from sending to the last reply.',
      SECONDS,
    ),
    pipelineBytes: histogram('pipeline_size_bytes', 'Bytes of sketch updates in one write pipeline.', BYTES),
    groupCommitEvents: histogram(
      'group_commit_events',
      'Events that left together in one write pipeline.',
      SIZES,
    ),
    pendingBytes: new Gauge({
      name: 'papertrail_ingest_pending_bytes',
      help: 'Bytes of request bodies waiting for Redis, in flight included.',
      registers,
      collect() {
        this.set(ingest.pendingBytes);
      },
    }),
    ingestRequests: new Gauge({
      name: 'papertrail_ingest_requests_in_flight',
      help: 'Ingest requests waiting for Redis, in flight included.',
      registers,
      collect() {
        this.set(ingest.held);
      },
    }),
    ingestRequestsLimit: new Gauge({
      name: 'papertrail_ingest_requests_in_flight_limit',
      help: 'How many of them there may be now.',
      registers,
      collect() {
        this.set(ingest.limit);
      },
    }),
    ingestShed: counter('ingest_shed_total', 'Ingest requests refused because of overload, by reason.', [
      'reason',
    ]),
    queriesInFlight: gauge('queries_in_flight', 'Questions that are being computed.'),
    idempotencyClaims: counter(
      'idempotency_claims_total',
      'Requests with an idempotency key, by what was found under it.',
      ['outcome'],
    ),
    numericKeysDropped: counter(
      'numeric_samples_dropped_total',
      'Numeric metadata values not kept because their system has its full number of numeric keys.',
    ),
    epochsChanged: counter(
      'epoch_mismatches_total',
      'Deltas of a system sent again because its epoch had changed.',
    ),
    digestFolds: counter('digest_folds_total', 'Digest lists folded, by outcome.', ['outcome']),
    cacheAnswers,
    cacheHitRatio: new Gauge({
      name: 'papertrail_cache_hit_ratio',
      help: 'Share of all answers so far that were not computed for their request.',
      aggregator: 'average',
      registers,
      collect() {
        let all = 0;
        let missed = 0;
        for (const counts of cacheAnswers.counts.values()) {
          for (const count of Object.values(counts)) all += count;
          missed += (counts.miss ?? 0) + (counts.uncached ?? 0);
        }
        this.set(all === 0 ? 0 : 1 - missed / all);
      },
    }),
    cacheRefreshes: counter(
      'cache_refreshes_total',
      'Answers renewed in the background, by endpoint and outcome.',
      ['endpoint', 'outcome'],
    ),
    cacheEvictions: counter(
      'cache_evictions_total',
      'Answers dropped from the memory of this process to make room.',
    ),
    cacheBytes: gauge(
      'cache_bytes',
      'Bytes of answers in the memory of this process, compressed forms included.',
    ),
    rollupDays: counter('rollup_days_total', 'Days of systems that were to be folded, by outcome.', [
      'outcome',
    ]),
    rollupLagSeconds: new Gauge({
      name: 'papertrail_rollup_lag_seconds',
      help: 'How long the day that has waited longest to be folded is overdue; 0 where this process is not the leader.',
      aggregator: 'max',
      registers,
    }),
    rollupLeader: gauge('rollup_leader', '1 where this process folds days, else 0.'),
    limitDecisions: tally('limit_decisions_total', 'Decisions of the rate limits, by policy and outcome.', [
      'policy',
      'outcome',
    ]),
    limitLeases: counter(
      'limit_leases_total',
      'Times that a lease of a token bucket was to be renewed in Redis, by outcome.',
      ['outcome'],
    ),
    limitsLocal: new Gauge({
      name: 'papertrail_limits_local',
      help: '1 while this process limits by itself because Redis cannot be asked, else 0.',
      aggregator: 'max',
      registers,
    }),
    connectionsRefused: counter(
      'connections_refused_total',
      'Connections closed on arrival because CONNECTIONS_MAX were open.',
    ),
    accessRefused: counter('access_refused_total', 'Requests refused because of who sent them, by reason.', [
      'reason',
    ]),
    slowQueries: counter(
      'slow_queries_total',
      'Questions that took SLOW_QUERY_MS or longer, by endpoint and by where the answer came from.',
      ['endpoint', 'state'],
    ),
    purgedKeys: counter('purged_keys_total', 'Keys of systems deleted by purges.'),
    redisErrors: counter('redis_errors_total', 'Connection errors with Redis, by connection.', [
      'connection',
    ]),
    breakerState: new Gauge({
      name: 'papertrail_redis_breaker_state',
      help: 'Circuit breaker of a connection to Redis, on a cluster the worst of its masters: 0 closed, 1 half open, 2 open.',
      labelNames: ['connection'],
      aggregator: 'max',
      registers,
      collect() {
        for (const [connection, look] of breakers) this.set({ connection }, look());
      },
    }),
    clusterMasters: new Gauge({
      name: 'papertrail_cluster_masters',
      help: 'Masters of the Redis Cluster that serve slots, by connection and by whether they are connected or away.',
      labelNames: ['connection', 'state'],
      aggregator: 'max',
      registers,
    }),
    clusterRedirects: counter(
      'cluster_redirects_total',
      'Calls that a node of the Redis Cluster refused because their slot is or goes elsewhere, by kind.',
      ['kind'],
    ),
    tzdataInfo: new Gauge({
      name: 'papertrail_tzdata_info',
      help: '1, with the release of the time zone data as its label.',
      labelNames: ['version'],
      aggregator: 'max',
      registers,
    }),
    ready: new Gauge({
      name: 'papertrail_ready',
      help: '1 where /readyz answers 200, else 0.',
      aggregator: 'min',
      registers,
      collect() {
        this.set(isReady() ? 1 : 0);
      },
    }),
    /** Says where what is held is to be looked up when it is scraped. */
    observeIngest(look: Held): void {
      ingest = look;
    },
    /** Says where the state of the breaker of a connection is to be looked up when it is scraped. */
    observeBreaker(connection: string, look: () => number): void {
      breakers.set(connection, look);
    },
    /** Says where `ready` is to be looked up when it is scraped. */
    observeReady(look: () => boolean): void {
      isReady = look;
    },
  };
  new Counter({ ...workerRestarts, registers });
  new Gauge({ name: 'papertrail_workers', help: 'Workers that answer.', registers }).set(1);
  for (const reason of shedReasons) metrics.ingestShed.inc({ reason }, 0);
  collectDefaultMetrics({ register, prefix: 'papertrail_' });
  return metrics;
}

export type Metrics = ReturnType<typeof createMetrics>;
