/**
 * Scanning: how the keyspace is walked, by SCAN only. KEYS would stop Redis for as long as it takes; a step of SCAN
 * visits about `stepKeys` keys, which takes Redis a fraction of a millisecond however many there are, and between two
 * steps there is a pause in which everybody else is served. A million keys take a few seconds that way.
 *
 * What SCAN promises: a key that is there from the beginning to the end of a walk is seen, perhaps more than once; one
 * that comes or goes meanwhile may be seen or not. A walk has a time budget and ends with a cursor where that is
 * over, so a request never lasts long and the next one goes on; Redis keeps nothing for it.
 *
 * Cursors are text that only this file understands. Redis down: the walk fails.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import type { Clock } from '../clock.js';
import { call, readPipeline, toProblem } from './pipeline.js';

/** Keys that one step visits. */
export const stepKeys = 500;
/** So that a walk takes about a fifth of Redis's time. */
const PAUSE_MS = 1;

/** Where a walk begins. */
export const scanStart = '0';

export const isCursor = (text: string): boolean => /^\d{1,20}$/.test(text);

interface ScanOptions {
  redis: Redis;
  /** A pattern of SCAN, from redis/keys.ts. */
  match: string;
  /** `scanStart`, or where an earlier walk ended. */
  from: string;
  /** Keys that one step visits. */
  step?: number;
  budgetMs: number;
  clock: Clock;
  timeoutMs: number;
}

/**
 * Walks over the keys that match, from a cursor to the end or until the budget is over.
 * @param visit takes the keys of one step, which may be none; the walk ends early where it returns true
 * @returns the cursor to go on from, undefined where the walk came to its end
 * @throws Problem redis_unavailable
 */
export async function scan(
  { redis, match, from, step = stepKeys, budgetMs, clock, timeoutMs }: ScanOptions,
  visit: (keys: string[]) => undefined | boolean | Promise<undefined | boolean>,
): Promise<string | undefined> {
  const end = clock.now() + budgetMs;
  let cursor = from;
  for (;;) {
    const next = call('SCAN', cursor, 'MATCH', match, 'COUNT', step);
    const [reply] = await readPipeline(redis, [next], timeoutMs).catch((error: Error) => {
      throw toProblem(error);
    });
    const [rest, keys] = reply as [string, string[]];
    const isEnough = await visit(keys);
    if (rest === scanStart) return undefined;
    if (isEnough || clock.now() >= end) return rest;
    cursor = rest;
    await pause(PAUSE_MS);
  }
}
