/**
 * Supervision: a number of workers is kept running. One that ends, whatever for, is replaced by another with its
 * number, after a pause that doubles with each that did not live long, half of it left to chance.
 *
 * The first is started alone. Where that ends before it listens, the settings are wrong, or the port is taken: then the
 * whole start fails, once, with its exit code, and nothing is tried again. Once one has listened, another that ends is
 * an accident.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { FastifyBaseLogger } from 'fastify';

const PAUSE_MS_MIN = 100;
const PAUSE_MS_MAX = 10_000;
/** One that has lived so long is none that keeps failing. */
const CALM_MS = 60_000;

export interface Ending {
  code: number | null;
  signal: string | null;
}

/** One worker process. */
export interface Worker {
  /** Resolves when it takes connections. */
  listening: Promise<unknown>;
  exited: Promise<Ending>;
  kill(signal: 'SIGTERM' | 'SIGKILL'): void;
}

interface SupervisionOptions {
  workers: number;
  /** Starts one. @param number from 1 */
  start: (number: number) => Worker;
  /** Told of every one that is replaced. */
  onRestart: () => void;
  log: FastifyBaseLogger;
  random: () => number;
}

/** How long to wait before the next, after so many that did not live long. @param chance 0 to 1 */
export const pauseMs = (deaths: number, chance: number): number =>
  Math.min(PAUSE_MS_MIN * 2 ** (deaths - 1), PAUSE_MS_MAX) * (0.5 + chance / 2);

export function supervise({ workers, start, onRestart, log, random }: SupervisionOptions) {
  const stopping = new AbortController();
  const running = new Set<Worker>();
  const kept: Promise<void>[] = [];

  function open(number: number): Worker {
    const worker = start(number);
    running.add(worker);
    void worker.exited.then(() => running.delete(worker));
    return worker;
  }

  /** Keeps one worker running until the end. */
  async function keep(number: number, first: Worker): Promise<void> {
    let worker = first;
    for (let deaths = 1; ; deaths++) {
      const calm = setTimeout(() => {
        deaths = 1;
      }, CALM_MS).unref();
      const ending = await worker.exited;
      clearTimeout(calm);
      if (stopping.signal.aborted) return;
      const delayMs = Math.round(pauseMs(deaths, random()));
      const level = ending.code === 0 ? 'info' : 'error';
      log[level]({ worker: number, ...ending, delayMs }, 'a worker has ended, another takes its place');
      onRestart();
      await pause(delayMs, undefined, { signal: stopping.signal }).catch(() => undefined);
      if (stopping.signal.aborted) return;
      worker = open(number);
    }
  }

  function killAll(signal: 'SIGTERM' | 'SIGKILL'): void {
    for (const worker of running) worker.kill(signal);
  }

  return {
    /** Starts all. @returns how the first one ended, where it did so before it took connections */
    async start(): Promise<Ending | undefined> {
      const first = open(1);
      const ending = await Promise.race([first.listening.then(() => undefined), first.exited]);
      if (ending !== undefined || stopping.signal.aborted) return ending;
      kept.push(keep(1, first));
      for (let number = 2; number <= workers; number++) kept.push(keep(number, open(number)));
      return undefined;
    },

    /** Stops all, and kills those that have not ended in time. @returns how many those were */
    async stop(timeoutMs: number): Promise<number> {
      stopping.abort();
      let killed = 0;
      killAll('SIGTERM');
      const timer = setTimeout(() => {
        killed = running.size;
        killAll('SIGKILL');
      }, timeoutMs);
      await Promise.all([...kept, ...[...running].map(({ exited }) => exited)]);
      clearTimeout(timer);
      return killed;
    },

    /** For the end of the process, where there is no time left. */
    killAll,
  };
}
