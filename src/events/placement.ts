/**
 * Placement: to which shard of a spread system (redis/shard-names.ts) an event goes, or a part of a request. Any choice
 * is right, since questions merge the shards; what it changes is the cost and how tight bounds are.
 *
 * An event goes by its user, else by its session, else by its IP, so somebody is in one shard only: each value is
 * stored, sent and remembered by the repeat filter once and not once a shard, and lists of users know n times as many
 * of them exactly (docs/adr/0018). Who has none of these goes to each shard in turn.
 *
 * A part of a request with an idempotency key goes by its marker as a whole: the same in every try, whatever it holds.
 * How many shards there are is part of the claim for that, so another setting does not move it either.
 */
import { shardNames } from '../redis/shard-names.js';
import { type Spread, spreadText } from '../redis/spread.js';
import { hash64 } from '../sketches/hash.js';
import type { ReadEvent } from './read-event.js';

const halves = new Uint32Array(2);

/** The low half of xxHash64. */
function hashOf(text: string): number {
  hash64(text, halves);
  return halves[0];
}

/** @returns undefined where nothing is spread */
export function createPlacement(spread: Spread) {
  if (spread.size === 0) return undefined;
  const names = new Map([...spread].map(([system, shards]) => [system, shardNames(system, shards)]));
  let turn = 0;

  return {
    /** What it depends on, for a claim. */
    text: spreadText(spread),

    /** The name under which an event is stored: that of its system, or of a shard of it. */
    shardOf({ system, user, session, ip }: ReadEvent): string {
      const own = names.get(system);
      if (!own) return system;
      const id = user ?? session ?? ip;
      return own[(id === undefined ? turn++ : hashOf(id)) % own.length];
    },

    /** The name under which a part of a system's rows is stored, by the part's marker. */
    shardOfPart(system: string, field: string): string {
      const own = names.get(system);
      return own ? own[hashOf(field) % own.length] : system;
    },
  };
}

export type Placement = NonNullable<ReturnType<typeof createPlacement>>;
