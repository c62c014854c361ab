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
 * only as long as its keys are sure to live (`until`), and forgotten then. A bucket that has been over for longer
 * than its retention may go at any time; hour-plan.ts lets it be believed for ten minutes.
 *
 * Bounded by the number of values: past it the slots (system, field, bucket) that were not used for longest
 * go, a good part at once, so that making room is rare.
 */
/** Values that a pipeline carries to the sketches of a slot for the first time. */
export interface Written {
  slot: string;
  values: string[];
  /** Until when the keys of the slot are sure to live, milliseconds of the monotonic clock. */
  until: number;
}

interface Slot {
  values: Set<string>;
  /** When it was last looked at, in ticks. */
  used: number;
  /** Until when its keys live, milliseconds of the monotonic clock. */
  until: number;
}

interface Memory {
  epoch: string;
  slots: Map<string, Slot>;
}

const none: ReadonlySet<string> = new Set();
/** What a slot takes besides its values, in values: most of a slot of one value is the slot. */
const SLOT_VALUES = 5;
/** How full the filter is left when room is made. */
const KEPT_SHARE = 0.75;

export function createRepeatFilter(valuesMax: number) {
  const memories = new Map<string, Memory>();
  /** Values and slots held. */
  let size = 0;
  let slotsHeld = 0;
  let ticks = 0;
  let generation = 0;

  const load = () => size + slotsHeld * SLOT_VALUES;

  function drop(slots: Map<string, Slot>, id: string): void {
    size -= slots.get(id)?.values.size ?? 0;
    if (slots.delete(id)) slotsHeld--;
  }

  function forget(system: string): void {
    const slots = memories.get(system)?.slots ?? new Map();
    for (const id of slots.keys()) drop(slots, id);
    memories.delete(system);
  }

  function makeRoom(): void {
    const all = [...memories.values()].flatMap(({ slots }) =>
      [...slots].map(([id, slot]) => ({ slots, id, slot })),
    );
    all.sort((a, b) => a.slot.used - b.slot.used);
    for (const { slots, id } of all) {
      if (load() <= valuesMax * KEPT_SHARE) break;
      drop(slots, id);
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
      slotsHeld = 0;
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
        slotsHeld++;
      }
      found.used = ticks++;
      const before = found.values.size;
      for (const value of values) found.values.add(value);
      size += found.values.size - before;
      if (load() > valuesMax) makeRoom();
    },

    /** Forgets the slots whose keys may be gone. Call it now and then. @param now of the monotonic clock */
    sweep(now: number): void {
      for (const [system, { slots }] of memories) {
        for (const [id, slot] of slots) if (slot.until <= now) drop(slots, id);
        if (slots.size === 0) memories.delete(system);
      }
    },

    /** How many values are held. */
    get size(): number {
      return size;
    },
  };
}

export type RepeatFilter = ReturnType<typeof createRepeatFilter>;
