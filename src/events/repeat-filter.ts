/**
 * The repeat filter: which values this process knows to be in which bucket's sketches already, so that they
 * need not be sent again. HyperLogLog and Bloom filter adds are idempotent, so leaving a repeat out changes
 * nothing; in a stream where the same users come back it saves most of the work.
 *
 * It may be wrong in one direction only. Forgetting costs a repeated add; believing too much would lose a
 * fact. So a value enters only after the pipeline that carried it was acknowledged, and everything known of a
 * system hangs on its epoch (a random value in Redis, changed by a purge): where Redis answers with another
 * one, all of that system is forgotten, and after a reconnect, which may lead to another server, everything.
 *
 * Keys expire, and a late event may begin one anew that lacks what its forerunner held. So a slot is believed
 * only as long as its keys are sure to live (`until`), and forgotten then.
 *
 * Bounded by the number of values: past it the slots (system, field, bucket) that were not used for longest
 * go, a good part at once, so that making room is rare.
 */
/** Values that a pipeline carries to the sketches of a slot for the first time. */
export interface Written {
  slot: string;
  values: string[];
  /** Instant until which the keys of the slot are sure to live, milliseconds. */
  until: number;
}

interface Slot {
  values: Set<string>;
  /** When it was last looked at, in ticks. */
  used: number;
  /** Instant until which its keys live, milliseconds. */
  until: number;
}

interface Memory {
  epoch: string;
  slots: Map<string, Slot>;
}

const none: ReadonlySet<string> = new Set();
/** How full the filter is left when room is made. */
const KEPT_SHARE = 0.75;

export function createRepeatFilter(valuesMax: number) {
  const memories = new Map<string, Memory>();
  let size = 0;
  let ticks = 0;
  let generation = 0;

  function forget(system: string): void {
    for (const slot of memories.get(system)?.slots.values() ?? []) size -= slot.values.size;
    memories.delete(system);
  }

  function makeRoom(): void {
    const all = [...memories.values()].flatMap(({ slots }) =>
      [...slots].map(([id, slot]) => ({ slots, id, slot })),
    );
    all.sort((a, b) => a.slot.used - b.slot.used);
    for (const { slots, id, slot } of all) {
      if (size <= valuesMax * KEPT_SHARE) break;
      slots.delete(id);
      size -= slot.values.size;
    }
  }

  return {
    /** The epoch that what is known of a system hangs on, '' where nothing is known. */
    epochOf: (system: string): string => memories.get(system)?.epoch ?? '',

    /** Takes note of a system's epoch; if it is another one than before, all of the system is forgotten. */
    setEpoch(system: string, epoch: string): void {
      if (memories.get(system)?.epoch === epoch) return;
      forget(system);
      memories.set(system, { epoch, slots: new Map() });
    },

    forget,

    forgetAll(): void {
      memories.clear();
      size = 0;
      generation++;
    },

    /** Counts how often everything was forgotten: what was sent before that must not be remembered after it. */
    get generation(): number {
      return generation;
    },

    /** The values known to be in a slot's sketches. */
    known(system: string, slot: string): ReadonlySet<string> {
      const found = memories.get(system)?.slots.get(slot);
      if (!found) return none;
      found.used = ticks++;
      return found.values;
    },

    /** Notes values that Redis has acknowledged under the system's present epoch. */
    remember(system: string, { slot, values, until }: Written): void {
      const memory = memories.get(system);
      if (!memory || values.length === 0 || valuesMax === 0) return;
      let found = memory.slots.get(slot);
      if (!found) {
        found = { values: new Set(), used: 0, until };
        memory.slots.set(slot, found);
      }
      found.used = ticks++;
      const before = found.values.size;
      for (const value of values) found.values.add(value);
      size += found.values.size - before;
      if (size > valuesMax) makeRoom();
    },

    /** Forgets the slots whose keys may be gone. Call it now and then. */
    sweep(now: number): void {
      for (const { slots } of memories.values()) {
        for (const [id, slot] of slots) {
          if (slot.until > now) continue;
          slots.delete(id);
          size -= slot.values.size;
        }
      }
    },

    /** How many values are held. */
    get size(): number {
      return size;
    },
  };
}

export type RepeatFilter = ReturnType<typeof createRepeatFilter>;
