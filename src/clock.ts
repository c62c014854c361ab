/**
 * The clock: the one place that asks the system what time it is. Everything else takes a `Clock`, so a test
 * can stand at any instant.
 */
export interface Clock {
  /** Milliseconds since 1970-01-01T00:00:00Z. */
  now(): number;
}

export const systemClock: Clock = { now: () => Date.now() };
