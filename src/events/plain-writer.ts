/**
 * The plain writer: one command at a time, as services without group commit do it. For each event of a request, in
 * order, each kind of sketch that it feeds is written by a command of its own, and the next is sent when that has been
 * answered: seven an event that feeds all of them, and one more where its system is new. Nothing is left out because
 * it was written before, and no two requests share anything.
 *
 * It is there to be compared with (load/), and for an operator who wants to see every write by itself, in `MONITOR` or
 * a slow log. Keys, answers and promises are those of writer.ts: nothing is acknowledged before Redis has all of it,
 * nothing is sent twice, and a request that ends with 503 and without an idempotency key may be stored in part.
 *
 * Rows with an idempotency key or an id of their own are stored part by part, as everywhere: a part is stored whole or
 * not at all (marked-rows.ts, identified-rows.ts), so it is one command.
 *
 * Requests are carried out side by side; how many, admission.ts bounds as for groups. The first command that fails
 * ends its request.
 */
import { Problem } from '../errors.js';
import { type Outcome, type Send, unsent } from '../redis/pipeline.js';
import { createDelta, type Delta, foldEvent } from './delta.js';
import { copyEvent, type ReadEvent } from './read-event.js';
import type { Storing } from './store-delta.js';
import { problemsOf } from './write-problems.js';
import type { Writer } from './writer.js';

/** An event, and the name it is stored under where that is not its system's. */
interface Taken {
  event: ReadEvent;
  name: string | undefined;
}

/** Sends calls one at a time; after one that failed those that follow are not sent. */
export const sendInTurn =
  (send: Send): Send =>
  async (calls) => {
    const outcomes: Outcome[] = [];
    for (const call of calls) {
      const hasFailed = outcomes.at(-1)?.error !== undefined;
      outcomes.push(...(hasFailed ? [{ error: unsent('a call before it failed') }] : await send([call])));
    }
    return outcomes;
  };

/** @param storing sends calls one at a time */
export function createPlainWriter(storing: Storing): Writer {
  const active = new Set<Promise<number>>();

  /**
   * @param isFirst of its request
   * @returns rows left out since their ids were known
   * @throws Problem where it is not certain that all of the delta is stored
   */
  async function storeOne(delta: Delta, isFirst: boolean): Promise<number> {
    const { failures, stored, duplicates } = await storing.store(delta);
    const known = failures.map((failure) => ({ ...failure, isPartial: failure.isPartial || !isFirst }));
    for (const problem of problemsOf(known, stored).values()) throw problem;
    return duplicates.get(0) ?? 0;
  }

  async function storeAll(events: readonly Taken[], minutesFrom: number, rest: Delta): Promise<number> {
    for (const [index, { event, name }] of events.entries()) {
      const delta = createDelta();
      foldEvent(delta, event, 0, minutesFrom, name);
      await storeOne(delta, index === 0);
    }
    return rest.apart.length > 0 ? storeOne(rest, events.length === 0) : 0;
  }

  return {
    join(bytes, isAdmitted = false) {
      storing.enter(bytes, isAdmitted);
      const events: Taken[] = [];
      const delta = createDelta();
      let from = 0;
      const stored = new Promise((resolve) => setImmediate(resolve)) // by then all events are here
        .then(() => storeAll(events, from, delta))
        .catch((error: Error) => {
          if (error instanceof Problem) throw error;
          throw new Problem('ingest_failed', 'the write failed', {}, { cause: error });
        })
        .finally(() => {
          active.delete(stored);
          storing.leave(1, bytes);
        });
      active.add(stored);
      stored.catch(() => undefined); // whoever joined may fail before waiting
      return {
        take(event, minutesFrom, name) {
          events.push({ event: copyEvent(event), name });
          from = minutesFrom;
        },
        delta,
        request: 0,
        stored,
      };
    },

    async drain() {
      while (active.size > 0) await Promise.allSettled(active);
    },
  };
}
