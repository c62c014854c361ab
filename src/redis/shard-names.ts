/**
 * Shards: the systems that a spread system is below the surface. The first goes by the name of the system itself, so
 * what was written before it was spread is among the rest; each other one has a name that nobody can send, and a hash
 * tag of its own, `{system#<shard>.<try>}`, so that it lies in another slot of a cluster.
 *
 * Which slot a tag falls into is as good as chance, and chance puts four shards on two of three masters more often than
 * not. So tags are tried until one falls near where it should: the slots go round in a circle, and beside that of the
 * system the shards lie at a half, a quarter, three quarters, an eighth and so on of it (the sequence of van der
 * Corput). Each number of shards is spread about evenly that way, a power of two evenly, and a shard is where it is
 * however many there are: another number moves nothing. On masters that divide the slots evenly, as `redis-cli
 * --cluster create` does, as many shards as masters or more leave none out where their number is a power of two.
 *
 * Cost: some 64 tries a shard, each a CRC of the name; all of 64 shards take a few milliseconds, once.
 */
import { SLOTS, slotOf } from './cluster/slots.js';
import { shardName, systemKey } from './keys.js';

/** Shards of one system: a question about it reads so many times the keys. */
export const shardsMax = 64;
/** How far from its place a shard may lie. */
const SLOTS_BESIDE_MAX = SLOTS / shardsMax / 2;

/** The names under which a system is kept, its own first; of a system that is not spread that is all. */
export type ShardsOf = (system: string) => readonly string[];

/** The bits of a shard's number in reverse order, as a share of the circle. */
function shareOf(shard: number): number {
  let share = 0;
  for (let rest = shard, half = 0.5; rest > 0; rest >>= 1, half /= 2) if (rest & 1) share += half;
  return share;
}

function nameOf(system: string, shard: number): string {
  const place = slotOf(systemKey(system)) + shareOf(shard) * SLOTS;
  for (let tried = 0; ; tried++) {
    const name = shardName(system, `${shard}.${tried}`);
    const ahead = (slotOf(systemKey(name)) - place + 2 * SLOTS) % SLOTS;
    if (Math.min(ahead, SLOTS - ahead) <= SLOTS_BESIDE_MAX) return name;
  }
}

/** The names of the first shards of a system, always the same. */
export const shardNames = (system: string, shards: number): readonly string[] =>
  Array.from({ length: shards }, (_, shard) => (shard === 0 ? system : nameOf(system, shard)));
