/**
 * An even pace: requests leave at equal distances, whether or not the answers to those before have come, and are timed
 * from when they should have left. So a service that stands still for a while is seen to by everybody who would have come
 * meanwhile, and so is a sender that has no connection free. autocannon sends what it has for a second at the beginning
 * of it. The first two seconds are not counted: connections are opened in them, and what waited for that is caught up on.
 */
import { performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import { Pool } from 'undici';
import { ranksOf } from '../results/statistics.js';
import type { FiredShot } from './cannon.js';

interface Pace {
  base: string;
  path: string;
  bodies: readonly Buffer[];
  connections: number;
  seconds: number;
  /** Requests a second. */
  rate: number;
  /** Told of every answer with 2xx. */
  note?: (ms: number) => void;
}

const TICK_MS = 1;
const LEAD_SECONDS = 2;

/** The status of the answer once it has come whole, 0 where it does not. */
function statusOf(pool: Pool, path: string, body: Buffer): Promise<number> {
  return new Promise((resolve) => {
    let status = 0;
    pool.dispatch(
      { path, method: 'POST', headers: { 'content-type': 'application/json' }, body },
      {
        onRequestStart() {},
        onResponseStart(_controller, code) {
          status = code;
        },
        onResponseData() {},
        onResponseEnd: () => resolve(status),
        onResponseError: () => resolve(0),
      },
    );
  });
}

/** Sends for some seconds and waits for the last answer. Latencies are in milliseconds. */
export async function firePaced(pace: Pace): Promise<FiredShot> {
  const { base, path, bodies, connections, seconds, rate, note } = pace;
  const pool = new Pool(base, { connections, pipelining: 1 });
  const times: number[] = [];
  const refused: number[] = [];
  let failures = 0;
  const start = performance.now();
  const countFrom = start + LEAD_SECONDS * 1_000;

  async function send(number: number, due: number): Promise<void> {
    const status = await statusOf(pool, path, bodies[number % bodies.length] as Buffer);
    const ms = performance.now() - due;
    const isStored = status >= 200 && status < 300;
    if (isStored) note?.(ms);
    if (due < countFrom) return;
    if (isStored) times.push(ms);
    else failures++;
    if (status === 503) refused.push(ms);
  }

  const sent: Promise<void>[] = [];
  const all = Math.floor(rate * (LEAD_SECONDS + seconds));
  while (sent.length < all) {
    for (let due = 0; sent.length < all; ) {
      due = start + (1_000 * sent.length) / rate;
      if (due > performance.now()) break;
      sent.push(send(sent.length, due));
    }
    await pause(TICK_MS);
  }
  await Promise.all(sent);
  const took = (performance.now() - countFrom) / 1_000;
  await pool.destroy();
  return {
    requests: times.length / took,
    ...ranksOf(times),
    refused: { count: refused.length, ...ranksOf(refused) },
    failures,
    seconds: took,
  };
}
