/**
 * Late writes: the systems that got events long after their time. Cached answers about spans that are over hold until
 * such an event comes, so they have to become invalid (cache/generations.ts), at most once a second for all of them.
 *
 * Systems are collected after Redis has answered, whatever it answered: a write of unknown outcome may be there. What
 * could not be invalidated is tried at the next flush. A process that is stopped flushes once more; one that is killed in
 * between leaves it undone, so the first flush of every process invalidates all of them.
 */
import { lateMs } from '../cache/policies.js';
import type { Clock } from '../clock.js';
import { systemOfShard } from '../redis/keys.js';
import { isUnavailable } from '../redis/pipeline.js';
import type { SystemDelta } from './delta.js';

export const lateFlushMs = 1_000;

/** Makes the answers about these systems (all where undefined) and spans that are over invalid. */
type InvalidateClosed = (systems: Iterable<string> | undefined) => Promise<void>;

export function createLateWrites(clock: Clock) {
  let systems = new Set<string>();
  let isFirst = true;

  return {
    /** Collects the systems with late events, of deltas of systems and their shards. */
    written(deltas: readonly SystemDelta[]): void {
      const lateBefore = clock.now() - lateMs;
      for (const { system, firstEvent } of deltas) {
        if (firstEvent < lateBefore) systems.add(systemOfShard(system));
      }
    },

    /** A job for every `lateFlushMs`, and the last thing of a process. @throws what Redis answers, where that is an error */
    async flush(invalidateClosed: InvalidateClosed): Promise<void> {
      if (!isFirst && systems.size === 0) return;
      const late = systems;
      systems = new Set();
      try {
        await invalidateClosed(isFirst ? undefined : late);
        isFirst = false;
      } catch (error) {
        for (const system of late) systems.add(system);
        if (!isUnavailable(error as Error)) throw error;
      }
    },
  };
}

export type LateWrites = ReturnType<typeof createLateWrites>;
