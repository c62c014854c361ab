/**
 * Attempts: how often an address was refused lately. Past `attemptsMax` within a window it gets 429 instead of 401 or
 * 403 until the window ends, so that a sender with an old key slows down. A key cannot be guessed at any rate, so this
 * protects the service's time and its log, not the keys; and who presents the right key enters from any address.
 *
 * Bounded: `addressesMax` addresses, those longest here go first.
 */
import type { Clock } from '../clock.js';

export const attemptsMax = 20;
/** Also what Retry-After says: after it the window is certainly over. */
export const attemptsWindowSeconds = 60;
const addressesMax = 10_000;

/** @param clock monotonic */
export function createAttempts(clock: Clock) {
  const windows = new Map<string, { count: number; until: number }>();

  return {
    /** Counts one refusal; tells whether there were too many. */
    isTooMany(address: string): boolean {
      const now = clock.now();
      const found = windows.get(address);
      if (found && now < found.until) return ++found.count > attemptsMax;
      windows.delete(address);
      if (windows.size >= addressesMax) {
        const [oldest] = windows.keys();
        windows.delete(oldest);
      }
      windows.set(address, { count: 1, until: now + attemptsWindowSeconds * 1_000 });
      return false;
    },

    get size(): number {
      return windows.size;
    },
  };
}

export type Attempts = ReturnType<typeof createAttempts>;
