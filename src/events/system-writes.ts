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
 * - known: nothing of that part was stored; its rows with these ids are left out and the rest is sent again, as often
 *   as others are quicker, since it is fewer rows each time;
 * - an error: the system's requests fail.
 */
import type { Clock } from '../clock.js';
import type { Metrics } from '../metrics.js';
import { systemKey } from '../redis/keys.js';
import { type Outcome, ReplyError, type Send, sentAgain } from '../redis/pipeline.js';
import type { Retention } from '../windows/retention.js';
import type { SystemDelta } from './delta.js';
import type { DigestFolder } from './digest-folder.js';
import { createPlanner, type Destinations } from './hour-plan.js';
import { type Duplicates, leaveOut, noteDuplicates, type Refold } from './identified-rows.js';
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

export interface SystemWritesDependencies {
  send: Send;
  /** With `none` each kind of sketch has a call of its own too. */
  sharing: Sharing;
  filter: RepeatFilter;
  folder: DigestFolder;
  retention: Retention;
  clock: Clock;
  /** By which what is known of keys grows old. */
  monotonic: Clock;
  metrics: Metrics;
  /** Where the ids of events are looked up, and how rows are folded again; undefined where ids mean nothing. */
  ids?: { head: Destinations; refold: Refold } | undefined;
  /** A value that no other call of it returns: the epoch of a system that has none. */
  randomId: () => string;
}

interface PlannedSystem extends SystemParts {
  delta: SystemDelta;
  /** Of the repeat filter, when this was planned. */
  generation: number;
  /** The parts that have been stored, in that order, and the epoch of each. */
  stored: Map<Part, string>;
  /** How often it was sent again for anything else than known ids. */
  repeats: number;
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
/** How often a part is sent because Redis asked for it, not because it failed. */
const ROUNDS_MAX = 4;

export function createSystemWrites(dependencies: SystemWritesDependencies) {
  const { send, sharing, filter, folder, retention, clock, monotonic, metrics, ids, randomId } = dependencies;
  const planner = createPlanner(retention);

  function planSystem(delta: SystemDelta, repeats: number): PlannedSystem {
    const epoch = filter.epochOf(delta.system);
    const known = epoch === '' ? () => nothingKnown : (slot: string) => filter.known(delta.system, slot);
    const context = { planner, idsHead: ids?.head, known, epoch, freshEpoch: randomId() };
    const { parts: shared, written } = systemParts(delta, context);
    const parts = sharing === 'none' ? shared.flatMap(splitBySketch) : shared;
    return { parts, written, delta, generation: filter.generation, stored: new Map(), repeats };
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
    const elapsed = monotonic.now();
    if (planner.at(clock.now(), elapsed)) filter.sweep(elapsed);
    return pack(deltas.map((delta) => planSystem(delta, 0)));
  }

  /** Reads the replies to a system's parts. Returns what has to be sent again, empty where all is stored. */
  async function settleSystem(
    system: PlannedSystem,
    replies: readonly unknown[][],
    duplicates: Duplicates,
  ): Promise<PlannedSystem | undefined> {
    const { delta } = system;
    const repeats = system.repeats + 1;
    if (replies.some(([state]) => state === 'epoch')) {
      metrics.epochsChanged.inc();
      filter.forget(delta.system);
      return planSystem(delta, repeats);
    }
    const prefix = systemKey(delta.system);
    const again: Part[] = [];
    for (const [index, [state, ...rest]] of replies.entries()) {
      if (state === 'fold') {
        await Promise.all(rest.map((suffix) => folder.fold(`${prefix}:${suffix}`)));
        again.push(system.parts[index]);
        continue;
      }
      // A delta with a marker or with ids is one part.
      if (state === 'done') {
        noteDuplicates(duplicates, delta.requests[0], Number(rest[0]));
        return undefined;
      }
      if (state === 'known' && ids) {
        const isLeft = leaveOut(delta, rest.map(Number), duplicates, ids.refold);
        return isLeft ? planSystem(delta, system.repeats) : undefined;
      }
      const [epoch, dropped, ...long] = rest;
      system.stored.set(system.parts[index], String(epoch));
      if (Number(dropped) > 0) metrics.numericKeysDropped.inc(Number(dropped));
      for (let i = 0; i < long.length; i += 2) folder.foldLong(`${prefix}:${long[i]}`);
    }
    const newest = [...system.stored.values()].at(-1) ?? '';
    for (const [part, epoch] of system.stored) {
      if (epoch === newest) continue;
      system.stored.delete(part);
      again.push({ ...part, freshEpoch: randomId() }); // its own may have been in use
    }
    if (again.length > 0) return { ...system, parts: again, repeats };
    if (system.generation === filter.generation) {
      filter.setEpoch(delta.system, newest);
      for (const written of system.written) filter.remember(delta.system, written);
    }
    return undefined;
  }

  /**
   * Deals with the outcomes of a plan's calls, sending again what Redis asks for.
   * @param duplicates gets the rows that were left out since their ids were known
   */
  async function settle(
    first: Planned,
    outcomes: readonly Outcome[],
    duplicates: Duplicates,
  ): Promise<Failure[]> {
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
        const rest = await settleSystem(system, replies, duplicates);
        if (rest && rest.repeats < ROUNDS_MAX) again.push(rest);
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
