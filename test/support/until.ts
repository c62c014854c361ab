/** Waiting for what comes by itself: looks again and again, with a deadline. */
import { setTimeout as pause } from 'node:timers/promises';

/** Long enough for a slow machine: what comes late is not a failure, and what never comes fails late. */
const deadlineMs = 120_000;
const pollMs = 5;

/** Resolves when `condition` holds. @throws after the deadline, naming what did not come */
export async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const signal = AbortSignal.timeout(deadlineMs);
  while (!(await condition())) {
    if (signal.aborted) throw new Error(`waited in vain for ${what}`);
    await pause(pollMs);
  }
}
