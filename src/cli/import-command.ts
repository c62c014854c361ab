/** `papertrail import` as a command: what it takes, and what becomes of it. */
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { Command } from 'commander';
import { monotonicClock, systemClock } from '../clock.js';
import { defaultStateDir } from './checkpoint.js';
import { formatSample, type Sample } from './dry-run.js';
import { exitStatus, Failure } from './exit.js';
import type { Service } from './http.js';
import { importFiles } from './import.js';
import { formatReport, type Report } from './report.js';

/** What the command has in common with others. */
interface Shared {
  /** Adds the options of a command that talks to a service. */
  addCommon(command: Command): Command;
  serviceOf(options: { base: string; keyFile?: string }): Promise<Service>;
  /** Prints a result: its lines, or itself as JSON. */
  show(json: boolean | undefined, result: unknown, lines: string[]): void;
  say(text: string): void;
  /** A parser of whole numbers within bounds. */
  whole(least: number, most: number): (text: string) => number;
  environment: { stateHome: string | undefined };
  /** 0 to 1. */
  random: () => number;
}

interface Options {
  json?: boolean;
  base: string;
  keyFile?: string;
  now?: boolean;
  again?: boolean;
  dryRun?: boolean;
  restart?: boolean;
  quiet?: boolean;
  batch?: number;
  parallel: number;
  retrySeconds: number;
  stateDir: string;
}

/** Stops at the first signal when what is under way has been answered; a second one ends the process at once. */
function stopOnSignals(): AbortController {
  const stop = new AbortController();
  const signals = { SIGINT: exitStatus.interrupted, SIGTERM: exitStatus.terminated };
  for (const [signal, status] of Object.entries(signals)) {
    process.once(signal, () => stop.abort(new Failure(status, 'interrupted')));
  }
  return stop;
}

const formatDryRun = (samples: Sample[], report: Report): string[] => [
  'dry run: nothing was sent; this is what a service with default settings would make of it',
  '',
  ...samples.flatMap((sample) => [...formatSample(sample), '']),
  ...formatReport(report),
];

async function runImport(files: string[], options: Options, shared: Shared): Promise<void> {
  const { json, base, keyFile, now: takesTimeless = false, again = false, ...others } = options;
  const { dryRun = false, restart = false, quiet = false, ...rest } = others;
  const dependencies = {
    clock: systemClock,
    monotonic: monotonicClock,
    random: shared.random,
    randomId: randomUUID,
    sleep: (milliseconds: number, signal: AbortSignal) => pause(milliseconds, undefined, { signal }),
    stderr: process.stderr,
    stop: stopOnSignals(),
  };
  const service = await shared.serviceOf(keyFile === undefined ? { base } : { base, keyFile });
  const all = { batch: undefined, ...rest, again, dryRun, restart, quiet, takesTimeless, service };
  const { report, samples, status } = await importFiles(files, all, dependencies);
  if (samples) shared.show(json, { dry_run: true, samples, ...report }, formatDryRun(samples, report));
  else shared.show(json, report, formatReport(report));
  for (const failure of report.failures) shared.say(failure);
  process.exitCode = status;
}

export function addImport(program: Command, shared: Shared): void {
  const { addCommon, whole, environment } = shared;
  const command = program
    .command('import <file...>')
    .description('send files of events, one JSON object a line, gzip or not; - is standard input')
    .option('--now', 'send rows without a timestamp too; they count at the time of the import')
    .option('--dry-run', 'send nothing; show what would be refused, and three rows as they would be read')
    .option('--again', 'count again what was imported before')
    .option('--restart', 'import from the start, wherever an earlier import stopped')
    .option('--parallel <requests>', 'requests under way at once', whole(1, 16), 2)
    .option(
      '--batch <rows>',
      'rows under way at once, in whole requests of 1,000 (default: as --parallel says)',
      whole(1, 10_000),
    )
    .option('--retry-seconds <seconds>', 'how long to try when the service fails', whole(0, 86_400), 60)
    .option(
      '--state-dir <folder>',
      'where to note how far an import has come',
      defaultStateDir(environment.stateHome),
    )
    .option('--quiet', 'show no progress');
  addCommon(command).action((files: string[], options: Options) => runImport(files, options, shared));
}
