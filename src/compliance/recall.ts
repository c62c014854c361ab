/**
 * Recall: a dashboard asks with the same addresses again and again, and reading one costs as much as answering it
 * from memory. So what an address was found to ask is remembered for a few seconds: checked parameters, the key of
 * the answer and the way to compute it. Where memory holds that answer, it goes out before anything is read.
 *
 * An address that means another question in a moment is remembered until then only (the hour ends, or the wall clock is
 * set back). Whatever is invalidated makes all of it forgotten. Who may
 * ask is decided by a hook that comes before this one, and what somebody may see is part of what is remembered: an
 * address that was answered to one is unknown for whoever may see other systems.
 */
import type { AnswerCache, CachedAnswer } from '../cache/answers.js';
import type { Compute, Question } from '../cache/flight.js';
import type { Clock } from '../clock.js';
import type { Principal } from '../principal.js';
import type { Span } from '../windows/cover.js';
import type { Scope } from './scope.js';

/** What is computed for "now" again is computed for the now of then, so not for long. */
const REMEMBERED_MS = 5_000;
const ADDRESSES_MAX = 10_000;

/** An address, and who asks with it. */
interface Asking {
  url: string;
  principal: Principal;
}

/** What an address was found to ask. */
interface Found {
  question: Question;
  compute: Compute;
  /** That of the cache when the question got its key. */
  version: string;
}

interface Remembered extends Found {
  /** By the monotonic clock. */
  until: number;
  /** By the wall clock: from when to when the address means this question. */
  means: Span;
}

/** No address holds a blank, so no two pairs make one key. */
const keyOf = (address: string, { restriction }: Principal): string =>
  restriction === '' ? address : `${restriction} ${address}`;

export function createRecall(cache: AnswerCache, clock: Clock, monotonic: Clock) {
  const remembered = new Map<string, Remembered>();

  return {
    /** Takes note of what somebody asks with an address. */
    remember({ url, principal }: Asking, scope: Scope, found: Found): void {
      if (found.question.refresh) return;
      const means = { from: clock.now(), to: scope.until };
      const until = monotonic.now() + REMEMBERED_MS;
      if (remembered.size >= ADDRESSES_MAX) remembered.clear();
      remembered.set(keyOf(url, principal), { ...found, until, means });
    },

    /** The answer to what an address asks, where it is known and held. */
    recall({ url, principal }: Asking): CachedAnswer | undefined {
      const key = keyOf(url, principal);
      const found = remembered.get(key);
      if (!found) return undefined;
      const now = clock.now();
      const isMeant = found.means.from <= now && now < found.means.to;
      if (isMeant && monotonic.now() < found.until && found.version === cache.version) {
        return cache.held(found.question, found.compute);
      }
      remembered.delete(key);
      return undefined;
    },
  };
}

export type Recall = ReturnType<typeof createRecall>;
