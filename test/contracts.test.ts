/**
 * Facts that are held in two places agree, both ways. In the documentation a fact is a table row that begins
 * with its name: `| \`name\` | ...`.
 */
import { readFileSync } from 'node:fs';
import t from 'tap';
import { settings } from '../src/config.js';
import { problems, rowErrorCodes } from '../src/errors.js';
import { createMetrics } from '../src/metrics.js';
import { scriptBySha, scriptFiles, scripts } from '../src/redis/scripts.js';

const root = new URL('../../', import.meta.url);
const read = (path: string) => readFileSync(new URL(path, root), 'utf8');

/** The cells of every table row whose first cell is a name in backticks. */
const rowsOf = (path: string): string[][] =>
  [...read(path).matchAll(/^\| *`([^`|]+)` *\|(.*)\|\s*$/gm)].map(([, name, rest]) => [
    name,
    ...rest.split('|').map((cell) => cell.trim()),
  ]);

type Tap = typeof t;

/** The names of the rows of a file are exactly these, each once, and every one says something. */
function agree(t: Pick<Tap, 'strictSame'>, path: string, names: readonly string[]): void {
  const rows = rowsOf(path);
  t.strictSame(rows.map(([name]) => name).sort(), [...names].sort(), path);
  t.strictSame(
    rows.filter((cells) => cells.slice(1).every((cell) => cell === '')).map(([name]) => name),
    [],
    `${path}: no row is empty`,
  );
}

t.test('Lua: the files are the scripts in the table', async (t) => {
  const names = Object.values(scripts).map(({ name }) => `${name}.lua`);
  t.strictSame(scriptFiles().sort(), names.sort());
  t.equal(scriptBySha.size, names.length, 'each with a SHA of its own');
});

for (const [name, script] of Object.entries(scripts)) {
  t.test(`Lua: ${name} uses as many KEYS as its name says, and every ARGV in turn`, async (t) => {
    const source = read(`src/redis/lua/${name}.lua`);
    const [, header, code] = /^--\[\[([\s\S]*?)\]\]([\s\S]*)$/.exec(source) ?? [];
    t.match(name, /^[a-z]+-[a-z]+-(\d|n)$/);
    const indexes = (text: string, array: string) =>
      [
        ...new Set(
          [...text.matchAll(new RegExp(`${array}\\[(\\d+)\\]`, 'g'))].map(([, index]) => Number(index)),
        ),
      ].sort();
    const upTo = (count: number) => Array.from({ length: count }, (_, i) => i + 1);
    if (name.endsWith('-n')) {
      t.strictSame(indexes(code, 'KEYS'), []);
      t.match(code, /ipairs\(KEYS\)/);
      t.match(header, /^KEYS {2}/m);
      t.equal(script.keys, undefined);
    } else {
      const count = Number(name.slice(-1));
      t.equal(script.keys, count);
      t.strictSame(indexes(code, 'KEYS'), upTo(count), 'in the code');
      t.strictSame(indexes(header, 'KEYS'), upTo(count), 'in the contract');
    }
    const argumentsUsed = indexes(code, 'ARGV');
    t.strictSame(argumentsUsed, upTo(argumentsUsed.length), 'no argument is left out');
    t.strictSame(indexes(header, 'ARGV'), argumentsUsed, 'the contract names them');
    t.match(header, /^Returns /m, 'and what comes back');
    t.ok(/\bP\./.test(code) === /^P {2}/m.test(header), 'and the parameters, where it uses them');
  });
}

t.test('.env.example: every setting with its default, and nothing else', async (t) => {
  const lines = [...read('.env.example').matchAll(/^(?:# ?)?([A-Z][A-Z0-9_]*)=(.*)$/gm)];
  const example = Object.fromEntries(lines.map(([, name, value]) => [name, value]));
  const table = Object.entries(settings.properties).map(([name, setting]) => [
    name,
    String((setting as { default?: unknown }).default),
  ]);
  t.equal(lines.length, Object.keys(example).length, 'each once');
  t.strictSame(example, Object.fromEntries(table));
});

t.test('docs/errors.md: every problem and row error code, and every status', async (t) => {
  agree(t, 'docs/errors.md', [...Object.keys(problems), ...Object.keys(rowErrorCodes)]);
  for (const [code, ...cells] of rowsOf('docs/errors.md')) {
    if (code in problems && cells.length > 1) {
      t.equal(
        cells[0],
        String(problems[code as keyof typeof problems].status),
        `${code}: the second cell is its status`,
      );
    }
  }
});

t.test('errors: a problem that can be tried again says when, and every row error says why', async (t) => {
  for (const [code, { status, title, retryAfterSeconds }] of Object.entries(problems)) {
    t.equal(retryAfterSeconds !== undefined, status === 503 || status === 429, code);
    t.match(title, /^[A-Z].*[^.]$/, code);
  }
  for (const [code, sentence] of Object.entries(rowErrorCodes)) t.match(sentence, /^[A-Z].*\.$/, code);
});

t.test('docs/metrics.md: every metric of the table', async (t) => {
  const names = createMetrics()
    .register.getMetricsAsArray()
    .map(({ name }) => name);
  // Those of the process are documented by their library.
  agree(
    t,
    'docs/metrics.md',
    names.filter((name) => !/^papertrail_(process|nodejs)_/.test(name)),
  );
});

t.test('docs/dependencies.md: every package', async (t) => {
  const { dependencies, devDependencies } = JSON.parse(read('package.json'));
  agree(t, 'docs/dependencies.md', [...Object.keys(dependencies), ...Object.keys(devDependencies)]);
});

t.test('openapi.yaml is what the routes say', async (t) => {
  const module = new URL('../src/openapi.js', import.meta.url).href;
  const { openapiYaml } = (await import(module)) as { openapiYaml(): Promise<string> };
  t.equal(read('openapi.yaml'), await openapiYaml());
});
