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
 * count twice: at least once, unless it has an idempotency key (once.ts). What waits is bounded (admission.ts); past
 * the bound new requests fail at once. Where replicas are waited for, it is not acknowledged before so many of them have it.
 *
 * Redis down: requests fail at once; those in flight fail when the connection breaks or the time is up.
 */
import { Problem } from '../errors.js';
import type { Metrics } from '../metrics.js';
import { systemKey, systemOfShard } from '../redis/keys.js';
import {
  isReachable,
  leaveIfAsked,
  type Outcome,
  type ReplicaWait,
  runPipeline,
  type Store,
} from '../redis/pipeline.js';
import type { Admission } from './admission.js';
import { createDelta, type Delta } from './delta.js';
import type { Directory } from './directory.js';
import { overloaded } from './shedding.js';
import type { Failure, SystemWrites } from './system-writes.js';
import { problemsOf } from './write-problems.js';

/** A group is closed at this many events, so that encoding it never blocks the event loop for long. */
const GROUP_EVENTS_MAX = 20_000;

/** No group waits longer than this for company. */
const GATHER_MS_MAX = 10;

interface Group {
  delta: Delta;
  bytes: number;
  requests: Map<number, { resolve: () => void; reject: (problem: Problem) => void }>;
}

/** A request's place in a group: fold its events into `delta`, or hand over those marked, at once; then wait for `stored`. */
export interface Place {
  delta: Delta;
  request: number;
  stored: Promise<void>;
}

interface WriterDependencies {
  redis: Store;
  directory: Directory;
  writes: SystemWrites;
  admission: Admission;
  pipelinesInFlightMax: number;
  timeoutMs: number;
  wait: ReplicaWait;
  metrics: Metrics;
}

export function createWriter(dependencies: WriterDependencies) {
  const { redis, directory, writes, admission, pipelinesInFlightMax, timeoutMs, wait, metrics } =
    dependencies;
  const queue: Group[] = [];
  let inFlight = 0;
  let requests = 0;
  let scheduled = false;
  /** How many requests the last pipeline answered; 0 once the time to wait for as many is over. */
  let expected = 0;
  let gathering: NodeJS.Timeout | undefined;
  let whenIdle: (() => void)[] = [];

  /** Sends one group; resolves when all its requests are answered. */
  async function commit(group: Group): Promise<void> {
    const systems = [...group.delta.systems.values(), ...group.delta.marked];
    const registrations = directory.registrations(systems);
    const planned = writes.plan(systems);
    const calls = [...registrations, ...planned.calls].map(({ call }) => call);
    const endTimer = metrics.pipelineSeconds.startTimer();
    const outcomes: Outcome[] = await runPipeline(redis, calls, timeoutMs, wait);
    gather(group.requests.size, endTimer() * 1_000);
    metrics.pipelineBytes.observe(planned.calls.reduce((sum, { bytes }) => sum + bytes, 0));
    metrics.groupCommitEvents.observe(group.delta.events);
    if (group.delta.samplesDropped > 0) metrics.numericKeysDropped.inc(group.delta.samplesDropped);
    const failures: Failure[] = [];
    for (const registration of registrations) {
      const outcome = outcomes.shift() as Outcome;
      if (outcome.error) {
        const { error } = outcome;
        const missing = new Set(registration.entries.map(([system]) => system));
        const deltas = systems.filter(({ system }) => missing.has(systemOfShard(system)));
        failures.push(...deltas.map((delta) => ({ delta, error, isPartial: false })));
      }
      directory.settle(registration, outcome);
    }
    const stored = new Set(systems);
    for (const failure of await writes.settle(planned, outcomes)) {
      stored.delete(failure.delta);
      failures.push(failure);
    }
    directory.stored(stored);
    for (const { delta, error } of failures) leaveIfAsked(redis, error, systemKey(delta.system));
    const problems = problemsOf(failures, stored);
    for (const [id, { resolve, reject }] of group.requests) {
      const problem = problems.get(id);
      if (problem) reject(problem);
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
          admission.leave(group.requests.size, group.bytes);
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
     * @param isAdmitted whether an earlier part of the request has been taken in: it is not cut short for the queue
     * @throws Problem overloaded, redis_unavailable: nothing was stored
     */
    join(bytes: number, isAdmitted = false): Place {
      if (!isReachable(redis) || !directory.isLoaded) {
        throw new Problem('redis_unavailable', 'Redis cannot be reached; nothing was stored');
      }
      const reason = admission.refusal(bytes);
      if (reason && (!isAdmitted || reason === 'bytes')) throw overloaded(reason, metrics);
      const group = openGroup();
      const request = requests++;
      group.bytes += bytes;
      admission.enter(bytes);
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
