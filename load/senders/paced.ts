/**
 * An even pace: requests leave at equal distances, whether or not the answers to those before have come, and are timed
 * from when they should have left. So a service that stands still for a while is seen to by everybody who would have come
 * meanwhile. autocannon sends what it has for a second at the beginning of it.
 */
import { Agent, request } from 'node:http';
import { performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import { ranksOf } from '../results/statistics.js';
import type { Shot } from './cannon.js';

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

/** Whether the answer was a 2xx and came whole. */
function isStored(url: string, agent: Agent, body: Buffer): Promise<boolean> {
  return new Promise((resolve) => {
    const headers = { 'content-type': 'application/json', 'content-length': body.length };
    const sending = request(url, { agent, method: 'POST', headers }, (answer) => {
      const status = answer.statusCode ?? 0;
      answer.resume();
      answer.on('end', () => resolve(status >= 200 && status < 300));
      answer.on('error', () => resolve(false));
    });
    sending.on('error', () => resolve(false));
    sending.end(body);
  });
}

/** Sends for some seconds and waits for the last answer. Latencies are in milliseconds. */
export async function firePaced({
  base,
  path,
  bodies,
  connections,
  seconds,
  rate,
  note,
}: Pace): Promise<Shot> {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const times: number[] = [];
  let failures = 0;

  async function send(number: number, due: number): Promise<void> {
    if (!(await isStored(base + path, agent, bodies[number % bodies.length] as Buffer))) {
      failures++;
      return;
    }
    const ms = performance.now() - due;
    times.push(ms);
    note?.(ms);
  }

  const start = performance.now();
  const sent: Promise<void>[] = [];
  const all = Math.floor(rate * seconds);
  while (sent.length < all) {
    for (let due = 0; sent.length < all; ) {
      due = start + (1_000 * sent.length) / rate;
      if (due > performance.now()) break;
      sent.push(send(sent.length, due));
    }
    await pause(TICK_MS);
  }
  await Promise.all(sent);
  const took = (performance.now() - start) / 1_000;
  agent.destroy();
  return { requests: times.length / took, ...ranksOf(times), failures, seconds: took };
}
