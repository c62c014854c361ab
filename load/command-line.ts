/** What was typed after `npm run bench --`: which scenarios, and their options. */
import type { Scenario, Settings } from './scenario.js';

export class UsageError extends Error {}

export interface Command {
  isList: boolean;
  isFull: boolean;
  /** The folder that results go to. */
  out: string;
  chosen: { scenario: Scenario; options: Settings }[];
}

const OUT_DEFAULT = 'bench-results';
const FLAGS = ['list', 'help', 'full'];

/** Names, and options by name: `--name value` or `--name=value`; flags stand alone. */
function split(words: readonly string[]) {
  const names: string[] = [];
  const options = new Map<string, string>();
  const flags = new Set<string>();
  for (let i = 0; i < words.length; i++) {
    const [, name, given] = /^--([a-z-]+)(?:=(.*))?$/is.exec(words[i]) ?? [];
    if (name === undefined) names.push(words[i]);
    else if (FLAGS.includes(name)) flags.add(name);
    else {
      const value = given ?? words[++i];
      if (value === undefined) throw new UsageError(`--${name} wants a value`);
      options.set(name, value);
    }
  }
  return { names, options, flags };
}

/** An option as its default is: a number, or text. */
function convert(name: string, value: string, fallback: number | string): number | string {
  if (typeof fallback === 'string') return value;
  const number = Number(value);
  if (value.trim() === '' || !(number >= 0) || !Number.isFinite(number)) {
    throw new UsageError(`--${name} wants a number, not "${value}"`);
  }
  return number;
}

/**
 * Scenarios by name, all of them where none is named; an option goes to those that have it.
 * @throws UsageError for a name or option that nobody has
 */
export function readCommand(words: readonly string[], scenarios: readonly Scenario[]): Command {
  const { names, options, flags } = split(words);
  const known = new Set(scenarios.map(({ name }) => name));
  for (const name of names) {
    if (!known.has(name))
      throw new UsageError(`there is no scenario "${name}"; there are ${[...known].join(', ')}`);
  }
  const out = options.get('out') ?? OUT_DEFAULT;
  options.delete('out');
  const isFull = flags.has('full');
  const used = new Set<string>();
  const chosen = scenarios
    .filter(({ name }) => names.length === 0 || names.includes(name))
    .map((scenario) => {
      const defaults = { ...scenario.short, ...(isFull ? scenario.full : {}) } as Settings;
      const own = Object.entries(defaults).map(([name, fallback]) => {
        const value = options.get(name);
        if (value === undefined) return [name, fallback];
        used.add(name);
        return [name, convert(name, value, fallback)];
      });
      return { scenario, options: Object.fromEntries(own) as Settings };
    });
  for (const name of options.keys()) {
    if (!used.has(name)) throw new UsageError(`none of these scenarios has --${name}; see --list`);
  }
  return { isList: flags.has('list') || flags.has('help'), isFull, out, chosen };
}

/** What --list prints: each scenario with its options, and what is other with --full. */
export function describe(scenarios: readonly Scenario[]): string {
  const lines = scenarios.map(({ name, about, short, full = {} }) => {
    const options = Object.entries(short).map(([option, value]) => {
      const other = full[option] === undefined ? '' : ` (full ${full[option]})`;
      return `--${option} ${value === '' ? "''" : value}${other}`;
    });
    return `${name}\n  ${about}\n  ${options.join('  ')}`;
  });
  const usage = 'npm run bench -- [scenario ...] [--option value ...]; without a name, all of them';
  return `${usage}\n\n${lines.join('\n')}\n\nAlso --full, --out ${OUT_DEFAULT}, --list.`;
}
