/**
 * Answers: the cache in front of every question. Two levels, this process's memory of finished bytes (memory.ts) and
 * Redis for all processes (shared.ts), and between them and the computation a single flight for each key.
 *
 *   fresh in memory          goes out; Redis is not asked, nothing is serialised
 *   stale in memory          goes out; one flight renews it behind
 *   neither                  the request joins the flight of its key, or begins one (flight.ts)
 *   refresh                  as the last, past everything that is older than the request
 *
 * So many requests for one question make one computation, in one process by the flight, in all by the lock in Redis.
 * The questions asked most are renewed shortly before they are stale, by whichever process is first to take the
 * lock: no leader is needed for that, since the others find the new answer there.
 *
 * Redis down or black-holed: what is fresh goes out without asking; what is older goes out as well after one failed
 * try, at most two a second and key; what was never asked is a 503 within `timeoutMs`.
 *
 * Writes do not invalidate: an answer may lag behind by the times of policies.ts. An import or a purge does
 * (generations.ts).
 */
import type { FastifyBaseLogger } from 'fastify';
import type { Clock } from '../clock.js';
import type { Metrics } from '../metrics.js';
import { within } from '../redis/deadline.js';
import { isUnavailable, type Store, toProblem } from '../redis/pipeline.js';
import { type Encoding, type Entry, isNegative } from './entry.js';
import { type Compute, computeEntry, createFlight, type Found, isNoData, type Question } from './flight.js';
import { createGenerations, type Invalidation } from './generations.js';
import { createHotQuestions } from './hot-questions.js';
import { createMemory } from './memory.js';
import { createSharedAnswers } from './shared.js';

export type AnswerState = 'hit_l1' | 'coalesced' | 'off' | Found['state'];

export interface CachedAnswer {
  state: AnswerState;
  entry: Entry;
  /** When it goes out, milliseconds. */
  now: number;
  /** Its body compressed; a promise where nobody has asked for that before. */
  encoded(encoding: Encoding): Buffer | Promise<Buffer>;
}

/** How much longer than a computation a lock lives. */
const LOCK_SLACK_MS = 200;
/** How long before it is stale a hot answer is renewed, and how many at most in one round. */
const WARM_AHEAD_MS = 5_000;
const warmMax = 50;
export const warmEveryMs = 1_000;
const FADE_MS = 60_000;

interface AnswerCacheDependencies {
  redis: Store;
  /** How long Redis and a computation may take together. */
  timeoutMs: number;
  memoryBytesMax: number;
  clock: Clock;
  metrics: Metrics;
  log: FastifyBaseLogger;
  randomId: () => string;
  enabled: boolean;
}

interface Flight {
  refresh: boolean;
  found: Promise<Found>;
  /** Its last word, once nothing of it is under way. */
  landed: Promise<Found>;
}

export function createAnswerCache(dependencies: AnswerCacheDependencies) {
  const { redis, timeoutMs, memoryBytesMax, clock, metrics, log, randomId, enabled } = dependencies;
  const lockMs = timeoutMs + LOCK_SLACK_MS;
  const memory = createMemory(memoryBytesMax, metrics);
  const shared = createSharedAnswers({ redis, randomId, lockMs, timeoutMs, log });
  const generations = createGenerations({ redis, timeoutMs, randomId });
  const fly = createFlight({ memory, shared, clock, timeoutMs, lockMs, log });
  const hot = createHotQuestions<{ question: Question; compute: Compute }>();
  const flights = new Map<string, Flight>();
  let fadeAt = clock.now() + FADE_MS;

  function answer({ endpoint, key }: Question, entry: Entry, state: AnswerState, now: number): CachedAnswer {
    if (enabled) metrics.cacheAnswers.count(endpoint, state);
    return { state, entry, now, encoded: (encoding) => memory.encoded(key, entry, encoding) };
  }

  /** `behind`: nobody waits for it, somebody has an older answer. */
  function depart(question: Question, compute: Compute, newerThan: number, behind = false): Flight {
    const { key, endpoint, refresh } = question;
    // It is off the list before anybody hears from it, so nobody joins what is over.
    const end = () => {
      if (flights.get(key) === flight) flights.delete(key);
    };
    const found = fly(question, compute, newerThan).then(
      (first) => {
        if (!first.rest) end();
        return first;
      },
      (error: Error) => {
        end();
        throw error;
      },
    );
    const landed = found.then(async (first) => (first.rest ? first.rest.finally(end) : first));
    const flight: Flight = { refresh, found, landed };
    flights.set(key, flight);
    landed.catch(() => undefined); // those who wait for it are told
    if (behind) countRefresh(endpoint, landed);
    else found.then(({ rest }) => rest && countRefresh(endpoint, rest)).catch(() => undefined);
    return flight;
  }

  function countRefresh(endpoint: string, renewed: Promise<Found>): void {
    const outcomes = { miss: 'computed', hit_l2: 'shared', stale: 'shared', error_stale: 'failed' } as const;
    renewed
      .then(({ state }) => outcomes[state])
      .catch((error: Error) => {
        if (!isNoData(error)) log.warn({ err: error, endpoint }, 'an answer was not renewed');
        return 'failed';
      })
      .then((outcome) => metrics.cacheRefreshes.inc({ endpoint, outcome }));
  }

  /** Renews an answer behind those who get the old one. */
  function renew(question: Question, compute: Compute, held: Entry): void {
    if (flights.has(question.key)) return;
    depart({ ...question, refresh: false }, compute, held.computedAt, true);
  }

  /** What memory can answer at once. @throws Problem that it remembers */
  function fromMemory(question: Question, compute: Compute, now: number): CachedAnswer | undefined {
    const held = memory.get(question.key);
    if (!held || question.refresh) return undefined;
    if (isNegative(held)) {
      if (now >= held.freshUntil) return undefined;
      metrics.cacheAnswers.count(question.endpoint, 'negative');
      throw held.problem;
    }
    if (now < held.freshUntil) return answer(question, held, 'hit_l1', now);
    const isResting = now < held.retryAt;
    if (now < held.staleUntil) {
      if (!isResting) renew(question, compute, held);
      return answer(question, held, 'stale', now);
    }
    return isResting && now < held.errorUntil ? answer(question, held, 'error_stale', now) : undefined;
  }

  async function lead(question: Question, compute: Compute): Promise<CachedAnswer> {
    const newerThan = question.refresh ? clock.now() : (memory.peek(question.key)?.computedAt ?? -1);
    try {
      const { entry, state } = await depart(question, compute, newerThan).found;
      return answer(question, entry, state, clock.now());
    } catch (error) {
      if (isNoData(error)) metrics.cacheAnswers.count(question.endpoint, 'miss');
      throw error;
    }
  }

  /** Joins the flight of the question, if there is one whose answer will do, or else begins it: no two at a time. */
  async function fromFlight(question: Question, compute: Compute): Promise<CachedAnswer> {
    const { key, endpoint, refresh } = question;
    const running = flights.get(key);
    if (!running) return lead(question, compute);
    let found: Found | undefined;
    try {
      found = await (refresh && !running.refresh ? running.landed : running.found);
    } catch (error) {
      if (isNoData(error)) metrics.cacheAnswers.count(endpoint, 'coalesced');
      if (!refresh || running.refresh) throw error;
    }
    if (!found || (refresh && !running.refresh && found.state !== 'miss'))
      return fromFlight(question, compute);
    return answer(question, found.entry, found.state === 'miss' ? 'coalesced' : found.state, clock.now());
  }

  return {
    /**
     * The answer to a question, from where it is to be had soonest.
     * @throws what `compute` throws, where there is no earlier answer that may go out instead
     */
    async get(question: Question, compute: Compute): Promise<CachedAnswer> {
      if (!enabled) {
        const entry = await computeEntry(question, compute, clock, timeoutMs);
        return answer(question, entry, 'off', clock.now());
      }
      hot.note(question.key, { question, compute });
      return fromMemory(question, compute, clock.now()) ?? fromFlight(question, compute);
    },

    /** The same for what memory holds, at once; undefined where it has to be come by. */
    held(question: Question, compute: Compute): CachedAnswer | undefined {
      const found = enabled ? memory.peek(question.key) : undefined;
      if (!found || question.refresh) return undefined;
      hot.note(question.key, { question, compute });
      return fromMemory(question, compute, clock.now());
    },

    /** Changes with whatever is invalidated: a key that was made under another version is not to be used. */
    get version(): string {
      return generations.version;
    },
    generationOf: generations.generationOf,
    /** Makes answers invalid: here at once, elsewhere within about a second. @throws Problem redis_unavailable */
    async invalidate(what: Invalidation): Promise<void> {
      await within(generations.invalidate(what), timeoutMs).catch((error: Error) => {
        throw toProblem(error);
      });
    },

    /** A job for every `lookEveryMs`: learns what other processes have invalidated. */
    async look(): Promise<void> {
      await generations.look().catch((error: Error) => {
        if (!isUnavailable(error)) throw error;
      });
    },

    /** A job for every `warmEveryMs`: renews the hottest answers that will be stale soon. */
    async warm(): Promise<void> {
      const now = clock.now();
      if (now >= fadeAt) {
        hot.fade();
        fadeAt = now + FADE_MS;
      }
      let renewed = 0;
      for (const { key, item } of hot.hottest()) {
        const held = memory.peek(key);
        if (!held || now < held.freshUntil - WARM_AHEAD_MS || now < held.retryAt) continue;
        renew(item.question, item.compute, held);
        if (++renewed >= warmMax) break;
      }
    },

    /** Waits for what is under way. */
    async settle(): Promise<void> {
      await Promise.allSettled([...flights.values()].map(({ landed }) => landed));
      await shared.settle();
    },
  };
}

export type AnswerCache = ReturnType<typeof createAnswerCache>;
