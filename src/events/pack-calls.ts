/**
 * Packing: parts of systems as calls of apply-delta. Several systems travel in one call, because a command costs
 * ioredis some ten microseconds and Redis five before anything is done, and because they share their heads: the
 * same suffixes and lifetimes serve every system in the same minute. Each part is applied in isolation and has a
 * reply of its own. A call is one msgpack argument, not one argument a value: ioredis spends about half a
 * microsecond on each argument, and Redis unpacks msgpack in C (docs/adr/0003).
 */
import { systemKey } from '../redis/keys.js';
import { encodePayload, type PayloadValue } from '../redis/payload.js';
import { type Call, callScript, type Outcome, ReplyError } from '../redis/pipeline.js';
import { scripts } from '../redis/scripts.js';
import type { Marker } from './delta.js';
import type { Destinations } from './hour-plan.js';

/** Work of one call, in units of about a microsecond of Redis. */
export const CALL_COST_MAX = 2_000;
/** Of a part, besides its operations. */
const PART_COST = 10;

/** In the order in which the script takes them. */
export const sections = [
  'distinct',
  'membership',
  'tops',
  'digests',
  'counters',
  'written',
  'frequency',
] as const;
export type Section = (typeof sections)[number];
/** What apply-delta says of each kind, with the head itself for its place among the heads. */
export type Operation = [head: Destinations, ...rest: PayloadValue[]];
export type Operations = Record<Section, Operation[]>;

/** What one call brings to one system. */
export interface Part {
  system: string;
  /** The epoch relied on, or ''. */
  epoch: string;
  /** Given to the system where it has none. */
  freshEpoch: string;
  /** Where there is one, a part that is marked already is not stored again. */
  marker?: Marker;
  /** Ids of its events, end to end: where any is known the part is not stored. */
  ids?: { head: Destinations; hashes: Buffer };
  operations: Operations;
  /** Estimated, in the unit of `CALL_COST_MAX`. */
  cost: number;
}

export interface PackedCall {
  call: Call;
  parts: Part[];
  bytes: number;
}

/** Which parts may share a call: any, those of one system (on a cluster others may be on other nodes), or none. */
export type Sharing = 'any' | 'system' | 'none';

interface Terms {
  nowSeconds: number;
  recordSeconds: number;
}

function packCall(parts: Part[], { nowSeconds, recordSeconds }: Terms): PackedCall {
  const places = new Map<Destinations, number>();
  function placeOf(head: Destinations): number {
    let place = places.get(head);
    if (place === undefined) {
      place = places.size + 1;
      places.set(head, place);
    }
    return place;
  }
  const encoded = parts.map(({ epoch, freshEpoch, operations, marker, ids }) => {
    const part: PayloadValue[] = [epoch, freshEpoch];
    for (const section of sections) {
      part.push(operations[section].map(([head, ...rest]) => [placeOf(head), ...rest]));
    }
    if (marker) {
      const { head, field, duplicates } = marker;
      part.push(duplicates > 0 ? [placeOf(head), field, duplicates] : [placeOf(head), field]);
    }
    if (ids) {
      if (!marker) part.push([]);
      part.push([placeOf(ids.head), ids.hashes]);
    }
    return part;
  });
  const payload = encodePayload([[...places.keys()], encoded]);
  const keys = parts.map(({ system }) => systemKey(system));
  const call = callScript(scripts['apply-delta-n'], keys, [nowSeconds, recordSeconds, payload]);
  return { call, parts, bytes: payload.length };
}

/** A part for each kind of sketch. One with a marker or ids stays whole, since it is stored at once or not at all. */
export function splitBySketch(part: Part): Part[] {
  if (part.marker || part.ids) return [part];
  const { operations } = part;
  const nothing = Object.fromEntries(sections.map((section) => [section, []])) as unknown as Operations;
  return sections
    .filter((section) => operations[section].length > 0)
    .map((section, place) => ({
      ...part,
      freshEpoch: `${part.freshEpoch}.${place}`,
      operations: { ...nothing, [section]: operations[section] },
    }));
}

/** The calls that bring these parts, in their order, each of about `CALL_COST_MAX` at most. */
export function packCalls(parts: readonly Part[], terms: Terms, sharing: Sharing = 'any'): PackedCall[] {
  const calls: PackedCall[] = [];
  let next: Part[] = [];
  let cost = 0;
  for (const part of parts) {
    const costOfPart = part.cost + PART_COST;
    const isApart = sharing === 'none' || (sharing === 'system' && part.system !== next[0]?.system);
    const isFull = cost + costOfPart > CALL_COST_MAX || isApart;
    if (next.length > 0 && isFull) {
      calls.push(packCall(next, terms));
      next = [];
      cost = 0;
    }
    next.push(part);
    cost += costOfPart;
  }
  if (next.length > 0) calls.push(packCall(next, terms));
  return calls;
}

/** What became of each part of some calls, in order: its own reply, or the error of its call. */
export function partOutcomes(calls: readonly PackedCall[], outcomes: readonly Outcome[]): Outcome[] {
  return calls.flatMap(({ parts }, index): Outcome[] => {
    const outcome = outcomes[index];
    if (outcome.error) return parts.map(() => outcome);
    return (outcome.reply as [string, string][]).map((reply) =>
      reply[0] === 'error' ? { error: new ReplyError(reply[1]) } : { reply },
    );
  });
}
