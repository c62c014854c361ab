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
import { createDelta, type Delta, foldEvent } from './delta.js';
import type { ReadEvent } from './read-event.js';
import type { Storing } from './store-delta.js';
import { problemsOf } from './write-problems.js';

/** A group is closed at this many events, so that encoding it never blocks the event loop for long. */
export const GROUP_EVENTS_MAX = 20_000;

/** No group waits longer than this for company. */
const GATHER_MS_MAX = 10;

interface Group {
  delta: Delta;
  bytes: number;
  requests: Map<number, { resolve: (duplicates: number) => void; reject: (problem: Problem) => void }>;
}

/** A request's place with a writer: hand over its events at once, then wait for `stored`. */
export interface Place {
  /**
   * Takes an event.
   * @param minutesFrom instant (ms) from which minutes are kept
   * @param name of what it is stored under, a shard of its system; its system where absent
   */
  take(event: ReadEvent, minutesFrom: number, name?: string): void;
  /** Where parts with markers go, and under which request. */
  delta: Delta;
  request: number;
  /**
   * How many of its rows were left out since Redis knew their ids. Rejects with a Problem where it is not certain that
   * all of it is stored.
   */
  stored: Promise<number>;
}

export interface Writer {
  /**
   * Takes a place for a request of so many bytes.
   * @param isAdmitted whether an earlier part of the request has been taken in: it is not cut short for the queue
   * @throws Problem overloaded, redis_unavailable: nothing was stored
   */
  join(bytes: number, isAdmitted?: boolean): Place;
  /** Resolves when nothing is waiting or in flight. */
  drain(): Promise<void>;
}

interface WriterDependencies {
  storing: Storing;
  pipelinesInFlightMax: number;
}

export function createWriter({ storing, pipelinesInFlightMax }: WriterDependencies): Writer {
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
    const { failures, stored, duplicates } = await storing.store(group.delta, (ms) =>
      gather(group.requests.size, ms),
    );
    const problems = problemsOf(failures, stored);
    for (const [id, { resolve, reject }] of group.requests) {
      const problem = problems.get(id);
      if (problem) reject(problem);
      else resolve(duplicates.get(id) ?? 0);
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
          storing.leave(group.requests.size, group.bytes);
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
    join(bytes, isAdmitted = false) {
      storing.enter(bytes, isAdmitted);
      const group = openGroup();
      const request = requests++;
      group.bytes += bytes;
      const stored = new Promise<number>((resolve, reject) => {
        group.requests.set(request, { resolve, reject });
      });
      stored.catch(() => undefined); // whoever joined may fail before waiting
      if (!scheduled) {
        scheduled = true;
        setImmediate(next); // the requests of one turn of the event loop leave together
      }
      const { delta } = group;
      const take: Place['take'] = (event, minutesFrom, name) =>
        foldEvent(delta, event, request, minutesFrom, name);
      return { take, delta, request, stored };
    },

    drain() {
      if (inFlight === 0 && queue.length === 0) return Promise.resolve();
      return new Promise((resolve) => {
        whenIdle.push(resolve);
      });
    },
  };
}
