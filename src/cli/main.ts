/**
 * The command line: what commands there are and what they take. Results go to standard output, everything else
 * to standard error, and the exit status says how it went (`exit.ts`).
 *
 * It talks to a running service by HTTP only, so there is no second way into the data.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { systemClock } from '../clock.js';
import { commandLineEnvironment } from '../config.js';
import { defaultStateDir } from './checkpoint.js';
import { type ExitStatus, exitStatus, Failure } from './exit.js';
import { readBase } from './http.js';
import { importFiles } from './import.js';
import { ask, formatSystems, listSystems, type Parameters, systemsListedMax } from './query.js';
import { type Question, questions } from './questions.js';
import { formatReport } from './report.js';
import { printable, printableJson } from './text.js';

const environment = commandLineEnvironment();

const say = (text: string) => process.stderr.write(`papertrail: ${printable(text)}\n`);

/** Prints a result: its lines, or itself as JSON. */
function show(json: boolean | undefined, result: unknown, lines: string[]): void {
  process.stdout.write(`${json ? printableJson(result) : lines.join('\n')}\n`);
}

const whole = (least: number, most: number) => (text: string) => {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= least && value <= most) return value;
  throw new InvalidArgumentError(`It must be a whole number from ${least} to ${most}.`);
};

/** Options of every command. */
const addCommon = (command: Command) =>
  command
    .option('--base <address>', 'where the service is (PAPERTRAIL_URL)', environment.base)
    .option('--json', 'print the result as JSON');

/** Stops at the first signal when what is under way has been answered; a second one ends the process at once. */
function stopOnSignals(): AbortController {
  const stop = new AbortController();
  const signals = { SIGINT: exitStatus.interrupted, SIGTERM: exitStatus.terminated };
  for (const [signal, status] of Object.entries(signals)) {
    process.once(signal, () => stop.abort(new Failure(status, 'interrupted')));
  }
  return stop;
}

function addImport(program: Command): void {
  const command = program
    .command('import <file...>')
    .description('send files of events, one JSON object a line, gzip or not; - is standard input')
    .option('--batch <rows>', 'rows in one request', whole(1, 10_000), 1_000)
    .option('--parallel <requests>', 'requests under way at once', whole(1, 16), 2)
    .option('--retry-seconds <seconds>', 'how long to try when the service fails', whole(0, 86_400), 60)
    .option('--restart', 'import from the start, wherever an earlier import stopped')
    .option(
      '--state-dir <folder>',
      'where to note how far an import has come',
      defaultStateDir(environment.stateHome),
    )
    .option('--quiet', 'show no progress');
  addCommon(command).action(
    async (files: string[], { json, base, batch, restart = false, quiet = false, ...options }) => {
      const dependencies = {
        clock: systemClock,
        random: Math.random,
        randomId: randomUUID,
        sleep: (milliseconds: number, signal: AbortSignal) => pause(milliseconds, undefined, { signal }),
        stderr: process.stderr,
        stop: stopOnSignals(),
      };
      const all = { ...options, restart, quiet, base: readBase(base), batchRowsMax: batch };
      const { report, status } = await importFiles(files, all, dependencies);
      show(json, report, formatReport(report));
      for (const failure of report.failures) say(failure);
      process.exitCode = status;
    },
  );
}

function addQuestion(query: Command, question: Question): void {
  const { usage, description, path, options, format, status } = question;
  const command = addCommon(query.command(usage).description(description));
  for (const option of options) command.addOption(option);
  command.action(async (first: unknown) => {
    const { base, json, user, ...parameters } = command.opts();
    const argument = typeof first === 'string' ? first : '';
    const answer = await ask(readBase(base), path(argument), { user_id: user, ...parameters } as Parameters);
    show(json, answer, json ? [] : format(answer as never));
    process.exitCode = status?.(answer) ?? exitStatus.done;
  });
}

function addSystems(query: Command): void {
  addCommon(query.command('systems').description('which systems there are'))
    .option('--limit <number>', 'how many at most', whole(1, systemsListedMax), systemsListedMax)
    .option('--cursor <cursor>', 'where an earlier list ended')
    .action(async ({ base, json, limit, cursor }) => {
      const list = await listSystems(readBase(base), limit, cursor);
      show(json, list, formatSystems(list));
    });
}

function createProgram(): Command {
  const program = new Command('papertrail')
    .description('Compliance and security answers from event streams.')
    .exitOverride();
  addImport(program);
  const query = program.command('query').description('ask a running service');
  for (const question of questions) addQuestion(query, question);
  addSystems(query);
  return program;
}

/** The status for whatever ended a command early. Texts of commander are on the screen already. */
function statusOf(error: unknown): ExitStatus {
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitStatus.done : exitStatus.usage;
  if (!(error instanceof Failure)) throw error;
  say(error.message);
  return error.status;
}

// Whoever reads the result may stop reading, as `head` does.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});

try {
  await createProgram().parseAsync();
} catch (error) {
  process.exitCode = statusOf(error);
}
