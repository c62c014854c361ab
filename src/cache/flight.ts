/**
 * A flight: how a process gets an answer that it does not have. It asks Redis first (shared.ts); from there come
 * an answer, or the lock, or the news that another process is at work.
 *
 *   fresh     take it
 *   locked    compute, keep, answer, store behind the answer
 *   busy      ask again every `pollMs`: the other process stores its answer, or dies and its lock runs out
 *   apart     compute, and hold no lock: the answers to this question are not kept, or Redis shares nothing now
 *
 * Where there is a stale answer it goes out first, and the rest of the flight goes on behind it. A computation that a
 * request waits for is bounded by `timeoutMs` from the claim on; waiting for another process's work costs its lock's life
 * more.
 *
 * A "no" (nothing was found, or 404) goes to the requests that came before its computation began, and is not kept: any
 * event may refute it. What was kept of the same question before is dropped as well.
 *
 * Where no answer can be had, the last one goes out until `errorUntil` (stale-if-error, RFC 5861: on any error that
 * is not the asker's), and there is no other try for `retryMs`. A request for an answer of now gets the error.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { FastifyBaseLogger } from 'fastify';
import type { Clock } from '../clock.js';
import { Problem, problems } from '../errors.js';
import { within } from '../redis/deadline.js';
import type { Span } from '../windows/cover.js';
import { type Began, createEntry, type Entry } from './entry.js';
import type { Memory } from './memory.js';
import { notKept, timesOf } from './policies.js';
import { afterClaim, type Claim, type SharedAnswers } from './shared.js';

export interface Question {
  /** A name from a table, never from a client: it labels metrics. */
  endpoint: string;
  /** From `cacheKey` of redis/keys.ts. */
  key: string;
  /** What the answer is about. */
  span: Span;
  /** Whether the key changes with late events: only then may the answer be kept as that of a span that is over. */
  closed: boolean;
  /** The asker wants an answer whose computation begins after its request. */
  refresh: boolean;
  /** JSON of what was computed. */
  serialise: (value: unknown) => string;
  /** Whether what was computed says that there is nothing: it is not kept then. */
  isNo: (value: object) => boolean;
}

/**
 * Computes an answer.
 * @param timeoutMs how long it may take; what comes later is not waited for
 * @param asOf the instant before it reads anything, by Redis' clock, milliseconds since 1970
 * @throws Problem; one of 404 is never kept, 503 means that the last answer may go out
 */
export type Compute = (timeoutMs: number, asOf: number) => Promise<object>;

export interface Found {
  entry: Entry;
  /** uncached: computed, and kept nowhere. */
  state: 'hit_l2' | 'stale' | 'error_stale' | 'miss' | 'uncached';
  /** What comes of the flight after a stale answer has gone out. */
  rest?: Promise<Found>;
}

const pollMs = 25;
const retryMs = 500;
/** Questions remembered for having been answered with a "no" last. */
const noQuestionsMax = 10_000;

interface FlightDependencies {
  memory: Memory;
  shared: SharedAnswers;
  /** Monotonic. */
  clock: Clock;
  timeoutMs: number;
  /** How long a lock lives. */
  lockMs: number;
  log: FastifyBaseLogger;
}

/** Whether an error says that there is nothing to answer with. */
export const isNoAnswer = (error: unknown): error is Problem =>
  error instanceof Problem && problems[error.code].status === 404;
const isAskers = (error: unknown) => error instanceof Problem && problems[error.code].status < 500;
const isOutage = (error: unknown) => error instanceof Problem && problems[error.code].status === 503;

/** Computes an answer and makes an entry of it; one of a "no" is fresh for no time. */
export async function computeEntry(
  { span, closed, serialise, isNo }: Question,
  compute: Compute,
  began: Began,
  timeoutMs: number,
): Promise<Entry> {
  const value = await within(compute(timeoutMs, began.asOf), timeoutMs);
  const times = isNo(value) ? notKept : timesOf(span, closed, began.asOf);
  return createEntry(serialise(value), began, times);
}

const isKept = ({ times }: Entry): boolean => times !== notKept;

export function createFlight(dependencies: FlightDependencies) {
  const { memory, shared, clock, timeoutMs, lockMs, log } = dependencies;
  const pollsMax = Math.ceil((2 * lockMs) / pollMs);
  const noQuestions = new Set<string>();

  function keep(key: string, entry: Entry, state: Found['state']): Found {
    memory.set(key, entry);
    return { entry, state };
  }

  function rememberNo(key: string): void {
    for (const oldest of noQuestions) {
      if (noQuestions.size < noQuestionsMax) break;
      noQuestions.delete(oldest);
    }
    noQuestions.add(key);
  }

  /** Asks again while another process is at work. @param newerThan by Redis' clock, milliseconds */
  async function waitForTurn(key: string, first: Claim, newerThan: number): Promise<Claim> {
    let claim = first;
    for (let polls = 0; claim.state === 'busy'; polls++) {
      if (polls >= pollsMax) throw new Problem('overloaded', 'this answer is being computed for too long');
      await pause(pollMs);
      claim = await shared.claim(key, { newerThan, apart: false });
    }
    return claim;
  }

  /** What was kept of the question does not hold any more. */
  function forget(key: string, claim: Claim): void {
    rememberNo(key);
    memory.drop(key);
    if (claim.state === 'locked' || claim.computedAt >= 0) shared.release(key, claim, true);
  }

  async function computeAndShare(question: Question, compute: Compute, claim: Claim, sentAt: number) {
    const { key } = question;
    function leftMs(): number {
      const left = timeoutMs - (clock.now() - (claim.at?.at ?? sentAt));
      if (left > 0) return left;
      // A claim that was answered was so in time (redis/deadline.ts): the process stood still meanwhile.
      if (claim.at) return timeoutMs;
      throw new Problem('redis_unavailable', 'Redis is too slow');
    }
    try {
      const began = claim.at ?? (await shared.readTime(leftMs()));
      const entry = await computeEntry(question, compute, began, leftMs());
      if (!isKept(entry)) {
        forget(key, claim);
        return { entry, state: 'uncached' as const };
      }
      noQuestions.delete(key);
      if (claim.at) shared.store(key, claim, entry);
      return keep(key, entry, 'miss');
    } catch (error) {
      if (isNoAnswer(error)) forget(key, claim);
      else if (claim.state === 'locked') shared.release(key, claim, false);
      throw error;
    }
  }

  /** What goes out where there is no new answer. @throws the error where nothing does */
  function fallBack({ endpoint, key, refresh }: Question, last: Entry | undefined, error: unknown): Found {
    const now = clock.now();
    if (!last || refresh || isAskers(error) || now >= last.errorUntil) throw error;
    log[isOutage(error) ? 'debug' : 'error']({ err: error, endpoint }, 'an answer could not be renewed');
    last.retryAt = now + retryMs;
    return keep(key, last, 'error_stale');
  }

  /**
   * Gets an answer that is fresh and was computed after `newerThan` (by Redis' clock, milliseconds), or the best there
   * is. One for a question with `refresh` was computed after this call, or an error is thrown.
   * @throws what the computation threw, where there is nothing to fall back on
   */
  return async function fly(question: Question, compute: Compute, newerThan: number): Promise<Found> {
    const { key, refresh } = question;
    const held = memory.peek(key);
    const sentAt = clock.now();
    const apart = noQuestions.has(key);
    const first = await shared.claim(key, { newerThan: refresh ? afterClaim : newerThan, apart });
    if (first.state === 'fresh' && first.entry) return keep(key, first.entry, 'hit_l2');
    const last = first.entry ?? held;

    async function settle(): Promise<Found> {
      try {
        const usable = refresh ? (first.at?.asOf ?? 0) : Math.max(newerThan, first.computedAt);
        const claim = await waitForTurn(key, first, usable);
        if (claim.state === 'fresh' && claim.entry) return keep(key, claim.entry, 'hit_l2');
        return await computeAndShare(question, compute, claim, sentAt);
      } catch (error) {
        return fallBack(question, last, error);
      }
    }
    const rest = settle();
    if (!last || refresh || last !== first.entry || sentAt >= last.staleUntil) return rest;
    rest.catch(() => undefined); // the caller that waits for the rest handles its error
    return { ...keep(key, last, 'stale'), rest };
  };
}
