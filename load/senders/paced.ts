/**
 * An even pace: requests leave at equal distances, whether or not the answers to those before have come, and are timed
 * from when they should have left. So a service that stands still for a while is seen to by everybody who would have come
 * meanwhile, and so is a sender that has no connection free. autocannon sends what it has for a second at the beginning
 * of it. All connections are opened before the first request leaves; what comes of the first half second is told apart.
 */
import { performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import { type Dispatcher, Pool } from 'undici';
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
const LEAD_SECONDS = 0.5;

export interface PacedShot extends FiredShot {
  /** The slowest answers to what was sent in the first half second, which is in no other figure, in milliseconds. */
  lead: { accepted: number; refused: number };
}

type Sent = Pick<Dispatcher.DispatchOptions, 'path' | 'method' | 'headers' | 'body'>;

/** The status of the answer once it has come whole, 0 where it does not. */
function statusOf(pool: Pool, request: Sent): Promise<number> {
  return new Promise((resolve) => {
    let status = 0;
    pool.dispatch(request, {
      onRequestStart() {},
      onResponseStart(_controller, code) {
        status = code;
      },
      onResponseData() {},
      onResponseEnd: () => resolve(status),
      onResponseError: () => resolve(0),
    });
  });
}

/** A pool whose connections are open: as many requests at once open as many. */
async function openPool(base: string, connections: number): Promise<Pool> {
  const pool = new Pool(base, { connections, pipelining: 1 });
  await Promise.all(
    Array.from({ length: connections }, () => statusOf(pool, { path: '/livez', method: 'GET' })),
  );
  return pool;
}

/** What became of each request, by its number; kept flat, so that the sender's garbage collector has nothing to follow. */
interface Outcomes {
  statuses: Uint16Array;
  /** In milliseconds. */
  latencies: Float64Array;
}

const isStored = (status: number): boolean => status >= 200 && status < 300;

/** The figures of all but the first requests, those of the half second that is told apart. */
function shotOf({ statuses, latencies }: Outcomes, leading: number, seconds: number): PacedShot {
  const times: number[] = [];
  const refused: number[] = [];
  const lead = { accepted: 0, refused: 0 };
  let failures = 0;
  statuses.forEach((status, number) => {
    const ms = latencies[number] as number;
    if (number < leading) {
      const outcome = isStored(status) ? 'accepted' : 'refused';
      lead[outcome] = Math.max(lead[outcome], ms);
      return;
    }
    if (isStored(status)) times.push(ms);
    else failures++;
    if (status === 503) refused.push(ms);
  });
  return {
    requests: times.length / seconds,
    ...ranksOf(times),
    refused: { count: refused.length, ...ranksOf(refused) },
    failures,
    seconds,
    lead,
  };
}

/** Sends for some seconds and waits for the last answer. Latencies are in milliseconds. */
export async function firePaced(pace: Pace): Promise<PacedShot> {
  const { base, path, bodies, connections, seconds, rate, note } = pace;
  const pool = await openPool(base, connections);
  const headers = { 'content-type': 'application/json' };
  const all = Math.floor(rate * (LEAD_SECONDS + seconds));
  const outcomes: Outcomes = { statuses: new Uint16Array(all), latencies: new Float64Array(all) };
  const start = performance.now();
  const dueAt = (number: number) => start + (1_000 * number) / rate;
  let sent = 0;
  let answered = 0;

  async function send(number: number): Promise<void> {
    const body = bodies[number % bodies.length] as Buffer;
    const status = await statusOf(pool, { path, method: 'POST', headers, body });
    const ms = performance.now() - dueAt(number);
    outcomes.statuses[number] = status;
    outcomes.latencies[number] = ms;
    answered++;
    if (isStored(status)) note?.(ms);
  }

  while (answered < all) {
    while (sent < all && dueAt(sent) <= performance.now()) send(sent++);
    await pause(TICK_MS);
  }
  const took = (performance.now() - start) / 1_000;
  await pool.destroy();
  return shotOf(outcomes, Math.ceil(rate * LEAD_SECONDS), took - LEAD_SECONDS);
}
