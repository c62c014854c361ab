/**
 * Exact counters: events by type over time, one hash per system and day; and failed log-ins over time, one more.
 *
 *   events         field  <minute of the day, 0..1439>:<event type code>     value  how many
 *   failed log-ins field  m<minute of the day>, h<hour of the day>, d        value  how many in it
 *
 * A script adds to what it reads and runs alone, so nothing is lost under concurrency, and merging is adding. They
 * are kept from the first event on, for questions about events over time. The code is the number of the event type
 * in the registry, so a field takes 3 to 6 bytes. There is no error to bound. Example: 12 logins at 10:30 are the field
 * `630:0` with the value 12; if all failed, there are `m630`, `h10` and `d` with 12 each too.
 *
 * Failed log-ins are summed by the hour and the day as they are counted, so that a summary reads two fields and not a
 * day of them (docs/adr/0023).
 */
import { SketchFormatError } from './envelope.js';

const minutesPerDay = 1440;
const fieldPattern = /^(0|[1-9]\d{0,3}):(0|[1-9]\d{0,5})$/;

export interface CounterField {
  /** 0..1439, UTC. */
  minuteOfDay: number;
  /** Number of the event type. */
  typeCode: number;
}

export function counterField(minuteOfDay: number, typeCode: number): string {
  return `${minuteOfDay}:${typeCode}`;
}

/** Fields of failed log-ins. */
export const failedInMinute = (minuteOfDay: number): string => `m${minuteOfDay}`;
export const failedInHour = (hourOfDay: number): string => `h${hourOfDay}`;
export const failedInDay = 'd';

/** The minute of the day that a field of failed log-ins is about, undefined where it is a sum. */
export const minuteOfFailed = (field: string): number | undefined =>
  field.startsWith('m') ? Number(field.slice(1)) : undefined;

/** The reverse of `counterField`. Throws `SketchFormatError` on anything it cannot have built. */
export function parseCounterField(field: string): CounterField {
  const match = fieldPattern.exec(field);
  const minuteOfDay = Number(match?.[1]);
  if (!match || minuteOfDay >= minutesPerDay)
    throw new SketchFormatError(`Counter field "${field}" is broken.`);
  return { minuteOfDay, typeCode: Number(match[2]) };
}

/** Field by field sum. */
export function mergeCounters(counters: Iterable<ReadonlyMap<string, number>>): Map<string, number> {
  const merged = new Map<string, number>();
  for (const counter of counters) {
    for (const [field, count] of counter) merged.set(field, (merged.get(field) ?? 0) + count);
  }
  return merged;
}
