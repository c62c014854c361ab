/**
 * Answers: the cache in front of every question. Two levels, this process's memory of finished bytes (memory.ts) and
 * Redis for all processes (shared.ts), and between them and the computation a single flight for each key.
 *
 *   fresh in memory          goes out; Redis is not asked, nothing is serialised
 *   stale in memory          goes out; one flight renews it behind
 *   neither                  the request joins the flight of its key, or begins one (flight.ts)
 *   refresh                  as the last, past every computation that began before the request
 *   a "no"                   goes to the requests that came before its computation began; the others share the next one
 *
 * So many requests for one question make one computation, in one process by the flight, in all by the lock in Redis.
 * The questions asked most are renewed shortly before they are stale, by whichever process is first to take the
 * lock: no leader is needed for that, since the others find the new answer there.
 *
 * Redis down or black-holed: what is fresh goes out without asking; what is older goes out as well after one failed
 * try, at most two a second and key; what was never asked is a 503 within `timeoutMs`.
 *
 * A "no" (nothing was found) is never kept, since any event may refute it, and a request is never answered with one that
 * was read before it came. What is kept may lag behind by the times of policies.ts, and says as of when it holds. An
 * import, a purge and late events invalidate (generations.ts).
 */
import type { FastifyBaseLogger } from 'fastify';
import type { Clock } from '../clock.js';
import type { Metrics } from '../metrics.js';
import { within } from '../redis/deadline.js';
import { isUnavailable, type Store, toProblem } from '../redis/pipeline.js';
import type { Encoding, Entry } from './entry.js';
import { type Compute, computeEntry, createFlight, type Found, isNoAnswer, type Question } from './flight.js';
import { createGenerations, type Invalidation } from './generations.js';
import { createHotQuestions } from './hot-questions.js';
import type { InFlight } from './in-flight.js';
import { createMemory } from './memory.js';
import { createSharedAnswers } from './shared.js';

export type AnswerState = 'hit_l1' | 'coalesced' | 'off' | Found['state'];

export interface CachedAnswer {
  state: AnswerState;
  entry: Entry;
  /** When it goes out, by the clock of its entry. */
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
  inFlight: InFlight;
  memoryBytesMax: number;
  /** Monotonic. */
  clock: Clock;
  metrics: Metrics;
  log: FastifyBaseLogger;
  randomId: () => string;
  enabled: boolean;
}

interface Flight {
  /** When it began or, later, began to compute: a number of the same count as the arrivals of requests. */
  readsAt: number;
  refresh: boolean;
  found: Promise<Found>;
  /** Its last word, once nothing of it is under way. */
  landed: Promise<Found>;
}

export function createAnswerCache(dependencies: AnswerCacheDependencies) {
  const { redis, timeoutMs, inFlight, memoryBytesMax, clock, metrics, log, randomId, enabled } = dependencies;
  const lockMs = timeoutMs + LOCK_SLACK_MS;
  const memory = createMemory(memoryBytesMax, metrics);
  const shared = createSharedAnswers({ redis, inFlight, randomId, lockMs, timeoutMs, clock, log });
  const generations = createGenerations({ redis, timeoutMs, randomId });
  const fly = createFlight({ memory, shared, clock, timeoutMs, lockMs, log });
  const hot = createHotQuestions<{ question: Question; compute: Compute }>();
  const flights = new Map<string, Flight>();
  let fadeAt = clock.now() + FADE_MS;
  let events = 0;

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
    // Requests that come before the computation begins may share what it reads.
    const computeNow: Compute = (...terms) => {
      flight.readsAt = ++events;
      return compute(...terms);
    };
    const found = fly(question, computeNow, newerThan).then(
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
    const flight: Flight = { readsAt: ++events, refresh, found, landed };
    flights.set(key, flight);
    landed.catch(() => undefined); // the callers that wait for it handle its error
    if (behind) countRefresh(endpoint, landed);
    else found.then(({ rest }) => rest && countRefresh(endpoint, rest)).catch(() => undefined);
    return flight;
  }

  function countRefresh(endpoint: string, renewed: Promise<Found>): void {
    const outcomes = {
      miss: 'computed',
      uncached: 'computed',
      hit_l2: 'shared',
      stale: 'shared',
      error_stale: 'failed',
    } as const;
    renewed
      .then(({ state }) => outcomes[state])
      .catch((error: Error) => {
        if (isNoAnswer(error)) return 'computed';
        log.warn({ err: error, endpoint }, 'an answer was not renewed');
        return 'failed';
      })
      .then((outcome) => metrics.cacheRefreshes.inc({ endpoint, outcome }));
  }

  /** Renews an answer behind those who get the old one. */
  function renew(question: Question, compute: Compute, held: Entry): void {
    if (flights.has(question.key)) return;
    depart({ ...question, refresh: false }, compute, held.asOf, true);
  }

  /** What memory can answer at once. */
  function fromMemory(question: Question, compute: Compute, now: number): CachedAnswer | undefined {
    const held = memory.get(question.key);
    if (!held || question.refresh) return undefined;
    if (now < held.freshUntil) return answer(question, held, 'hit_l1', now);
    const isResting = now < held.retryAt;
    if (now < held.staleUntil) {
      if (!isResting) renew(question, compute, held);
      return answer(question, held, 'stale', now);
    }
    return isResting && now < held.errorUntil ? answer(question, held, 'error_stale', now) : undefined;
  }

  async function lead(question: Question, compute: Compute): Promise<CachedAnswer> {
    const newerThan = memory.peek(question.key)?.asOf ?? -1;
    try {
      const { entry, state } = await depart(question, compute, newerThan).found;
      return answer(question, entry, state, clock.now());
    } catch (error) {
      if (isNoAnswer(error)) metrics.cacheAnswers.count(question.endpoint, 'uncached');
      throw error;
    }
  }

  /**
   * Joins the flight of the question, if there is one whose answer will do, or else begins it: no two at a time.
   * @param since when it was asked, in the count of `readsAt`: what was read before may be older than the request
   */
  async function fromFlight(question: Question, compute: Compute, since: number): Promise<CachedAnswer> {
    const { key, endpoint, refresh } = question;
    const running = flights.get(key);
    if (!running) return lead(question, compute);
    const isLater = () => running.readsAt > since;
    let found: Found;
    try {
      found = await (refresh && !running.refresh ? running.landed : running.found);
    } catch (error) {
      const isShared = isLater() ? !refresh || running.refresh : !refresh && !isNoAnswer(error);
      if (!isShared) return fromFlight(question, compute, since);
      if (isNoAnswer(error)) metrics.cacheAnswers.count(endpoint, 'uncached');
      throw error;
    }
    const { entry, state } = found;
    const isOfNow = state === 'miss' || state === 'uncached';
    const isShared = isLater() ? !refresh || running.refresh || isOfNow : !refresh && state !== 'uncached';
    if (!isShared) return fromFlight(question, compute, since);
    return answer(question, entry, state === 'miss' ? 'coalesced' : state, clock.now());
  }

  return {
    /**
     * The answer to a question, from where it is to be had soonest.
     * @throws what `compute` throws, where there is no earlier answer that may go out instead
     */
    async get(question: Question, compute: Compute): Promise<CachedAnswer> {
      if (!enabled) {
        const began = await shared.readTime(timeoutMs);
        const leftMs = timeoutMs - (clock.now() - began.at);
        const entry = await computeEntry(question, compute, began, leftMs);
        return answer(question, entry, 'off', clock.now());
      }
      hot.note(question.key, { question, compute });
      return fromMemory(question, compute, clock.now()) ?? fromFlight(question, compute, events);
    },

    /** The same from memory alone, at once; undefined where memory has no usable answer. */
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

    /** The same for the answers about these systems (all where undefined) and spans that are over. */
    async invalidateClosed(systems: Iterable<string> | undefined): Promise<void> {
      await within(generations.invalidateClosed(systems), timeoutMs).catch((error: Error) => {
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
