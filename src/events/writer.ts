/**
 * The writer: group commit. While pipelines are on their way to Redis, the events of all requests that arrive
 * gather in one delta; after one returns, the delta leaves as the next, and every request in it is answered
 * after Redis has acknowledged. Idle, a request leaves at once; busy, batches grow by themselves.
 *
 * The larger a group, the less an event costs (docs/adr/0012). So a group waits until it has as many requests as
 * the pipeline before it, whose senders are about to send again, but no longer than that pipeline took.
 *
 * Contract: nothing is acknowledged before Redis has it, and nothing is sent twice. A request fails as a
 * whole (503) when any system it has rows in failed or has no known outcome; sent again it may
 * count twice: at least once. What waits is bounded in bytes; past the bound new requests fail at once.
 *
 * Redis down: requests fail at once; those in flight fail when the connection breaks or the time is up.
 */
import { Problem } from '../errors.js';
import type { Metrics } from '../metrics.js';
import { isUnsent, type Outcome, runPipeline, type Store } from '../redis/pipeline.js';
import { createDelta, type Delta, type SystemDelta } from './delta.js';
import type { Directory } from './directory.js';
import type { Failure, SystemWrites } from './system-writes.js';

/** A group is closed at this many events, so that encoding it never blocks the event loop for long. */
const GROUP_EVENTS_MAX = 20_000;

/** No group waits longer than this for company. */
const GATHER_MS_MAX = 10;

interface Group {
  delta: Delta;
  bytes: number;
  requests: Map<number, { resolve: () => void; reject: (problem: Problem) => void }>;
}

/** A request's place in a group: fold its events into `delta` at once, then wait for `stored`. */
export interface Place {
  delta: Delta;
  request: number;
  stored: Promise<void>;
}

interface WriterDependencies {
  redis: Store;
  directory: Directory;
  writes: SystemWrites;
  pipelinesInFlightMax: number;
  pendingBytesMax: number;
  timeoutMs: number;
  metrics: Metrics;
}

/** The problem that a failed call is to its requests. */
function problemOf(error: Error): Problem {
  if (isUnsent(error)) return new Problem('redis_unavailable', 'Redis cannot be reached; nothing was stored');
  if (error.name !== 'ReplyError') {
    const detail = 'the connection to Redis broke before it answered; the events may be stored or not';
    return new Problem('outcome_unknown', detail, {}, { cause: error });
  }
  return new Problem('ingest_failed', 'Redis refused the write', {}, { cause: error });
}

/**
 * What each request that failed is told. That nothing was stored is true only where nothing of it was sent: on a
 * cluster one node may be away while another has stored its part of the same request.
 */
function errorsByRequest(failures: readonly Failure[], stored: Iterable<SystemDelta>): Map<number, Error> {
  const errors = new Map<number, Error>();
  if (failures.length === 0) return errors;
  for (const { delta, error } of failures) {
    for (const id of delta.requests) {
      const earlier = errors.get(id);
      if (!earlier || isUnsent(earlier)) errors.set(id, error);
    }
  }
  for (const { requests } of stored) {
    for (const id of requests) {
      const error = errors.get(id);
      if (error && isUnsent(error)) errors.set(id, new Error('a part of it was stored', { cause: error }));
    }
  }
  return errors;
}

export function createWriter(dependencies: WriterDependencies) {
  const { redis, directory, writes, pipelinesInFlightMax, pendingBytesMax, timeoutMs, metrics } =
    dependencies;
  const queue: Group[] = [];
  let inFlight = 0;
  let pendingBytes = 0;
  let requests = 0;
  let scheduled = false;
  /** How many requests the last pipeline answered; 0 once the time to wait for as many is over. */
  let expected = 0;
  let gathering: NodeJS.Timeout | undefined;
  let whenIdle: (() => void)[] = [];

  /** Sends one group; resolves when all its requests are answered. */
  async function commit(group: Group): Promise<void> {
    const systems = [...group.delta.systems.values()];
    const registrations = directory.registrations(systems);
    const planned = writes.plan(systems);
    const calls = [...registrations, ...planned.calls].map(({ call }) => call);
    const endTimer = metrics.pipelineSeconds.startTimer();
    const outcomes: Outcome[] = await runPipeline(redis, calls, timeoutMs);
    gather(group.requests.size, endTimer() * 1_000);
    metrics.pipelineBytes.observe(planned.calls.reduce((sum, { bytes }) => sum + bytes, 0));
    metrics.groupCommitEvents.observe(group.delta.events);
    if (group.delta.samplesDropped > 0) metrics.numericKeysDropped.inc(group.delta.samplesDropped);
    const failures: Failure[] = [];
    for (const registration of registrations) {
      const outcome = outcomes.shift() as Outcome;
      for (const [system] of outcome.error ? registration.entries : []) {
        failures.push({
          delta: group.delta.systems.get(system) as SystemDelta,
          error: outcome.error as Error,
        });
      }
      directory.settle(registration, outcome);
    }
    const stored = new Set(systems);
    for (const failure of await writes.settle(planned, outcomes)) {
      stored.delete(failure.delta);
      failures.push(failure);
    }
    directory.stored(stored);
    const errors = errorsByRequest(failures, stored);
    for (const [id, { resolve, reject }] of group.requests) {
      const error = errors.get(id);
      if (error) reject(problemOf(error));
      else resolve();
    }
  }

  /** Lets the next group wait for as many requests as there were, about as long as they took. */
  function gather(count: number, ms: number): void {
    expected = count;
    if (gathering && queue.length > 0) return; // who waits already shall not wait longer
    clearTimeout(gathering);
    gathering = setTimeout(
      () => {
        gathering = undefined;
        expected = 0;
        next();
      },
      Math.min(ms, GATHER_MS_MAX),
    );
  }

  const isGathered = ({ requests, delta }: Group) =>
    requests.size >= expected || delta.events >= GROUP_EVENTS_MAX;

  function next(): void {
    scheduled = false;
    while (inFlight < pipelinesInFlightMax && queue.length > 0 && isGathered(queue[0])) {
      const group = queue.shift() as Group;
      inFlight++;
      commit(group)
        .catch((error: Error) => {
          const problem = new Problem('ingest_failed', 'the write failed', {}, { cause: error });
          for (const { reject } of group.requests.values()) reject(problem);
        })
        .finally(() => {
          inFlight--;
          pendingBytes -= group.bytes;
          metrics.pendingBytes.set(pendingBytes);
          next();
        });
    }
    if (inFlight === 0 && queue.length === 0) {
      for (const resolve of whenIdle) resolve();
      whenIdle = [];
    }
  }

  function openGroup(): Group {
    const last = queue.at(-1);
    if (last && last.delta.events < GROUP_EVENTS_MAX) return last;
    const group = { delta: createDelta(), bytes: 0, requests: new Map() };
    queue.push(group);
    return group;
  }

  return {
    /**
     * Takes a place in the next group for a request of so many bytes.
     * @throws Problem overloaded, redis_unavailable: nothing was stored
     */
    join(bytes: number): Place {
      if (redis.status !== 'ready' || !directory.isLoaded) {
        throw new Problem('redis_unavailable', 'Redis cannot be reached; nothing was stored');
      }
      if (pendingBytes > 0 && pendingBytes + bytes > pendingBytesMax) {
        throw new Problem('overloaded', 'too much is waiting for Redis; nothing was stored');
      }
      const group = openGroup();
      const request = requests++;
      group.bytes += bytes;
      pendingBytes += bytes;
      const stored = new Promise<void>((resolve, reject) => {
        group.requests.set(request, { resolve, reject });
      });
      stored.catch(() => undefined); // whoever joined may fail before waiting
      if (!scheduled) {
        scheduled = true;
        setImmediate(next); // the requests of one turn of the event loop leave together
      }
      return { delta: group.delta, request, stored };
    },

    /** Resolves when nothing is waiting or in flight. */
    drain(): Promise<void> {
      if (inFlight === 0 && queue.length === 0) return Promise.resolve();
      return new Promise((resolve) => {
        whenIdle.push(resolve);
      });
    },
  };
}

export type Writer = ReturnType<typeof createWriter>;
