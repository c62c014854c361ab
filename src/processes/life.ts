/**
 * The life of a process: its parts start one after the other and stop the other way round. On SIGTERM or SIGINT, also
 * during the start, or after an unexpected error, what runs is stopped within a time; then the process ends.
 */
import closeWithGrace, { type Options } from 'close-with-grace';
import { logFatal, logUnexpected, type ProcessLog } from './log.js';

export interface Part {
  /** @param isStopping whether it is to be cut short */
  start(isStopping: () => boolean): Promise<void>;
  /** Harmless where it was not started, or not to the end. */
  stop(): Promise<void>;
}

interface LifeOptions {
  log: ProcessLog;
  stopMsMax: number;
}

/** An error of a start of which the log tells already, and what the process is to end with. */
export interface ToldError extends Error {
  exitCode: number;
}
const isTold = (error: Error): error is ToldError => 'exitCode' in error;

/** Starts the parts and waits for the end. Does not return before all have started. */
export async function live(parts: readonly Part[], { log, stopMsMax }: LifeOptions): Promise<void> {
  let stopping = false;
  async function stopAll(): Promise<void> {
    const failures: Error[] = [];
    for (const part of parts.toReversed()) await part.stop().catch((error: Error) => failures.push(error));
    if (failures.length > 0) throw failures[0];
  }
  const options: Options = { delay: stopMsMax, logger: log, skip: ['SIGINT', 'SIGTERM'] };
  const grace = closeWithGrace(options, async ({ err }) => {
    if (err) logUnexpected(log, err);
    stopping = true;
    await stopAll();
  });
  // Under npm a Ctrl-C arrives twice, from the terminal and from npm: the second one must not cut the stop short.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (stopping) return;
      stopping = true;
      log.info({ signal }, 'stopping');
      void grace.close();
    });
  }
  try {
    for (const part of parts) if (!stopping) await part.start(() => stopping);
  } catch (error) {
    if (stopping) return; // a start that was cut short
    const failure = error as Error;
    if (!isTold(failure)) logFatal(log, failure);
    await stopAll().catch((error: Error) => log.error(error.message));
    process.exit(isTold(failure) ? failure.exitCode : 1);
  }
}
