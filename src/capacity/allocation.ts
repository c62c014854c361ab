/**
 * Allocation: what the things that sketches are made of take in Redis's memory. A string of 2,600 bytes that is appended
 * to takes 6,144: Redis makes room for as much again, and the allocator has four sizes between two powers of two.
 *
 * Measured with Redis 7.0 and 7.4 (jemalloc); later versions take a little less. Small hashes and sorted sets are one
 * string (listpack) each, larger ones a table with several allocations an entry.
 */

/** Of a key: its name of some 50 bytes, its object, its places in the tables of keys and of lifetimes. */
export const keyBytes = 165;
const QUANTUM = 16;
const QUANTUM_MAX = 128;
/** Up to here Redis makes room for as much again, beyond for so much more. */
const GROWTH_MAX = 1_048_576;
/** Largest listpacks: of sorted sets, of hashes. */
const SET_ENTRIES_MAX = 128;
const HASH_ENTRIES_MAX = 512;
/** Of a listpack, and of an entry besides the item: lengths, and a number. */
const PACK_BYTES = 11;
const PACK_ENTRY_BYTES = 7;
/** Header and end of a string. */
const STRING_BYTES = 2;
const TABLE_PLACE_BYTES = 8;
const TABLE_ENTRY_BYTES = 32;
const NUMBER_BYTES = 8;
/** A node of a skip list; it has 1.33 levels on average. */
const NODE_BYTES = 53;

/** Bytes of the allocation that holds so many. */
export function allocated(bytes: number): number {
  if (bytes <= QUANTUM / 2) return QUANTUM / 2;
  if (bytes <= QUANTUM_MAX) return Math.ceil(bytes / QUANTUM) * QUANTUM;
  const step = 2 ** (Math.ceil(Math.log2(bytes)) - 3);
  return Math.ceil(bytes / step) * step;
}

/** Bytes of a string that was appended to until it had so many. */
export const grown = (bytes: number): number => allocated(bytes + Math.min(bytes, GROWTH_MAX));

const tableBytes = (entries: number) => TABLE_PLACE_BYTES * 2 ** Math.ceil(Math.log2(Math.max(entries, 4)));

/** A hash of numbers by fields of so many bytes. */
export function hashBytes(entries: number, fieldBytes: number): number {
  if (entries < 1) return 0;
  if (entries <= HASH_ENTRIES_MAX) return allocated(PACK_BYTES + entries * (fieldBytes + PACK_ENTRY_BYTES));
  const entryBytes = TABLE_ENTRY_BYTES + allocated(fieldBytes + STRING_BYTES) + NUMBER_BYTES;
  return entries * entryBytes + tableBytes(entries);
}

/** A sorted set of items of so many bytes. */
export function sortedSetBytes(entries: number, itemBytes: number): number {
  if (entries < 1) return 0;
  if (entries <= SET_ENTRIES_MAX) return allocated(PACK_BYTES + entries * (itemBytes + PACK_ENTRY_BYTES));
  const entryBytes = TABLE_ENTRY_BYTES + allocated(itemBytes + STRING_BYTES) + NODE_BYTES;
  return entries * entryBytes + tableBytes(entries);
}
