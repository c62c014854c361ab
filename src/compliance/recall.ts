/**
 * Recall: a dashboard asks with the same addresses again and again, and reading one costs as much as answering it
 * from memory. So what an address was found to ask is remembered for a few seconds: checked parameters, the key of
 * the answer and the way to compute it. Where memory holds that answer, it goes out before anything is read.
 *
 * An address that means another question in a moment is remembered until then only (the hour ends), or not at all:
 * what is about all systems depends on which there are. Whatever is invalidated makes all of it forgotten. Who may
 * ask is decided by hooks that come before this one; an answer that not everybody may see must not be remembered
 * by its address alone.
 */
import type { AnswerCache, CachedAnswer } from '../cache/answers.js';
import type { Compute, Question } from '../cache/flight.js';
import type { Clock } from '../clock.js';
import type { Scope } from './scope.js';

/** What is computed for "now" again is computed for the now of then, so not for long. */
const REMEMBERED_MS = 5_000;
const ADDRESSES_MAX = 10_000;

interface Remembered {
  question: Question;
  compute: Compute;
  until: number;
  version: string;
}

export function createRecall(cache: AnswerCache, clock: Clock) {
  const remembered = new Map<string, Remembered>();

  return {
    /** Takes note of what an address asks. */
    remember(address: string, { isAll, span }: Scope, question: Question, compute: Compute): void {
      if (isAll || question.refresh) return;
      const now = clock.now();
      const until = Math.min(now + REMEMBERED_MS, span.to > now ? span.to : Number.POSITIVE_INFINITY);
      if (remembered.size >= ADDRESSES_MAX) remembered.clear();
      remembered.set(address, { question, compute, until, version: cache.version });
    },

    /** The answer to what an address asks, where it is known and held. */
    recall(address: string): CachedAnswer | undefined {
      const found = remembered.get(address);
      if (!found) return undefined;
      if (clock.now() < found.until && found.version === cache.version) {
        return cache.held(found.question, found.compute);
      }
      remembered.delete(address);
      return undefined;
    },
  };
}

export type Recall = ReturnType<typeof createRecall>;
