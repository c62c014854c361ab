/**
 * The command line: what commands there are and what they take. Results go to standard output, everything else
 * to standard error, and the exit status says how it went (`exit.ts`).
 *
 * It talks to a running service by HTTP only, so there is no second way into the data; only keys are made where the
 * service keeps them, and a plan of capacity is computed.
 */
import { randomBytes } from 'node:crypto';
import { resolve } from 'node:path';
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { systemClock } from '../clock.js';
import { commandLineEnvironment } from '../config.js';
import { type Scope, scopes } from '../principal.js';
import { capacityOf, formatCapacity } from './capacity.js';
import { capacityOptions, demandOf } from './capacity-options.js';
import { type ExitStatus, exitStatus, Failure } from './exit.js';
import { openService } from './http.js';
import { addImport } from './import-command.js';
import { ask, formatSystems, listSystems, type Parameters, systemsListedMax } from './query.js';
import { type Question, questions } from './questions.js';
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

/** The service of a command's options. */
const serviceOf = ({ base, keyFile }: { base: string; keyFile?: string }) =>
  openService(base, { keyFile, key: environment.key });

/** Options of every command that talks to a service. */
const addCommon = (command: Command) =>
  command
    .option('--base <address>', 'where the service is (PAPERTRAIL_URL)', environment.base)
    .option('--key-file <file>', 'a file that holds the API key (PAPERTRAIL_API_KEY)')
    .option('--json', 'print the result as JSON');

function addQuestion(query: Command, question: Question): void {
  const { usage, description, path, options, format, status } = question;
  const command = addCommon(query.command(usage).description(description)).option(
    '--fresh',
    'compute the answer now, whatever the cache holds',
  );
  for (const option of options) command.addOption(option);
  command.action(async (first: unknown) => {
    const { base, keyFile, json, user, fresh, ...parameters } = command.opts();
    const argument = typeof first === 'string' ? first : '';
    const service = await serviceOf({ base, keyFile });
    const answer = await ask(service, path(argument), { user_id: user, ...parameters } as Parameters, {
      fresh,
    });
    show(json, answer, json ? [] : format(answer as never));
    const isUnknown = answer.unknown_systems !== undefined;
    process.exitCode = isUnknown ? exitStatus.usage : (status?.(answer) ?? exitStatus.done);
  });
}

function addSystems(query: Command): void {
  addCommon(query.command('systems').description('which systems there are'))
    .option('--limit <number>', 'how many at most', whole(1, systemsListedMax), systemsListedMax)
    .option('--cursor <cursor>', 'where an earlier list ended')
    .action(async ({ json, limit, cursor, ...options }) => {
      const list = await listSystems(await serviceOf(options), limit, cursor);
      show(json, list, formatSystems(list));
    });
}

/** Loaded when it is used: what checks the records takes longer to load than all other commands need. */
const loadKeys = () => import('./keys.js');

const addKeyOptions = (command: Command) =>
  command
    .option('--file <file>', 'where the keys are kept (API_KEYS_FILE)', environment.keyFile)
    .option('--json', 'print the result as JSON');

/** As for a person who wants to have a key that opens nothing but the pages for operations. */
const noScope = 'none';

function addKeyCreation(keys: Command): void {
  const scope = new Option('--scope <scope...>', 'what it may do; none: see figures only').choices([
    ...scopes,
    noScope,
  ]);
  addKeyOptions(keys.command('create').description('make a key and print it, this once'))
    .requiredOption('--name <name>', 'what it is called, in lists and logs')
    .addOption(scope.makeOptionMandatory())
    .option('--system <system...>', 'the only systems it may touch; default: all')
    .option('--expires <instant>', 'until when it counts, as 2027-01-31T00:00:00Z; default: for ever')
    .action(async ({ file, json, name, scope, system: systems, expires }) => {
      const own = [...new Set<string>(scope)].filter((one) => one !== noScope) as Scope[];
      const description = { name, scopes: own, systems, expires };
      const { addKey } = await loadKeys();
      const made = await addKey(file, description, randomBytes, systemClock.now());
      show(json, made, [made.key]);
      say(`${resolve(file)} keeps the hash of the key ${made.name}; the key itself is shown only now`);
    });
}

function addKeys(program: Command): void {
  const keys = program.command('keys').description('API keys, in the file that the service reads');
  addKeyCreation(keys);
  addKeyOptions(keys.command('list').description('which keys there are')).action(async ({ file, json }) => {
    const { listKeys, formatKeys } = await loadKeys();
    const list = await listKeys(file);
    show(json, list, formatKeys(list, systemClock.now()));
  });
  addKeyOptions(keys.command('revoke <name>').description('take a key away')).action(
    async (name: string, { file, json }) => {
      const { revokeKey } = await loadKeys();
      await revokeKey(file, name);
      show(json, { revoked: name }, [`${printable(name)} is revoked`]);
    },
  );
}

const within = (least: number, most: number) => (text: string) => {
  const value = Number(text);
  if (text.trim() !== '' && value >= least && value <= most) return value;
  throw new InvalidArgumentError(`It must be a number from ${least} to ${most}.`);
};

function addCapacity(program: Command): void {
  const command = program
    .command('capacity')
    .description(
      'what a stream of events and questions needs: processes, Redis, memory, network (docs/capacity.md)',
    )
    .option('--json', 'print the result as JSON');
  for (const { name, description, least, most, fallback } of capacityOptions) {
    const option = new Option(`--${name} <number>`, description).argParser(within(least, most));
    if (fallback !== undefined) option.default(fallback);
    command.addOption(option.makeOptionMandatory(name === 'events-per-second'));
  }
  command.action(({ json, ...values }) => {
    const plan = capacityOf(demandOf(values));
    show(json, plan, json ? [] : formatCapacity(plan));
  });
}

function createProgram(): Command {
  const program = new Command('papertrail')
    .description('Compliance and security answers from event streams.')
    .exitOverride();
  addImport(program, { addCommon, serviceOf, show, say, whole, environment, random: Math.random });
  const query = program.command('query').description('ask a running service');
  for (const question of questions) addQuestion(query, question);
  addSystems(query);
  addKeys(program);
  addCapacity(program);
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
