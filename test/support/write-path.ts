/**
 * The write path of one process without HTTP, wired as app.ts does it: events in, acknowledged by Redis. Each
 * has its own connection, repeat filter and folder, so several of them stand for several processes.
 */
import type { Redis } from 'ioredis';
import { pino } from 'pino';
import { monotonicClock } from '../../src/clock.js';
import { type Config, loadConfig } from '../../src/config.js';
import { createAdmission } from '../../src/events/admission.js';
import { createDelta, type Delta, foldEvent } from '../../src/events/delta.js';
import { createDigestFolder } from '../../src/events/digest-folder.js';
import { createDirectory } from '../../src/events/directory.js';
import { createLateWrites } from '../../src/events/late-writes.js';
import { copyEvent, createEventReader, type ReadEvent } from '../../src/events/read-event.js';
import { createMetrics } from '../../src/metrics.js';
import { connectionLimits, createConnection } from '../../src/redis/connection.js';
import type { ReplicaWait } from '../../src/redis/pipeline.js';
import { createShards } from '../../src/redis/shards.js';
import { DAY_MS } from '../../src/windows/civil.js';
import { type Retention, recordSeconds } from '../../src/windows/retention.js';
import { openWriter } from '../../src/wiring/writers.js';
import { until } from './until.js';

export const retention: Retention = {
  minute: 7_200_000,
  hour: 7 * DAY_MS,
  day: 90 * DAY_MS,
  week: 364 * DAY_MS,
  month: 730 * DAY_MS,
};

/** A Saturday, 13:37:20 UTC. */
export const now = Date.UTC(2026, 0, 31, 13, 37, 20);

export type Row = Record<string, unknown>;

const reader = createEventReader(DAY_MS);

/** The fields of a row as its own object. @throws what is wrong with the row */
export function readRow(row: Row, at = now): ReadEvent {
  const problem = reader.read({ event_type: 'api_access', system: 's', ...row }, at);
  if (problem) throw new Error(`${problem.code} ${problem.detail}`);
  return copyEvent(reader.event);
}

/** The delta of some rows, all of request 0 unless said otherwise. */
export function deltaOf(rows: readonly Row[], delta = createDelta(), request = 0): Delta {
  for (const row of rows) foldEvent(delta, readRow(row), request, now - retention.minute);
  return delta;
}

interface WritePathOptions {
  socket: string;
  writer?: Config['WRITER'];
  clock?: { now: () => number };
  /** By default that of `clock`. */
  monotonic?: { now: () => number };
  timeoutMs?: number;
  pipelinesInFlightMax?: number;
  pendingBytesMax?: number;
  filterValuesMax?: number;
  systemsMax?: number;
  wait?: ReplicaWait;
}

let ids = 0;

export async function createWritePath(options: WritePathOptions) {
  const { socket, timeoutMs = 5_000, clock = { now: () => now }, monotonic = clock } = options;
  const { wait = { replicas: 0, timeoutMs: 0 } } = options;
  const metrics = createMetrics();
  const log = pino({ level: 'silent' });
  const redis: Redis = createConnection({
    address: { path: socket },
    name: 'write',
    limits: connectionLimits(loadConfig({})),
    metrics,
    log,
    random: () => 0,
  });
  const folder = createDigestFolder({ redis, timeoutMs, metrics, log });
  const keptSeconds = recordSeconds(retention);
  const directory = createDirectory({
    redis,
    shards: createShards({
      redis,
      spread: new Map(),
      keptSeconds,
      claimsKeptSeconds: 86_400,
      timeoutMs,
    }),
    systemsMax: options.systemsMax ?? 10_000,
    timeoutMs,
    recordSeconds: keptSeconds,
    clock,
    monotonic,
  });
  const admission = createAdmission({
    requestsMax: 512,
    queueMsMax: 50,
    pendingBytesMax: options.pendingBytesMax ?? 64 * 1024 ** 2,
    floodBytesMax: 96 * 1024,
    clock: monotonicClock,
  });
  const { writer, filter } = openWriter({
    config: {
      WRITER: options.writer ?? 'grouped',
      REPEAT_FILTER_VALUES_MAX: options.filterValuesMax ?? 500_000,
      PIPELINES_IN_FLIGHT_MAX: options.pipelinesInFlightMax ?? 2,
    },
    redis,
    directory,
    folder,
    admission,
    lateWrites: createLateWrites(clock),
    retention,
    clock,
    monotonic,
    timeoutMs,
    wait,
    metrics,
    ids: undefined,
    randomId: () => `id-${ids++}`,
  });
  let loads = 0;
  redis.on('ready', () => {
    filter.forgetAll();
    directory.load().then(
      () => loads++,
      () => {},
    );
  });

  /** Resolves once the connection is up and the directory was read for the `count`th time. */
  const ready = (count = 1) =>
    until(() => redis.status === 'ready' && loads >= count, 'a connection to Redis');
  await ready();

  return {
    redis,
    filter,
    folder,
    directory,
    writer,
    metrics,
    ready,
    /** Stores rows as one request; rejects as the request would. */
    store(rows: readonly Row[], bytes = 100): Promise<void> {
      const place = writer.join(bytes);
      const minutesFrom = clock.now() - retention.minute;
      for (const row of rows) place.take(readRow(row), minutesFrom);
      return place.stored.then(() => undefined);
    },
    async close(): Promise<void> {
      await writer.drain();
      await folder.settle();
      redis.disconnect();
    },
  };
}

export type WritePath = Awaited<ReturnType<typeof createWritePath>>;
