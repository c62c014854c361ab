/**
 * Scanning: how the keyspace is walked, by SCAN only. KEYS would stop Redis for as long as it takes; a step of SCAN
 * visits about `stepKeys` keys, which takes Redis a fraction of a millisecond however many there are, and between two
 * steps there is a pause in which everybody else is served. A million keys take a few seconds that way.
 *
 * What SCAN promises: a key that is there from the beginning to the end of a walk is seen, perhaps more than once; one
 * that comes or goes meanwhile may be seen or not. A walk has a time budget and ends with a cursor where that is
 * over, so a request never lasts long and the next one goes on; Redis keeps nothing for it.
 *
 * On a cluster the masters are walked over one after another, in the order of their first slots; the keys of one system
 * are on one of them, so a walk for these visits no other. A cursor holds the slot, the run of the server and the
 * cursor of SCAN. That means something to the server that gave it only: where another one has the slot now, since a
 * replica took over or Redis was started again, that server is walked over from its beginning. Keys whose slot is
 * moved from one master to another during a walk may be missed.
 *
 * Cursors are text that only this file understands. Redis down, or one of the masters that are walked over: the walk
 * fails.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import type { Clock } from '../clock.js';
import { type Call, call, readPipeline, type Store, toProblem } from './pipeline.js';
import { type Home, homesOf } from './store.js';

/** Keys that one step visits. */
export const stepKeys = 500;
/** So that a walk takes about a fifth of Redis's time. */
const PAUSE_MS = 1;
/** Characters of the id that a server gives each of its runs: enough to tell two apart. */
const RUN_CHARACTERS = 12;
/** Redis's own cursor, at the beginning and at the end. */
const NOWHERE = '0';
const PLACE_MAX = 2n ** 64n - 1n;

/** Where a walk begins. */
export const scanStart = '0..0';

const cursorForm = /^(\d{1,5})\.([0-9a-f]*)\.(\d{1,20})$/;

export function isCursor(text: string): boolean {
  const [, , , place] = cursorForm.exec(text) ?? [];
  return place !== undefined && BigInt(place) <= PLACE_MAX;
}

interface ScanOptions {
  redis: Store;
  /** A pattern of SCAN, from redis/keys.ts. */
  match: string;
  /** Any key of those that are looked for, where all of them are in its slot. */
  sibling?: string | undefined;
  /** `scanStart`, or where an earlier walk ended. */
  from: string;
  /** Keys that one step visits. */
  step?: number;
  budgetMs: number;
  monotonic: Clock;
  timeoutMs: number;
}

type Visit = (keys: string[]) => undefined | boolean | Promise<undefined | boolean>;

async function ask(redis: Redis, question: Call, timeoutMs: number): Promise<unknown> {
  const [reply] = await readPipeline(redis, [question], timeoutMs).catch((error: Error) => {
    throw toProblem(error);
  });
  return reply;
}

function findHomes({ redis, sibling, from }: ScanOptions): Home[] {
  try {
    return homesOf(redis, sibling, Number(from.split('.')[0]));
  } catch (error) {
    throw toProblem(error as Error);
  }
}

/** A walk over one server. `end`: when the time is over. @returns where it goes on, undefined at its end */
async function walkServer(
  { redis, slot }: Home,
  { match, from, step = stepKeys, monotonic, timeoutMs }: ScanOptions,
  end: number,
  visit: Visit,
): Promise<string | undefined> {
  const info = await ask(redis, call('INFO', 'server'), timeoutMs);
  const run = (/^run_id:(\w+)/m.exec(String(info))?.[1] ?? '').slice(0, RUN_CHARACTERS);
  const [, fromSlot, fromRun, place] = cursorForm.exec(from) ?? [];
  let cursor = Number(fromSlot) === slot && fromRun === run ? place : NOWHERE;
  for (;;) {
    const next = call('SCAN', cursor, 'MATCH', match, 'COUNT', step);
    const [rest, keys] = (await ask(redis, next, timeoutMs)) as [string, string[]];
    const isEnough = await visit(keys);
    if (rest === NOWHERE) return undefined;
    if (isEnough || monotonic.now() >= end) return `${slot}.${run}.${rest}`;
    cursor = rest;
    await pause(PAUSE_MS);
  }
}

/**
 * Walks over the keys that match, from a cursor to the end or until the budget is over.
 * @param visit takes the keys of one step, which may be none; the walk ends early where it returns true
 * @returns the cursor to go on from, undefined where the walk came to its end
 * @throws Problem redis_unavailable
 */
export async function scan(options: ScanOptions, visit: Visit): Promise<string | undefined> {
  const end = options.monotonic.now() + options.budgetMs;
  for (const home of findHomes(options)) {
    const rest = await walkServer(home, options, end, visit);
    if (rest !== undefined) return rest;
  }
  return undefined;
}
