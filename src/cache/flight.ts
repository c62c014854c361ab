/**
 * A flight: how a process comes by an answer that it does not have. It asks Redis first (shared.ts); from there come
 * an answer, or the lock, or the news that another process is at work.
 *
 *   fresh     take it
 *   locked    compute, keep, answer, store behind the answer
 *   busy      ask again every `pollMs`: the other process stores its answer, or dies and its lock runs out
 *   apart     Redis cannot help: compute and keep
 *
 * A stale answer from Redis goes out at once; what renews it is the `rest` of the flight.
 *
 * Time is bounded. The look at Redis and the computation share `timeoutMs`, so a Redis that does not answer costs
 * that once. While another process is at work Redis does answer, and the time begins anew with each reply; a
 * process that dies at work costs its lock's life more.
 *
 * Where no answer can be had, the last one goes out until `errorUntil` (stale-if-error, RFC 5861: on any error that
 * is not the asker's), and nobody tries again for `retryMs`.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { FastifyBaseLogger } from 'fastify';
import type { Clock } from '../clock.js';
import { Problem, problems } from '../errors.js';
import { within } from '../redis/deadline.js';
import type { Span } from '../windows/cover.js';
import { createEntry, type Entry } from './entry.js';
import type { Memory } from './memory.js';
import { negativeMs, timesOf } from './policies.js';
import type { Claim, SharedAnswers } from './shared.js';

export interface Question {
  /** A name from a table, never from a client: it labels metrics. */
  endpoint: string;
  /** From `cacheKey` of redis/keys.ts. */
  key: string;
  /** What the answer is about. */
  span: Span;
  /** The asker wants an answer of now; one that is being computed will do. */
  refresh: boolean;
  /** JSON of what was computed. */
  serialise: (value: unknown) => string;
}

/**
 * Computes an answer.
 * @param timeoutMs how long it may take; what comes later is not waited for
 * @throws Problem; `no_data` is remembered for a moment, 503 means that the last answer may go out
 */
export type Compute = (timeoutMs: number) => Promise<unknown>;

export interface Found {
  entry: Entry;
  state: 'hit_l2' | 'stale' | 'error_stale' | 'miss';
  /** What comes of the flight after a stale answer has gone out. */
  rest?: Promise<Found>;
}

const pollMs = 25;
const retryMs = 500;

interface FlightDependencies {
  memory: Memory;
  shared: SharedAnswers;
  clock: Clock;
  timeoutMs: number;
  /** How long a lock lives. */
  lockMs: number;
  log: FastifyBaseLogger;
}

/** Whether an error says that there is nothing to answer with, truly and for now. */
export const isNoData = (error: unknown): error is Problem =>
  error instanceof Problem && error.code === 'no_data';
const isAskers = (error: unknown) => error instanceof Problem && problems[error.code].status < 500;
const isOutage = (error: unknown) => error instanceof Problem && problems[error.code].status === 503;

/** The answer itself, without a cache. */
export async function computeEntry(
  { span, serialise }: Question,
  compute: Compute,
  clock: Clock,
  timeoutMs: number,
): Promise<Entry> {
  const computedAt = clock.now();
  const value = await within(compute(timeoutMs), timeoutMs);
  return createEntry(serialise(value), computedAt, timesOf(span, computedAt));
}

export function createFlight(dependencies: FlightDependencies) {
  const { memory, shared, clock, timeoutMs, lockMs, log } = dependencies;
  const pollsMax = Math.ceil((2 * lockMs) / pollMs);

  function keep(key: string, entry: Entry, state: Found['state']): Found {
    memory.set(key, entry);
    return { entry, state };
  }

  /** Asks again while another process is at work. */
  async function waitForTurn(key: string, first: Claim, sentAt: number) {
    let turn = { claim: first, sentAt };
    for (let polls = 0; turn.claim.state === 'busy'; polls++) {
      if (polls >= pollsMax) throw new Problem('overloaded', 'this answer is being computed for too long');
      await pause(pollMs);
      const now = clock.now();
      turn = { claim: await shared.claim(key, turn.claim.computedAt, now), sentAt: now };
    }
    return turn;
  }

  async function computeAndShare(question: Question, compute: Compute, claim: Claim, sentAt: number) {
    const { key } = question;
    try {
      const leftMs = timeoutMs - (clock.now() - sentAt);
      if (leftMs <= 0) throw new Problem('redis_unavailable', 'Redis is too slow');
      const entry = await computeEntry(question, compute, clock, leftMs);
      if (claim.state === 'locked') shared.store(key, claim, entry, clock.now());
      return keep(key, entry, 'miss');
    } catch (error) {
      if (claim.state === 'locked') shared.release(key, claim, isNoData(error));
      throw error;
    }
  }

  /** What goes out where there is no new answer. @throws the error where nothing does */
  function fallBack({ endpoint, key }: Question, last: Entry | undefined, error: unknown): Found {
    const now = clock.now();
    if (isNoData(error)) memory.set(key, { problem: error, freshUntil: now + negativeMs });
    if (!last || isAskers(error) || now >= last.errorUntil) throw error;
    log[isOutage(error) ? 'debug' : 'error']({ err: error, endpoint }, 'an answer could not be renewed');
    last.retryAt = now + retryMs;
    return keep(key, last, 'error_stale');
  }

  /**
   * Comes by an answer that is fresh and was computed after `newerThan`, or by the best there is.
   * @throws what the computation threw, where there is nothing to fall back on
   */
  return async function fly(question: Question, compute: Compute, newerThan: number): Promise<Found> {
    const { key, refresh } = question;
    const held = memory.peek(key);
    const sentAt = clock.now();
    const first = await shared.claim(key, newerThan, sentAt);
    if (first.state === 'fresh' && first.entry) return keep(key, first.entry, 'hit_l2');
    const last = first.entry ?? held;

    async function settle(): Promise<Found> {
      try {
        const turn = await waitForTurn(key, first, sentAt);
        if (turn.claim.state === 'fresh' && turn.claim.entry) return keep(key, turn.claim.entry, 'hit_l2');
        return await computeAndShare(question, compute, turn.claim, turn.sentAt);
      } catch (error) {
        return fallBack(question, last, error);
      }
    }
    const rest = settle();
    if (!last || refresh || last !== first.entry || sentAt >= last.staleUntil) return rest;
    rest.catch(() => undefined); // whoever waits for the rest is told
    return { ...keep(key, last, 'stale'), rest };
  };
}
