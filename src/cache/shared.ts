/**
 * Shared answers (L2): what one process has computed, the others take from Redis. And the lock beside each answer:
 * who takes it computes, the others wait for what comes, so a question costs one computation however many
 * processes are asked it.
 *
 * Asking and locking are one script, storing and unlocking another: a miss adds two round trips. A lock lives
 * longer than a computation may take; one whose holder has died runs out and the next who asks gets it.
 *
 * Every answer lives as long as it is of use on errors; one of more than `sharedBytesMax` stays with the process
 * that computed it. What does not work here is never an error of the question: an answer that cannot be read (a
 * later version wrote it) or a Redis that does not reply makes the caller work for itself, `apart`.
 */
import type { FastifyBaseLogger } from 'fastify';
import { within } from '../redis/deadline.js';
import { cacheLockKey } from '../redis/keys.js';
import { type Argument, callScript, isUnavailable, readPipeline, type Store } from '../redis/pipeline.js';
import { scripts } from '../redis/scripts.js';
import { decodeEntry, type Entry, encodeEntry } from './entry.js';

/** Larger answers are not shared: they would block Redis and fill it. */
export const sharedBytesMax = 262_144;

export interface Claim {
  /** locked: the caller is to compute; busy: another process is; apart: compute and tell nobody. */
  state: 'fresh' | 'locked' | 'busy' | 'apart';
  token: string;
  /** When the answer in Redis was computed, milliseconds; -1 where there is none. */
  computedAt: number;
  /** That answer, if it is newer than what the caller has. */
  entry?: Entry;
}

interface SharedDependencies {
  redis: Store;
  randomId: () => string;
  /** How long a computation may take; a lock lives a little longer. */
  lockMs: number;
  timeoutMs: number;
  log: FastifyBaseLogger;
}

export function createSharedAnswers({ redis, randomId, lockMs, timeoutMs, log }: SharedDependencies) {
  const pending = new Set<Promise<void>>();
  const apart: Claim = { state: 'apart', token: '', computedAt: -1 };

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

  return {
    /**
     * Looks for a fresh answer computed after `newerThan`, or else takes the lock. Never throws.
     * @param now milliseconds, as `newerThan`
     */
    async claim(key: string, newerThan: number, now: number): Promise<Claim> {
      const token = randomId();
      const keys = [key, cacheLockKey(key)];
      const call = callScript(scripts['claim-answer-2'], keys, [token, lockMs, now, newerThan], true);
      let replies: unknown[];
      try {
        replies = await within(readPipeline(redis, [call], timeoutMs), timeoutMs);
      } catch (error) {
        report(error as Error, 'a shared answer could not be asked for');
        return apart;
      }
      const [state, , computedAt, answer] = replies[0] as [Buffer, number, number, Buffer];
      const claim = { state: state.toString() as Claim['state'], token, computedAt };
      if (answer.length === 0) return claim;
      try {
        return { ...claim, entry: decodeEntry(answer) };
      } catch (error) {
        log.warn({ err: error }, 'a shared answer could not be read');
        return claim.state === 'fresh' ? apart : claim;
      }
    },

    /** Stores an answer and gives the lock back. */
    store(key: string, { token }: Claim, entry: Entry, now: number): void {
      const answer = encodeEntry(entry);
      const { computedAt, freshUntil, errorUntil } = entry;
      const isSmall = answer.length <= sharedBytesMax;
      end(
        key,
        isSmall
          ? [token, Math.max(1, errorUntil - now), computedAt, freshUntil, answer]
          : [token, -1, 0, 0, ''],
      );
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
