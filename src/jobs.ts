/**
 * Periodic jobs: run, wait, run again. A run never overlaps the one before it, a failed one is logged and the
 * next comes all the same, and stopping waits for the one under way.
 */
import type { FastifyBaseLogger } from 'fastify';

interface JobOptions {
  name: string;
  everyMs: number;
  run: () => Promise<void>;
  log: FastifyBaseLogger;
}

/** Starts a job at once. `stop` resolves when it has ended. */
export function startJob({ name, everyMs, run, log }: JobOptions) {
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  let running: Promise<void> = Promise.resolve();

  function turn(): void {
    running = run()
      .catch((error: Error) => log.error({ err: error, job: name }, 'a periodic job failed'))
      .then(() => {
        if (!stopped) timer = setTimeout(turn, everyMs).unref();
      });
  }
  turn();

  return {
    async stop(): Promise<void> {
      stopped = true;
      clearTimeout(timer);
      await running;
    },
  };
}

export type Job = ReturnType<typeof startJob>;
