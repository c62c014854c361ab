/**
 * A process with a cache of answers, for what only several processes, or the end of one, can show. It counts its
 * computations in Redis. Started by a test with the socket of its Redis; asked over the channel between them.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import type { Test } from 'tap';
import { question, startCache, textOf } from './answer-cache.js';
import './watch.js';

export const countKey = 'computations';

interface Order {
  name: string;
  /** How many requests, all at once. */
  requests: number;
  computeMs: number;
  refresh: boolean;
}

export interface Report {
  /** Different bodies that were answered. */
  bodies: string[];
  errors: string[];
  states: Record<string, number>;
  longestMs: number;
}

async function serve(socket: string): Promise<void> {
  const { cache } = await startCache(socket);
  const redis = new Redis(socket);
  process.on('message', async ({ name, requests, computeMs, refresh }: Order) => {
    const report: Report = { bodies: [], errors: [], states: {}, longestMs: 0 };
    const began = performance.now();
    async function compute() {
      const run = await redis.incr(countKey);
      await pause(computeMs);
      return { run };
    }
    async function ask() {
      try {
        const answer = await cache.get(question(name, { refresh }), compute);
        if (!report.bodies.includes(textOf(answer))) report.bodies.push(textOf(answer));
        report.states[answer.state] = (report.states[answer.state] ?? 0) + 1;
      } catch (error) {
        report.errors.push(String(error));
      }
      report.longestMs = Math.max(report.longestMs, performance.now() - began);
    }
    await Promise.all(Array.from({ length: requests }, ask));
    process.send?.(report);
  });
  process.send?.('ready');
}

/** Starts such a process; it ends with the test. */
export async function startCacheProcess(test: Pick<Test, 'teardown'>, socket: string) {
  // Without the options of the test's own process, which make a start slow.
  const child = fork(fileURLToPath(import.meta.url), [socket], { execArgv: [] });
  const exited = once(child, 'exit');
  test.teardown(async () => {
    child.kill('SIGKILL');
    await exited;
  });
  await once(child, 'message');
  return {
    child,
    async ask(order: Partial<Order> & { name: string }): Promise<Report> {
      child.send({ requests: 1, computeMs: 100, refresh: false, ...order });
      const [report] = await once(child, 'message');
      return report as Report;
    },
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await serve(process.argv[2]);
