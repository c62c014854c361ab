/** Cuts what a system is asked into parts, each of at most about a given cost, as it comes. */
import type { PayloadValue } from '../redis/payload.js';
import type { Destinations } from './hour-plan.js';
import type { Operations, Section } from './pack-calls.js';

/** Of looking at a key, besides its values: a head holds about two elements a key. */
const KEY_COST = 3;

const emptyOperations = (): Operations => ({
  distinct: [],
  membership: [],
  tops: [],
  digests: [],
  counters: [],
  written: [],
  frequency: [],
});

export interface ValueOptions {
  /** One a value. */
  counts?: readonly number[];
  /** How the script takes them: as the list of values and, where there are some, that of their counts. */
  pack?: (values: readonly string[], counts: readonly number[]) => PayloadValue[];
}

/** Collects operations and starts another part where one has reached `costMax`. */
export function createCutter(costMax: number) {
  const full: { operations: Operations; cost: number }[] = [];
  let operations = emptyOperations();
  let cost = 0;

  function close(): void {
    if (cost > 0) full.push({ operations, cost });
    operations = emptyOperations();
    cost = 0;
  }

  /** Adds an operation of its own cost. */
  function add(section: Section, head: Destinations, rest: readonly PayloadValue[], costOwn: number): void {
    operations[section].push([head, ...rest]);
    cost += costOwn + (head.length / 2) * KEY_COST;
    if (cost >= costMax) close();
  }

  /** Adds an operation on any number of values, and their counts where they have some, in as many pieces as needed. */
  function addValues(
    section: Section,
    head: Destinations,
    values: readonly string[],
    costEach: number,
    { counts, pack = (...lists) => (counts ? lists : lists.slice(0, 1)) }: ValueOptions = {},
  ): void {
    for (let from = 0; from < values.length; ) {
      const room = Math.max(1, Math.floor((costMax - cost) / costEach));
      const isWhole = from === 0 && values.length <= room;
      const piece = isWhole ? values : values.slice(from, from + room);
      const rest = pack(piece, isWhole ? (counts ?? []) : (counts ?? []).slice(from, from + room));
      from += piece.length;
      add(section, head, rest, piece.length * costEach);
      if (from < values.length) close(); // a part never has two operations on one list
    }
  }
  return {
    add,
    addValues,
    finish() {
      close();
      return full;
    },
  };
}

export type Cutter = ReturnType<typeof createCutter>;
