/**
 * Deltas: what a number of events mean for the sketches, as pure data. Folding an event in is commutative and
 * associative, so the events of any number of requests fold into the one delta that leaves for Redis next,
 * in any order, and what an event costs there can be tested without Redis.
 *
 *   system -> hour -> a tally (value -> count) for each field of the registry
 *                  -> events by minute and type
 *                  -> samples by numeric key
 *          -> minute -> the set of values for each distinct metric, only while minutes are kept
 *
 * The hour is the finest grain that every sketch keeps; coarser ones are filled from its tallies when the
 * delta leaves, so an event costs one map update a field however many sketches a field feeds.
 */
import { distinctMetrics, fields } from '../sketches/registry.js';
import { HOUR_MS, MINUTE_MS } from '../windows/civil.js';
import type { ReadEvent } from './read-event.js';

export interface HourDelta {
  /** Hours since 1970. */
  hour: number;
  /** One a field, in the order of the registry: value to count. */
  tallies: Map<string, number>[];
  /** Minute of the hour times 16, plus the index of the event type: count. */
  counters: Map<number, number>;
  samples: Map<string, number[]>;
}

export interface SystemDelta {
  system: string;
  hours: Map<number, HourDelta>;
  /** Minutes since 1970 to one set a distinct metric, in the order of the registry. */
  minutes: Map<number, Set<string>[]>;
  /** Milliseconds of the latest event. */
  lastEvent: number;
  /** Which requests have rows here; each once, in order. */
  requests: number[];
}

export interface Delta {
  systems: Map<string, SystemDelta>;
  events: number;
}

export const COUNTER_TYPES = 16;

export const createDelta = (): Delta => ({ systems: new Map(), events: 0 });

function systemOf(delta: Delta, system: string): SystemDelta {
  let found = delta.systems.get(system);
  if (!found) {
    found = { system, hours: new Map(), minutes: new Map(), lastEvent: -Infinity, requests: [] };
    delta.systems.set(system, found);
  }
  return found;
}

function hourOf(system: SystemDelta, hour: number): HourDelta {
  let found = system.hours.get(hour);
  if (!found) {
    found = { hour, tallies: fields.map(() => new Map()), counters: new Map(), samples: new Map() };
    system.hours.set(hour, found);
  }
  return found;
}

function foldMinute(system: SystemDelta, minute: number, event: ReadEvent): void {
  let sets = system.minutes.get(minute);
  if (!sets) {
    sets = distinctMetrics.map(() => new Set());
    system.minutes.set(minute, sets);
  }
  for (let i = 0; i < distinctMetrics.length; i++) {
    const value = fields[distinctMetrics[i].field].read(event);
    if (value !== undefined) sets[i].add(value);
  }
}

/**
 * Adds one event.
 * @param request which request it came with
 * @param minutesFrom instant (ms) from which minutes are kept
 */
export function foldEvent(delta: Delta, event: ReadEvent, request: number, minutesFrom: number): void {
  const system = systemOf(delta, event.system);
  const { at, numberKeys } = event;
  const hour = hourOf(system, Math.floor(at / HOUR_MS));
  delta.events++;
  if (at > system.lastEvent) system.lastEvent = at;
  if (system.requests.at(-1) !== request) system.requests.push(request);

  for (let i = 0; i < fields.length; i++) {
    const value = fields[i].read(event);
    if (value === undefined) continue;
    const tally = hour.tallies[i];
    tally.set(value, (tally.get(value) ?? 0) + 1);
  }
  const minute = Math.floor(at / MINUTE_MS);
  const counter = (minute - hour.hour * 60) * COUNTER_TYPES + event.type;
  hour.counters.set(counter, (hour.counters.get(counter) ?? 0) + 1);
  for (let i = 0; i < numberKeys.length; i++) {
    const samples = hour.samples.get(numberKeys[i]);
    if (samples) samples.push(event.numberValues[i]);
    else hour.samples.set(numberKeys[i], [event.numberValues[i]]);
  }
  if ((minute + 1) * MINUTE_MS >= minutesFrom) foldMinute(system, minute, event);
}
