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
 * Bounded by the number of values; the least recently used slot (system, field, bucket) goes first.
 */
const none: ReadonlySet<string> = new Set();

export function createRepeatFilter(valuesMax: number) {
  const epochs = new Map<string, string>();
  const slots = new Map<string, Set<string>>();
  let size = 0;
  let generation = 0;

  const slotId = (system: string, slot: string) => `${slot}\0${system}`;

  function drop(id: string): void {
    size -= slots.get(id)?.size ?? 0;
    slots.delete(id);
  }

  function forget(system: string): void {
    epochs.delete(system);
    for (const id of slots.keys()) if (id.slice(id.indexOf('\0') + 1) === system) drop(id);
  }

  return {
    /** The epoch that what is known of a system hangs on, '' where nothing is known. */
    epochOf: (system: string): string => epochs.get(system) ?? '',

    /** Takes note of a system's epoch; if it is another one than before, all of the system is forgotten. */
    setEpoch(system: string, epoch: string): void {
      if (epochs.get(system) === epoch) return;
      forget(system);
      epochs.set(system, epoch);
    },

    forget,

    forgetAll(): void {
      epochs.clear();
      slots.clear();
      size = 0;
      generation++;
    },

    /** Counts how often everything was forgotten: what was sent before that must not be remembered after it. */
    get generation(): number {
      return generation;
    },

    /** The values known to be in a slot's sketches. */
    known(system: string, slot: string): ReadonlySet<string> {
      const id = slotId(system, slot);
      const values = slots.get(id);
      if (!values) return none;
      slots.delete(id); // moves it to the end: most recently used
      slots.set(id, values);
      return values;
    },

    /** Notes values that Redis has acknowledged under the system's present epoch. */
    remember(system: string, slot: string, values: readonly string[]): void {
      if (values.length === 0 || valuesMax === 0) return;
      const id = slotId(system, slot);
      const known = slots.get(id) ?? new Set();
      slots.set(id, known);
      const before = known.size;
      for (const value of values) known.add(value);
      size += known.size - before;
      for (const oldest of slots.keys()) {
        if (size <= valuesMax) break;
        drop(oldest);
      }
    },

    /** How many values are held. */
    get size(): number {
      return size;
    },
  };
}

export type RepeatFilter = ReturnType<typeof createRepeatFilter>;
