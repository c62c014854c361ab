/**
 * Identified rows: rows with an `event_id`, each of which counts once in its system within a time, whoever brings it
 * again (docs/adr/0017).
 *
 * They are folded apart, a few rows of one system at a time, into parts that are stored whole or not at all: those of a
 * request with an idempotency key by the numbers of its rows (marked-rows.ts), all others as they come, whatever request
 * they are of. A part takes the hashes of its ids to Redis. Where none of them is known there, it is stored and they are
 * known from then on, by one script. Where some are, nothing is stored; their rows are left out, and the rest goes once
 * more. That is why rows are kept until then, as they came: what one added to a delta cannot be taken out of it. In the
 * usual case, all new, this costs no round trip.
 *
 * An id that is on its way in the same group is recognised here. Its second row then depends on the part of the first:
 * its request is answered when that is stored, and fails with it.
 *
 * Bound: a part without a marker takes rows until there are `ROWS_MAX`, or until what they touch, which is what wide
 * rows and rows of many hours cost, is `WEIGHT_MAX`; either is two to three milliseconds of Redis.
 */
import type { Pseudonyms } from '../privacy/pseudonyms.js';
import {
  createSystemDelta,
  type Delta,
  foldInto,
  type IdentifiedSystem,
  type SystemDelta,
  systemOf,
} from './delta.js';
import type { MarkedRows } from './marked-rows.js';
import { createEventReader, type ReadEvent } from './read-event.js';

const ROWS_MAX = 256;
const WEIGHT_MAX = 256;
/** Of an hour or minute, in digest lists. */
const BUCKET_WEIGHT = 8;

/** Rows that were left out since their ids were known, by request. */
export type Duplicates = Map<number, number>;

/** Adds a row that is known to be good to its part. `at`: milliseconds, its time where it has none. */
export type Refold = (part: SystemDelta, row: unknown, at: number, request: number) => void;

function identifiedIn(systems: Map<string, IdentifiedSystem>, system: string): IdentifiedSystem {
  let found = systems.get(system);
  if (!found) {
    found = { parts: new Map(), open: undefined };
    systems.set(system, found);
  }
  return found;
}

function keep(part: SystemDelta, row: unknown, id: string | undefined, at: number, request: number): void {
  part.kept ??= { rows: [], ids: [], times: [], requests: [] };
  part.kept.rows.push(row);
  part.kept.ids.push(id);
  part.kept.times.push(at);
  part.kept.requests.push(request);
}

function isFull({ kept, hours, minutes, sampleKeys }: SystemDelta): boolean {
  const weight = (hours.size + minutes.size) * (BUCKET_WEIGHT + sampleKeys.size);
  return weight >= WEIGHT_MAX || (kept?.rows.length ?? 0) >= ROWS_MAX;
}

/** The part of a group that takes the next row of a system. */
function openPart(group: Delta, system: string): SystemDelta {
  const found = identifiedIn(group.identified, system);
  if (!found.open || isFull(found.open)) {
    found.open = createSystemDelta(system);
    group.apart.push(found.open);
  }
  return found.open;
}

/** What the rows of a request come under. */
export interface RowTerms {
  group: Delta;
  marked: MarkedRows | undefined;
  request: number;
  /** Milliseconds, the time of rows without one. */
  now: number;
  minutesFrom: number;
}

/**
 * Adds a row that has an id, or comes with an idempotency key, where it belongs.
 * @param event what was read of it
 * @returns false where its id is on its way already
 */
export function addRow(
  { group, marked, request, now, minutesFrom }: RowTerms,
  row: unknown,
  event: ReadEvent,
): boolean {
  const { id, system } = event;
  const delta = marked ? marked.nextDelta(system) : group;
  const { parts } = identifiedIn((marked ?? group).identified, system);
  const earlier = id === undefined ? undefined : parts.get(id);
  if (earlier) {
    if (earlier.requests.at(-1) !== request) earlier.requests.push(request);
    return false;
  }
  const part = marked ? systemOf(delta, system) : openPart(group, system);
  foldInto(delta, part, event, request, minutesFrom);
  keep(part, row, id, now, request);
  if (id !== undefined) parts.set(id, part);
  return true;
}

interface RefoldOptions {
  futureMsMax: number;
  /** As in ingest.ts. */
  pseudonyms: Pseudonyms | undefined;
  minuteRetentionMs: number;
}

/** How rows are folded again: as the first time. */
export function createRefold({ futureMsMax, pseudonyms, minuteRetentionMs }: RefoldOptions): Refold {
  const reader = createEventReader(futureMsMax);
  const uncounted = { events: 0, samplesDropped: 0 }; // they were, the first time
  return (part, row, at, request) => {
    reader.read(row, at);
    if (pseudonyms) pseudonyms.replaceIn(reader.event);
    foldInto(uncounted, part, reader.event, request, at - minuteRetentionMs);
  };
}

export function noteDuplicates(duplicates: Duplicates, request: number, rows: number): void {
  if (rows > 0) duplicates.set(request, (duplicates.get(request) ?? 0) + rows);
}

/**
 * Leaves some rows out of a part. It stays one of all its requests, and its last event is not earlier than it was.
 * @param places of their ids among those of the part, from 1 on
 * @returns whether any row is left
 */
export function leaveOut(
  part: SystemDelta,
  places: readonly number[],
  duplicates: Duplicates,
  refold: Refold,
): boolean {
  const { kept, requests, marker } = part;
  if (!kept) return true;
  const known = new Set(places);
  Object.assign(part, {
    kept: undefined,
    hours: new Map(),
    minutes: new Map(),
    sampleKeys: new Set(),
    requests: [],
  });
  let place = 0;
  kept.rows.forEach((row, i) => {
    const id = kept.ids[i];
    const [at, request] = [kept.times[i], kept.requests[i]];
    if (id !== undefined && known.has(++place)) {
      noteDuplicates(duplicates, request, 1);
      return;
    }
    refold(part, row, at, request);
    keep(part, row, id, at, request);
  });
  part.requests = requests;
  if (marker) part.marker = { ...marker, duplicates: marker.duplicates + known.size };
  return part.kept !== undefined;
}
