/**
 * The clocks: the one place that asks the system what time it is. Everything else takes a `Clock`, so a test
 * can stand at any instant.
 */
export interface Clock {
  /** Milliseconds since 1970-01-01T00:00:00Z, or, of a monotonic clock, since some instant. */
  now(): number;
}

export const systemClock: Clock = { now: () => Date.now() };

/**
 * For how long something takes, and for how old something is that this process alone knows: it cannot be set, and never
 * goes back. What processes tell each other is aged by the clock of Redis, in its scripts.
 */
export const monotonicClock: Clock = { now: () => performance.now() };
