/**
 * Shared answers (L2): what one process has computed, the others take from Redis. And the lock beside each answer:
 * who takes it computes, the others wait for what comes, so a question costs one computation however many
 * processes are asked it.
 *
 * Asking and locking are one script, storing and unlocking another: a miss adds two round trips. A lock lives
 * longer than a computation may take; one whose holder has died runs out and the next who asks gets it.
 *
 * A question whose last answer was a "no" is computed by several processes at once, without a lock: none of them would
 * get an answer by waiting for another.
 *
 * Every answer lives as long as it is of use on errors; one of more than `sharedBytesMax` stays with the process
 * that computed it. What does not work here is never an error of the question: an answer that cannot be read (a
 * later version wrote it) or a Redis that does not reply makes the caller work for itself, `apart`.
 */
import type { FastifyBaseLogger } from 'fastify';
import type { Clock } from '../clock.js';
import { within } from '../redis/deadline.js';
import { cacheLockKey } from '../redis/keys.js';
import {
  type Argument,
  call,
  callScript,
  isUnavailable,
  readPipeline,
  type Store,
  toProblem,
} from '../redis/pipeline.js';
import { scripts } from '../redis/scripts.js';
import { mastersOf } from '../redis/store.js';
import { type Began, decodeEntry, type Entry, encodeEntry } from './entry.js';
import type { InFlight } from './in-flight.js';

/** Larger answers are not shared: they would block Redis and fill it. */
export const sharedBytesMax = 262_144;

/** Only an answer whose computation begins after the claim will do. */
export const afterClaim = 'now';

export interface Claim {
  /** locked: the caller is to compute; busy: another process is; apart: compute, and hold no lock. */
  state: 'fresh' | 'locked' | 'busy' | 'apart';
  token: string;
  /** When Redis executed it; undefined where it did not, and nothing can be shared then. */
  at: Began | undefined;
  /** When the answer in Redis was computed, by Redis' clock, milliseconds; -1 where there is none. */
  computedAt: number;
  /** That answer, if it is newer than what the caller has. */
  entry?: Entry;
}

interface Wanted {
  /** What was computed before this instant of Redis' clock (milliseconds) is of no use. */
  newerThan: number | typeof afterClaim;
  /** Whether the caller computes without a lock. */
  apart: boolean;
}

interface SharedDependencies {
  redis: Store;
  inFlight: InFlight;
  randomId: () => string;
  /** How long a computation may take; a lock lives a little longer. */
  lockMs: number;
  timeoutMs: number;
  /** Monotonic. */
  clock: Clock;
  log: FastifyBaseLogger;
}

export function createSharedAnswers({
  redis,
  inFlight,
  randomId,
  lockMs,
  timeoutMs,
  clock,
  log,
}: SharedDependencies) {
  const pending = new Set<Promise<void>>();
  const alone: Claim = { state: 'apart', token: '', at: undefined, computedAt: -1 };

  function report(error: Error, what: string): void {
    // Whether Redis is there is told by its connection, once.
    if (isUnavailable(error)) log.debug({ err: error }, what);
    else log.warn({ err: error }, what);
  }

  /** Ends a computation, behind whoever waits for its answer. */
  function end(key: string, args: Argument[]): void {
    const call = callScript(scripts['store-answer-2'], [key, cacheLockKey(key)], args);
    const sent = readPipeline(redis, [call], timeoutMs)
      .then(
        () => undefined,
        (error: Error) => report(error, 'an answer could not be shared'),
      )
      .finally(() => pending.delete(sent));
    pending.add(sent);
  }

  /** On a cluster the time of the master that answers first: one that is away stops only what is about its systems. */
  function askTime(): Promise<unknown[]> {
    const asked = mastersOf(redis).map((server) => readPipeline(server, [call('TIME')], timeoutMs));
    return Promise.any(asked);
  }

  return {
    /** Looks for a fresh answer, or else takes the lock. Never throws. */
    async claim(key: string, { newerThan, apart }: Wanted): Promise<Claim> {
      const token = randomId();
      const keys = [key, cacheLockKey(key)];
      const terms = [token, apart ? 0 : lockMs, newerThan];
      const claiming = callScript(scripts['claim-answer-2'], keys, terms, true);
      const sentAt = clock.now();
      let replies: unknown[];
      try {
        replies = await within(readPipeline(redis, [claiming], timeoutMs), timeoutMs);
      } catch (error) {
        report(error as Error, 'a shared answer could not be asked for');
        return alone;
      }
      const [state, now, computedAt, answer] = replies[0] as [Buffer, number, number, Buffer];
      const at = { asOf: now, at: sentAt };
      const claim = { state: state.toString() as Claim['state'], token, at, computedAt };
      if (answer.length === 0) return claim;
      const began = { asOf: computedAt, at: sentAt - (now - computedAt) };
      try {
        return { ...claim, entry: decodeEntry(answer, began) };
      } catch (error) {
        log.warn({ err: error }, 'a shared answer could not be read');
        return claim.state === 'fresh' ? alone : claim;
      }
    },

    /** The time, where no claim has told it. @throws Problem redis_unavailable, overloaded */
    async readTime(withinMs: number): Promise<Began> {
      const at = clock.now();
      const [reply] = await within(inFlight(askTime), withinMs).catch((error: Error) => {
        throw toProblem(error);
      });
      const [seconds, microseconds] = reply as string[];
      return { asOf: Number(seconds) * 1_000 + Math.floor(Number(microseconds) / 1_000), at };
    },

    /** Stores an answer and gives the lock back. */
    store(key: string, { token }: Claim, entry: Entry): void {
      const answer = encodeEntry(entry);
      const { asOf, times, errorUntil } = entry;
      const isSmall = answer.length <= sharedBytesMax;
      const lifeMs = Math.max(1, Math.ceil(errorUntil - clock.now()));
      end(key, isSmall ? [token, lifeMs, asOf, times.freshMs, answer] : [token, -1, 0, 0, '']);
    },

    /** Gives the lock back without an answer. `drop`: what was there before is not true any more. */
    release(key: string, { token }: Claim, drop: boolean): void {
      end(key, [token, drop ? 0 : -1, 0, 0, '']);
    },

    /** Waits until all that was to be stored has been. */
    async settle(): Promise<void> {
      await Promise.all(pending);
    },
  };
}

export type SharedAnswers = ReturnType<typeof createSharedAnswers>;
