/**
 * What is to be done with a day, from when it was written, what was done before, and the time.
 *
 *   day is over + grace                    seal at = first hour expires - margin     first hour expires
 *   ------|--------------------------------------|------------------------------------------|--------->
 *    wait | fold where it has changed             | fold a last time and seal                | seal as it is
 *
 * Until the margin all hours are there, so folding again gives the same and a late event only marks its day. Once
 * sealed, hours are not read again and late events go to the day's own lists. A first hour that is gone before the
 * day was ever folded (nobody led for days, or hours are kept for less than two days) makes it `partial`: it is
 * folded from what is left. A day that was folded, has changed since and was not folded again before hours went
 * is partial too, for want of those changes.
 *
 * An hour expires a retention after it was first written or after its end, whichever is later; so the days of an
 * old log that is imported today stay open for a week like those of today.
 *
 * The grace is for writers whose clock is behind or whose pipeline is long under way: they do not yet mark the day.
 * What even that does not cover is made good by the last fold.
 */
import type { Bucket } from '../windows/bucket.js';
import { DAY_MS, HOUR_MS, MINUTE_MS } from '../windows/civil.js';
import type { Retention } from '../windows/retention.js';

const GRACE_MS = 10 * MINUTE_MS;

/** What a day's state says of it. */
export interface DayState {
  /** How often it was written after it was over; compared as text. */
  changes: string;
  /** The changes that its last fold had seen, undefined where it was never folded. */
  rolled: string | undefined;
  isPartial: boolean;
  isSealed: boolean;
}

export interface DayPlan {
  /** Whether its lists are folded from its hours; otherwise they stay as they are. */
  fold: boolean;
  outcome: 'rolled' | 'sealed';
  isPartial: boolean;
  /** When a rolled day is to be looked at again, milliseconds. */
  lookAgain: number;
}

/** From when a noted day may be folded, milliseconds. */
export const dueFrom = (day: Bucket, lookAt: number): number => Math.max(day.end + GRACE_MS, lookAt);

/** When the first of the hours of a day expires, milliseconds. `written`: hour of day to its first write. */
function firstExpiry(day: Bucket, written: ReadonlyMap<number, number>, retention: Retention): number {
  const expiries = [...written].map(
    ([hour, at]) => Math.max(at, day.start + (hour + 1) * HOUR_MS) + retention.hour,
  );
  return Math.min(...expiries);
}

/** What to do with a day that is due; undefined while no record says when its hours were written. */
export function planDay(
  day: Bucket,
  written: ReadonlyMap<number, number>,
  { changes, rolled, isPartial, isSealed }: DayState,
  retention: Retention,
  now: number,
): DayPlan | undefined {
  if (written.size === 0) return undefined;
  const expiry = firstExpiry(day, written, retention);
  const sealAt = expiry - Math.min(DAY_MS, retention.hour / 2);
  if (isSealed || (now >= expiry && rolled !== undefined)) {
    const misses = isPartial || changes !== rolled;
    return { fold: false, outcome: 'sealed', isPartial: misses, lookAgain: sealAt };
  }
  return {
    fold: now >= sealAt || changes !== rolled,
    outcome: now >= sealAt ? 'sealed' : 'rolled',
    isPartial: now >= expiry,
    lookAgain: sealAt,
  };
}
