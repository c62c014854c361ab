/**
 * Known ids: for how long the ids of events are remembered, and where.
 *
 * They stand in sets in the slot of their system, hashed (sketches/hash.ts), a set for each slice of time in which they
 * came, by the clock of Redis. A slice is a quarter of the time that they are to be known, a minute at least. So an id
 * is known for that time and up to a slice more, a look-up asks at most six sets, and a set goes as a whole.
 *
 * Slices are told by their length too: when the setting is changed, what was known under the old one is forgotten at
 * once. See lua/apply-delta/known-ids.lua for how they are written.
 */
import { knownIdsPrefix, knownIdsSuffix } from './keys.js';

const SLICES = 4;
const SLICE_SECONDS_MIN = 60;

const sliceSeconds = (knownSeconds: number): number =>
  Math.max(SLICE_SECONDS_MIN, Math.ceil(knownSeconds / SLICES));

/** What the script has to know: what begins the suffix of a slice, how long ids are known, and a slice, in seconds. */
export function knownIdsHead(knownSeconds: number): (string | number)[] {
  const seconds = sliceSeconds(knownSeconds);
  return [knownIdsPrefix(seconds), knownSeconds, seconds];
}

/**
 * The suffixes of the slices that may be looked up now, if clocks are no further apart than `apartMsMax`.
 * @param now milliseconds
 * @param knownSeconds 0: ids are not looked up
 */
export function knownIdsSuffixes(now: number, knownSeconds: number, apartMsMax: number): string[] {
  if (knownSeconds === 0) return [];
  const seconds = sliceSeconds(knownSeconds);
  const sliceAt = (ms: number) => Math.floor(ms / 1_000 / seconds);
  const first = sliceAt(now - apartMsMax - knownSeconds * 1_000);
  const count = sliceAt(now + apartMsMax) - first + 1;
  return Array.from({ length: count }, (_, i) => knownIdsSuffix(seconds, first + i));
}
