/**
 * System writes: turns the deltas of a group into script calls, and the replies into what is known afterwards.
 *
 * - ok: the values are remembered as written under the epoch that Redis named; long digest lists are folded;
 * - another epoch: nothing of that part was stored; what was known of the system is forgotten and its whole
 *   delta goes out once more, with nothing left out (parts of it that were stored before a purge were purged);
 * - ok under several epochs, which only parts that rely on none can be: those under an earlier one were purged
 *   before the last was stored, and are sent again;
 * - a full digest list: nothing of that part was stored; the list is folded and the part sent again;
 * - done: the part's marker says that it was stored before. Nothing is remembered of it: that may be long ago;
 * - an error: the system's requests fail.
 */
import type { Clock } from '../clock.js';
import type { Metrics } from '../metrics.js';
import { systemKey } from '../redis/keys.js';
import { type Outcome, ReplyError, type Send, sentAgain } from '../redis/pipeline.js';
import type { Retention } from '../windows/retention.js';
import type { SystemDelta } from './delta.js';
import type { DigestFolder } from './digest-folder.js';
import { createPlanner } from './hour-plan.js';
import {
  type PackedCall,
  type Part,
  packCalls,
  partOutcomes,
  type Sharing,
  splitBySketch,
} from './pack-calls.js';
import type { RepeatFilter } from './repeat-filter.js';
import { type SystemParts, systemParts } from './system-parts.js';

interface SystemWritesDependencies {
  send: Send;
  /** With `none` each kind of sketch has a call of its own too. */
  sharing: Sharing;
  filter: RepeatFilter;
  folder: DigestFolder;
  retention: Retention;
  clock: Clock;
  metrics: Metrics;
  /** A value that no other call of it returns: the epoch of a system that has none. */
  randomId: () => string;
}

interface PlannedSystem extends SystemParts {
  delta: SystemDelta;
  /** Of the repeat filter, when this was planned. */
  generation: number;
  /** The parts that have been stored, in that order, and the epoch of each. */
  stored: Map<Part, string>;
}

export interface Planned {
  systems: PlannedSystem[];
  calls: PackedCall[];
}

export interface Failure {
  delta: SystemDelta;
  error: Error;
  /** Some of it may be stored, whatever the error says. */
  isPartial: boolean;
}

const nothingKnown: ReadonlySet<string> = new Set();
/** How often a part is sent again because Redis asked for it, not because it failed. */
const ROUNDS_MAX = 4;

export function createSystemWrites(dependencies: SystemWritesDependencies) {
  const { send, sharing, filter, folder, retention, clock, metrics, randomId } = dependencies;
  const planner = createPlanner(retention);

  function planSystem(delta: SystemDelta): PlannedSystem {
    const epoch = filter.epochOf(delta.system);
    const known = epoch === '' ? () => nothingKnown : (slot: string) => filter.known(delta.system, slot);
    const { parts: shared, written } = systemParts(delta, { planner, known, epoch, freshEpoch: randomId() });
    const parts = sharing === 'none' ? shared.flatMap(splitBySketch) : shared;
    return { parts, written, delta, generation: filter.generation, stored: new Map() };
  }

  const pack = (systems: PlannedSystem[]): Planned => ({
    systems,
    calls: packCalls(
      systems.flatMap(({ parts }) => parts),
      planner,
      sharing,
    ),
  });

  function plan(deltas: readonly SystemDelta[]): Planned {
    const now = clock.now();
    if (planner.at(now)) filter.sweep(now);
    return pack(deltas.map(planSystem));
  }

  /** Reads the replies to a system's parts. Returns what has to be sent again, empty where all is stored. */
  async function settleSystem(
    system: PlannedSystem,
    replies: readonly unknown[][],
  ): Promise<PlannedSystem | undefined> {
    const { delta } = system;
    if (replies.some(([state]) => state === 'epoch')) {
      metrics.epochsChanged.inc();
      filter.forget(delta.system);
      return planSystem(delta);
    }
    const prefix = systemKey(delta.system);
    const again: Part[] = [];
    for (const [index, [state, ...rest]] of replies.entries()) {
      if (state === 'fold') {
        await Promise.all(rest.map((suffix) => folder.fold(`${prefix}:${suffix}`)));
        again.push(system.parts[index]);
        continue;
      }
      if (state === 'done') return undefined; // a delta with a marker is one part
      const [epoch, dropped, ...long] = rest;
      system.stored.set(system.parts[index], String(epoch));
      if (Number(dropped) > 0) metrics.numericKeysDropped.inc(Number(dropped));
      for (let i = 0; i < long.length; i += 2) void folder.fold(`${prefix}:${long[i]}`);
    }
    const newest = [...system.stored.values()].at(-1) ?? '';
    for (const [part, epoch] of system.stored) {
      if (epoch === newest) continue;
      system.stored.delete(part);
      again.push({ ...part, freshEpoch: randomId() }); // its own may have been in use
    }
    if (again.length > 0) return { ...system, parts: again };
    if (system.generation === filter.generation) {
      filter.setEpoch(delta.system, newest);
      for (const written of system.written) filter.remember(delta.system, written);
    }
    return undefined;
  }

  /** Deals with the outcomes of a plan's calls, sending again what Redis asks for. */
  async function settle(first: Planned, outcomes: readonly Outcome[]): Promise<Failure[]> {
    const failures: Failure[] = [];
    let planned = first;
    let results = partOutcomes(first.calls, outcomes);
    for (let round = 1; planned.systems.length > 0; round++) {
      const again: PlannedSystem[] = [];
      for (const system of planned.systems) {
        const own = results.splice(0, system.parts.length);
        const error = own.find((outcome) => outcome.error)?.error;
        if (error) {
          const isPartial = round > 1 || own.some((outcome) => !outcome.error);
          failures.push({ delta: system.delta, error, isPartial });
          continue;
        }
        const replies = own.map((outcome) => (outcome as { reply: unknown[] }).reply);
        const rest = await settleSystem(system, replies);
        if (rest && round < ROUNDS_MAX) again.push(rest);
        else if (rest) {
          const error = new ReplyError('Redis keeps asking for the same');
          failures.push({ delta: rest.delta, error, isPartial: true });
        }
      }
      planned = pack(again);
      const calls = planned.calls.map(({ call }) => call);
      const sent = await send(calls);
      results = partOutcomes(planned.calls, sent.map(sentAgain));
    }
    return failures;
  }

  return { plan, settle };
}

export type SystemWrites = ReturnType<typeof createSystemWrites>;
