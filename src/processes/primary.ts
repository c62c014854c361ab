/**
 * The primary: listens on the port for all, hands each new connection to the worker whose turn it is, keeps the workers
 * running (supervision.ts) and adds up their metrics (gathering.ts). It answers no request and has no connection to
 * Redis. It ends, and they end with it, by whatever way.
 *
 * Options of Node and the environment are those of the primary in every worker.
 */
import cluster, { type Worker as Forked } from 'node:cluster';
import { fileURLToPath } from 'node:url';
import type { FastifyBaseLogger } from 'fastify';
import { Counter, Registry } from 'prom-client';
import { workerRestarts } from '../metrics.js';
import { createGathering, figuresOf } from './gathering.js';
import type { Part, ToldError } from './life.js';
import type { FromPrimary, FromWorker, Seat } from './messages.js';
import { type Ending, supervise, type Worker } from './supervision.js';

/** How long a scrape waits for workers that do not answer. */
const GATHER_MS_MAX = 1_000;
/** The rest of the time for a stop is for those that must be killed, and the own Redis. */
const STOP_SHARE = 0.8;

interface PrimaryOptions {
  workers: number;
  /** Of the own Redis, where there is one. */
  address: () => Seat['address'];
  stopMsMax: number;
  log: FastifyBaseLogger;
}

export function primaryPart({ workers, address, stopMsMax, log }: PrimaryOptions): Part {
  const forked = new Map<number, Forked>();
  const own = new Registry();
  const restarts = new Counter({ ...workerRestarts, registers: [own] });
  const gathering = createGathering({ ask, own: () => figuresOf(own), timeoutMs: GATHER_MS_MAX });
  const supervision = supervise({
    workers,
    start,
    onRestart: () => restarts.inc(),
    log,
    random: Math.random,
  });

  function tell(worker: Forked, message: FromPrimary): void {
    worker.send(message, () => undefined); // one that is about to end need not hear it
  }

  function ask(round: number): number[] {
    for (const worker of forked.values()) tell(worker, { kind: 'metrics-wanted', round });
    return [...forked.keys()];
  }

  async function hear(worker: Forked, message: FromWorker): Promise<void> {
    if (message.kind === 'metrics-of-one') gathering.received(worker.id, message.round, message.figures);
    if (message.kind !== 'metrics-asked') return; // node --watch has messages of its own
    tell(worker, { kind: 'metrics-of-all', id: message.id, text: await gathering.gather() });
  }

  function start(number: number): Worker {
    const seat: Seat = { number, workers, address: address() };
    const exec = fileURLToPath(new URL('./worker.js', import.meta.url));
    cluster.setupPrimary({ exec, args: [JSON.stringify(seat)], serialization: 'advanced' });
    const worker = cluster.fork();
    worker.on('message', (message: FromWorker) => {
      hear(worker, message).catch((error: Error) =>
        log.error({ err: error }, 'metrics could not be added up'),
      );
    });
    const exited = new Promise<Ending>((resolve) => {
      worker.on('error', (error) => {
        log.warn({ err: error, worker: number }, 'a worker cannot be reached');
        if (worker.process.pid === undefined) resolve({ code: null, signal: null }); // it could not be forked
      });
      worker.once('exit', (code, signal) => {
        forked.delete(worker.id);
        gathering.ended(worker.id);
        resolve({ code, signal });
      });
    });
    const listening = new Promise((resolve) => {
      worker.once('listening', () => {
        forked.set(worker.id, worker);
        resolve(undefined);
      });
    });
    return { listening, exited, kill: (signal) => void worker.process.kill(signal) };
  }

  return {
    async start(isStopping) {
      process.once('exit', () => supervision.killAll('SIGKILL'));
      const ending = await supervision.start();
      if (ending === undefined || isStopping()) return;
      const message = `the first worker ended before it listened: ${ending.signal ?? `exit code ${ending.code}`}`;
      const error = new Error(message);
      // With an exit code it has said why.
      throw ending.code
        ? Object.assign<Error, Pick<ToldError, 'exitCode'>>(error, { exitCode: ending.code })
        : error;
    },
    async stop() {
      const killed = await supervision.stop(stopMsMax * STOP_SHARE);
      if (killed > 0) throw new Error(`${killed} workers did not stop in time and were killed`);
    },
  };
}
