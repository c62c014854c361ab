/**
 * Marked rows: the rows of one chunk of a request with an idempotency key, cut into parts each of which is stored
 * once, however often the request is tried and by whomever.
 *
 * A part is what one system gets of a run of rows: of the rows that name the system, those from the n-th times
 * `partRows` on. It goes to Redis as one part of a script call, whose last write is a marker, `<claim>:<chunk>:<n>` in
 * a hash in the system's slot. Where the marker is there already, the script stores nothing and says so.
 *
 * For that to be right a marker must mean the same rows in every try. So it is told by row numbers alone:
 *
 * - not by cost, as other deltas are cut: an estimate changes with the time of day (events of a day that is over cost
 *   more), with what the repeat filter of a process knows, and with every release;
 * - rows that are refused have their numbers too, so that no rule about rows moves one into another part;
 * - rows without a time have the time of the first try, which the claim keeps;
 * - `partRows`, the limits of chunks and the number of shards come from the claim as well.
 *
 * What a part holds may differ from try to try, and does: values that the process knows to be stored are left out
 * as everywhere. Epochs work as everywhere too: a part that relies on another epoch is not stored, nor marked.
 *
 * Bound: a part of 64 usual rows blocks Redis for about a millisecond, of the widest rows there are for some twenty.
 */
import { markerSuffix } from '../redis/keys.js';
import type { Bucket } from '../windows/bucket.js';
import { createDelta, type Delta, type IdentifiedSystem, type Marker } from './delta.js';
import type { Placement } from './placement.js';

interface MarkedTerms {
  /** Of the claim. */
  id: string;
  /** Milliseconds, the time of rows without one. */
  at: number;
  /** Number of the chunk, from 0. */
  chunk: number;
  partRows: number;
  /** Hash and TTL of the markers. */
  head: Marker['head'];
  /** Of the claim; undefined where no system was spread. */
  placement?: Placement | undefined;
  /** Told of every marker that may be written from now on. */
  onMarker: (system: string, field: string) => void;
}

/** How far apart the clocks of processes and of Redis may be. */
const SKEW_SECONDS = 300;

/**
 * Where the markers of a claim stand: in the hash of the hour in which it was made, which outlives every claim of
 * that hour.
 */
export const markerHead = (hour: Bucket, keptSeconds: number): Marker['head'] => [
  markerSuffix(hour),
  (hour.end - hour.start) / 1_000 + keptSeconds + SKEW_SECONDS,
];

export function createMarkedRows({ id, at, chunk, partRows, head, placement, onMarker }: MarkedTerms) {
  /** Rows so far that name a system. */
  const seen = new Map<string, number>();
  /** What is folded, by the number of the part. */
  const parts: Delta[] = [];

  function next(system: string): number {
    const row = seen.get(system) ?? 0;
    seen.set(system, row + 1);
    return Math.floor(row / partRows);
  }

  return {
    at,
    /** Those of them with ids, by system. */
    identified: new Map<string, IdentifiedSystem>(),

    /** Where the next row of a system, an accepted one, is to be folded. */
    nextDelta(system: string): Delta {
      const part = next(system);
      parts[part] ??= createDelta();
      return parts[part];
    },

    /** Passes over a row that is refused. */
    pass(row: unknown): void {
      if (typeof row !== 'object' || row === null || !('system' in row)) return;
      if (typeof row.system === 'string') next(row.system);
    },

    /** Hands everything over to the delta of a group. */
    handTo(group: Delta): void {
      parts.forEach((delta, part) => {
        const field = `${id}:${chunk}:${part}`;
        for (const system of delta.systems.values()) {
          system.marker = { head, field, duplicates: 0 };
          if (placement) system.system = placement.shardOfPart(system.system, field);
          group.apart.push(system);
          onMarker(system.system, field);
        }
        group.events += delta.events;
        group.samplesDropped += delta.samplesDropped;
      });
    },
  };
}

export type MarkedRows = ReturnType<typeof createMarkedRows>;
