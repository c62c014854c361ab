/**
 * `papertrail import`: files of events, a line each, into a running service, one file after the other.
 *
 * An input that cannot be read to its end does not keep the others from being imported; a service that takes
 * no more events ends it all. The checkpoints of finished files stay until the whole command has succeeded:
 * given again after a break, the same command passes over what it has done instead of counting it twice.
 *
 * At the end the service is told that cached answers are out of date, all of them: rows are not read here, so nobody
 * knows which systems they were about.
 */
import type { Clock } from '../clock.js';
import { batchLinesMax } from './batches.js';
import { createNote } from './checkpoint.js';
import { createDryRun } from './dry-run.js';
import { type ExitStatus, exitStatus, Failure } from './exit.js';
import { createFinishedImports } from './finished-imports.js';
import { describe, type Service } from './http.js';
import { importFile } from './import-file.js';
import { type Input, lookAt } from './input.js';
import { startProgress } from './progress.js';
import { createReport, type Report } from './report.js';
import { createSender } from './send.js';
import { formatCount } from './text.js';

interface ImportOptions {
  service: Service;
  /** Rows under way at once; undefined: as many as fit into `parallel` requests. */
  batch: number | undefined;
  parallel: number;
  retrySeconds: number;
  /** Begins at the first line, wherever an earlier import stopped. */
  restart: boolean;
  /** Counts again what was imported before. */
  again: boolean;
  /** Sends rows without a time, which count at the time of the import. */
  takesTimeless: boolean;
  /** Reads and checks rows here, and sends nothing. */
  dryRun: boolean;
  quiet: boolean;
  stateDir: string;
}

interface ImportDependencies {
  clock: Clock;
  /** For how long something takes. */
  monotonic: Clock;
  /** 0 to 1, for the jitter of pauses. */
  random: () => number;
  /** A value that no other call of it returns. */
  randomId: () => string;
  /** Waits; rejects when the signal is aborted. */
  sleep: (milliseconds: number, signal: AbortSignal) => Promise<void>;
  stderr: NodeJS.WriteStream;
  /** Aborted, with a Failure as the reason, to stop after the requests under way. */
  stop: AbortController;
}

function statusOf(failures: Failure[], { rejected }: Report): ExitStatus {
  // The last one is what ended it all, if anything did.
  const last = failures.at(-1);
  if (last) return last.status;
  return rejected > 0 ? exitStatus.negative : exitStatus.done;
}

const invalidateTimeoutMs = 5_000;

/** Has answers from before computed anew, so that the import is seen at once. It is done whether that works or not. */
async function showAtOnce(service: Service, say: (text: string) => void): Promise<void> {
  const headers = { 'content-type': 'application/json' };
  const path = '/api/v1/admin/cache/invalidate';
  const answer = await service.request(path, invalidateTimeoutMs, { method: 'POST', headers, body: '{}' });
  if (answer.status !== 200)
    say(`answers from before the import may still be given for a while: ${describe(answer)}`);
}

/** Whole requests of `batch` rows, at least one and at most `parallel`. */
const requestsAtOnce = ({ batch = Number.POSITIVE_INFINITY, parallel }: ImportOptions): number =>
  Math.min(parallel, Math.max(1, Math.floor(batch / batchLinesMax)));

/** How far an unfinished input is imported, and how to go on. */
function placeOf({ name, path }: Input, { files }: Report): string {
  const entry = files.find(({ file, finished }) => file === name && !finished);
  if (!entry) return `nothing of ${name} was sent`;
  if (entry.to_line === 0) return `nothing of ${name} is acknowledged`;
  const done = `${name} is imported up to line ${formatCount(entry.to_line)}`;
  return path === undefined
    ? `${done} and cannot be read again from there`
    : `${done}, the same command goes on from there`;
}

/**
 * Imports inputs: paths, or `-` for standard input.
 * @returns the account of it, the first rows as they were read in a dry run, and how the command ends
 * @throws Failure where one cannot be read at all, before anything is sent
 */
export async function importFiles(names: string[], options: ImportOptions, dependencies: ImportDependencies) {
  const { clock, monotonic, random, randomId, sleep, stderr, stop } = dependencies;
  const { service, quiet, retrySeconds, stateDir, dryRun } = options;
  const { base, identity } = service;
  const parallel = requestsAtOnce(options);
  const finished = createFinishedImports({ stateDir, base });
  const found = await Promise.all(names.map(lookAt));
  // Nothing is noted of an input that cannot be read anew.
  const inputs = dryRun ? found.map(({ path: _, ...input }): Input => input) : found;
  const startedAt = monotonic.now();
  const bytesTotal = inputs.reduce((total, { size }) => total + size, 0);
  const progress = startProgress({ bytesTotal, quiet, clock: monotonic, stream: stderr });
  const account = createReport();
  const { say } = progress;
  const trial = dryRun ? createDryRun(clock) : undefined;
  const sender =
    trial ??
    createSender({ service, retrySeconds, clock: monotonic, random, sleep, signal: stop.signal, say });
  const { report } = account;
  const failures: Failure[] = [];

  for (const input of inputs) {
    try {
      const run = { ...options, parallel, base, identity, clock, randomId, finished };
      await importFile(input, { ...run, sender, progress, account, stop });
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      failures.push(error);
      report.failures.push(dryRun ? error.message : `${error.message}; ${placeOf(input, report)}`);
    }
    if (stop.signal.aborted) break;
  }
  progress.stop();
  if (report.accepted > 0 && !dryRun) await showAtOnce(service, say);
  report.seconds = (monotonic.now() - startedAt) / 1_000;
  if (failures.length === 0) for (const input of inputs) await createNote(input, { stateDir, base }).remove();
  return { report, samples: trial?.samples, status: statusOf(failures, report) };
}
