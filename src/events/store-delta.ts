/**
 * Storing: what the writers share (writer.ts, plain-writer.ts). A delta becomes script calls, these are sent as the
 * writer likes, and what is known afterwards is noted where it belongs: in the directory, the repeat filter, the
 * metrics. Who is taken in before that is decided here too.
 */
import { Problem } from '../errors.js';
import type { Metrics } from '../metrics.js';
import { systemKey, systemOfShard } from '../redis/keys.js';
import { isReachable, leaveIfAsked, type Outcome, type Send, type Store } from '../redis/pipeline.js';
import type { Admission } from './admission.js';
import type { Delta, SystemDelta } from './delta.js';
import type { Directory } from './directory.js';
import type { Duplicates } from './identified-rows.js';
import type { LateWrites } from './late-writes.js';
import { overloaded } from './shedding.js';
import type { Failure, SystemWrites } from './system-writes.js';

interface StoringDependencies {
  redis: Store;
  send: Send;
  directory: Directory;
  writes: SystemWrites;
  admission: Admission;
  lateWrites: LateWrites;
  metrics: Metrics;
}

/** What became of a delta. */
export interface Stored {
  failures: Failure[];
  /** The systems of which everything is stored. */
  stored: Set<SystemDelta>;
  /** Rows that were left out since their ids were known, by request. */
  duplicates: Duplicates;
}

export function createStoring(dependencies: StoringDependencies) {
  const { redis, send, directory, writes, admission, lateWrites, metrics } = dependencies;
  return {
    /**
     * Takes in a request of so many bytes.
     * @param isAdmitted whether an earlier part of the request has been taken in: it is not cut short for the queue
     * @throws Problem overloaded, redis_unavailable: nothing was stored
     */
    enter(bytes: number, isAdmitted: boolean): void {
      if (!isReachable(redis) || !directory.isLoaded) {
        throw new Problem('redis_unavailable', 'Redis cannot be reached; nothing was stored');
      }
      const reason = admission.refusal(bytes);
      if (reason && (!isAdmitted || reason === 'bytes')) throw overloaded(reason, metrics);
      admission.enter(bytes);
    },

    /** Takes note that some requests have their answer. */
    leave: admission.leave,

    /**
     * Stores a delta.
     * @param answered told how long Redis took, in milliseconds, as soon as it has answered
     */
    async store(delta: Delta, answered?: (ms: number) => void): Promise<Stored> {
      const systems = [...delta.systems.values(), ...delta.apart];
      const registrations = directory.registrations(systems);
      const planned = writes.plan(systems);
      const calls = [...registrations, ...planned.calls].map(({ call }) => call);
      const endTimer = metrics.pipelineSeconds.startTimer();
      const outcomes: Outcome[] = await send(calls);
      const seconds = endTimer();
      answered?.(seconds * 1_000);
      metrics.pipelineBytes.observe(planned.calls.reduce((sum, { bytes }) => sum + bytes, 0));
      metrics.groupCommitEvents.observe(delta.events);
      if (delta.samplesDropped > 0) metrics.numericKeysDropped.inc(delta.samplesDropped);
      const failures: Failure[] = [];
      for (const registration of registrations) {
        const outcome = outcomes.shift() as Outcome;
        directory.settle(registration, outcome);
        if (!outcome.error) continue;
        const names = new Set(registration.entries.map(([system]) => system));
        for (const system of systems) {
          if (names.has(systemOfShard(system.system)))
            failures.push({ delta: system, error: outcome.error, isPartial: false });
        }
      }
      const stored = new Set(systems);
      const duplicates: Duplicates = new Map();
      for (const failure of await writes.settle(planned, outcomes, duplicates)) {
        stored.delete(failure.delta);
        failures.push(failure);
      }
      directory.stored(stored);
      lateWrites.written(systems);
      for (const { delta, error } of failures) leaveIfAsked(redis, error, systemKey(delta.system));
      return { failures, stored, duplicates };
    },
  };
}

export type Storing = ReturnType<typeof createStoring>;
