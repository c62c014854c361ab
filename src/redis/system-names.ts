/**
 * The names of all systems, to look for those that are spelled like an unknown one. They are read anew when the last
 * reading is some seconds old, so a system that was just created may be missing from the suggestions for that long; no
 * answer depends on them. Where Redis cannot be reached the last reading serves, and after one failure nobody waits for
 * the next.
 */
import type { Clock } from '../clock.js';
import { within } from './deadline.js';
import { directoryKeys } from './keys.js';
import { call, readPipeline, type Store, toProblem } from './pipeline.js';

const READ_AGAIN_MS = 5_000;

interface NamesDependencies {
  redis: Store;
  timeoutMs: number;
  /** Monotonic. */
  clock: Clock;
}

export function createSystemNames({ redis, timeoutMs, clock }: NamesDependencies) {
  let names: readonly string[] | undefined;
  let readAt = Number.NEGATIVE_INFINITY;
  let isAway = false;
  let reading: Promise<readonly string[]> | undefined;

  async function read(): Promise<readonly string[]> {
    try {
      const calls = [call('ZRANGE', directoryKeys.names, 0, -1)];
      const [reply] = await within(readPipeline(redis, calls, timeoutMs), timeoutMs);
      names = (reply as string[]).sort();
      readAt = clock.now();
      isAway = false;
      return names;
    } catch (error) {
      isAway = true;
      if (names) return names;
      throw toProblem(error as Error);
    }
  }

  /** All names, ascending. @throws Problem redis_unavailable */
  async function all(): Promise<readonly string[]> {
    if (names && clock.now() - readAt < READ_AGAIN_MS) return names;
    reading ??= read().finally(() => {
      reading = undefined;
    });
    if (!names || !isAway) return reading;
    reading.catch(() => undefined); // the next who has to wait for it is told
    return names;
  }

  return {
    all,
    /** Has them read anew when they are next asked for. */
    expire(): void {
      readAt = Number.NEGATIVE_INFINITY;
    },
  };
}

export type SystemNames = ReturnType<typeof createSystemNames>;
