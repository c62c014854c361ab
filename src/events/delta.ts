/**
 * Deltas: what a number of events mean for the sketches, as pure data. Folding an event in is commutative and
 * associative, so the events of any number of requests fold into the one delta that leaves for Redis next,
 * in any order, and what an event costs there can be tested without Redis.
 *
 *   system -> bucket -> a tally (value -> count) for each field of the registry
 *                    -> events by minute and type, failed log-ins by minute
 *                    -> samples by numeric key
 *
 * A bucket is the finest grain that is kept for its time: a minute while minutes are kept, else an hour.
 * Everything coarser is filled from its tallies when the delta leaves, so an event costs one map update a
 * field, however many sketches and grains the field feeds.
 */
import { eventTypes, fields, numericKeysMax, reservedNumericKey } from '../sketches/registry.js';
import { MINUTE_MS } from '../windows/civil.js';
import type { Destinations } from './hour-plan.js';
import type { ReadEvent } from './read-event.js';

export interface BucketDelta {
  /** Hours since 1970. */
  hour: number;
  /** Minutes since 1970, where the bucket is a minute. */
  minute: number | undefined;
  /** One a field, in the order of the registry: value to count. */
  tallies: Map<string, number>[];
  /** Minute of the hour times 16, plus the index of the event type, or `FAILED_LOGINS`: count. */
  counters: Map<number, number>;
  samples: Map<string, number[]>;
}

/** What is left in a system's slot when a part of a request with an idempotency key is stored there. */
export interface Marker {
  /** The hash, and seconds to live. */
  head: Destinations;
  field: string;
  /** Rows of the part that were left out since their ids were known. */
  duplicates: number;
}

/** Rows of a part as they came, in its order: what is needed to fold it again without some of them. */
export interface KeptRows {
  rows: unknown[];
  /** Undefined where a row has none. */
  ids: (string | undefined)[];
  /** Milliseconds, the time of a row without one. */
  times: number[];
  requests: number[];
}

export interface SystemDelta {
  /** Its name, or that of a shard of it (placement.ts). */
  system: string;
  /** Where it must be stored as one part, once. */
  marker: Marker | undefined;
  /** Where rows are told by their ids: it must be stored as one part then too. */
  kept: KeptRows | undefined;
  hours: Map<number, BucketDelta>;
  minutes: Map<number, BucketDelta>;
  /** Milliseconds of the earliest event. */
  firstEvent: number;
  /** Milliseconds of the latest event. */
  lastEvent: number;
  /** Under which keys it has samples. */
  sampleKeys: Set<string>;
  /** Which requests have rows here; each once, in order. */
  requests: number[];
}

/** The rows with ids that are on their way to one system. */
export interface IdentifiedSystem {
  /** In which part each id is. */
  parts: Map<string, SystemDelta>;
  /** The one that takes more rows. */
  open: SystemDelta | undefined;
}

export interface Delta {
  systems: Map<string, SystemDelta>;
  /** Those that merge with no others: each has a marker, or rows that are told by their ids, or both. */
  apart: SystemDelta[];
  identified: Map<string, IdentifiedSystem>;
  events: number;
  /** Samples left out, because their system brings more keys at once than it could ever keep. */
  samplesDropped: number;
}

/** A system keeps far fewer; this bounds what a sender of ever new keys can cost. */
const SAMPLE_KEYS_MAX = 8 * numericKeysMax;

export const COUNTER_TYPES = 16;
/** Counted beside the types, and never stored under this number. */
export const FAILED_LOGINS = eventTypes.length;

export const createDelta = (): Delta => ({
  systems: new Map(),
  apart: [],
  identified: new Map(),
  events: 0,
  samplesDropped: 0,
});

export const createSystemDelta = (system: string): SystemDelta => ({
  system,
  marker: undefined,
  kept: undefined,
  hours: new Map(),
  minutes: new Map(),
  firstEvent: Infinity,
  lastEvent: -Infinity,
  sampleKeys: new Set(),
  requests: [],
});

/** What a delta holds of a system. */
export function systemOf(delta: Delta, system: string): SystemDelta {
  let found = delta.systems.get(system);
  if (!found) {
    found = createSystemDelta(system);
    delta.systems.set(system, found);
  }
  return found;
}

function bucketOf(system: SystemDelta, minute: number, isMinuteKept: boolean): BucketDelta {
  const hour = Math.floor(minute / 60);
  const buckets = isMinuteKept ? system.minutes : system.hours;
  const index = isMinuteKept ? minute : hour;
  let found = buckets.get(index);
  if (!found) {
    const tallies = fields.map(() => new Map<string, number>());
    found = {
      hour,
      minute: isMinuteKept ? minute : undefined,
      tallies,
      counters: new Map(),
      samples: new Map(),
    };
    buckets.set(index, found);
  }
  return found;
}

/**
 * Adds one event.
 * @param request which request it came with
 * @param minutesFrom instant (ms) from which minutes are kept
 * @param name of what it is stored under, its system or a shard of it
 */
export function foldEvent(
  delta: Delta,
  event: ReadEvent,
  request: number,
  minutesFrom: number,
  name = event.system,
): void {
  foldInto(delta, systemOf(delta, name), event, request, minutesFrom);
}

const count = (counters: Map<number, number>, counter: number) =>
  counters.set(counter, (counters.get(counter) ?? 0) + 1);

/** The same to what is held of its system, which counts among the events of `delta`. */
export function foldInto(
  delta: Pick<Delta, 'events' | 'samplesDropped'>,
  system: SystemDelta,
  event: ReadEvent,
  request: number,
  minutesFrom: number,
): void {
  const { at, numberKeys } = event;
  const minute = Math.floor(at / MINUTE_MS);
  const bucket = bucketOf(system, minute, (minute + 1) * MINUTE_MS >= minutesFrom);
  delta.events++;
  if (at < system.firstEvent) system.firstEvent = at;
  if (at > system.lastEvent) system.lastEvent = at;
  if (system.requests.at(-1) !== request) system.requests.push(request);

  for (let i = 0; i < fields.length; i++) {
    const value = fields[i].read(event);
    if (value === undefined) continue;
    const tally = bucket.tallies[i];
    tally.set(value, (tally.get(value) ?? 0) + 1);
  }
  const firstCode = (minute - bucket.hour * 60) * COUNTER_TYPES;
  count(bucket.counters, firstCode + event.type);
  if (event.isFailedLogin) count(bucket.counters, firstCode + FAILED_LOGINS);
  delta.samplesDropped += event.numbersDropped;
  for (let i = 0; i < numberKeys.length; i++) {
    const key = numberKeys[i];
    const samples = bucket.samples.get(key);
    if (samples) samples.push(event.numberValues[i]);
    else if (
      system.sampleKeys.size < SAMPLE_KEYS_MAX ||
      key === reservedNumericKey ||
      system.sampleKeys.has(key)
    ) {
      system.sampleKeys.add(key);
      bucket.samples.set(key, [event.numberValues[i]]);
    } else delta.samplesDropped++;
  }
}
