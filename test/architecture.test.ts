/** The shape of the source: what may import what, and what may stand where. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import ts from 'typescript';

const root = fileURLToPath(new URL('../../', import.meta.url));
const source = join(root, 'src');
const linesMax = 300;

/** Lowest first; a name is a file of src/ without its ending, or a folder. */
const layers: readonly (readonly string[])[] = [
  [
    'errors',
    'metrics',
    'config',
    'settings-error',
    'redaction',
    'clock',
    'problem-schema',
    'principal',
    'tick-object',
  ],
  ['windows'],
  ['sketches'],
  ['redis', 'cache', 'access', 'limits', 'privacy', 'jobs'],
  [
    'plugins',
    'events',
    'compliance',
    'systems',
    'rollups',
    'health',
    'admin',
    'subjects',
    'capacity',
    'stream',
    'threats',
    'snapshots',
    'dashboard',
  ],
  ['wiring'],
  ['app', 'openapi'],
  ['processes'],
  ['server', 'cli'],
];
const features = layers[4];

interface SourceFile {
  /** Relative to src/. */
  path: string;
  tree: ts.SourceFile;
  lines: number;
  /** Files of src/ that it imports, types included. */
  imports: string[];
}

/** Calls `visit` for every node. */
function walk(node: ts.Node, visit: (node: ts.Node) => void): void {
  visit(node);
  ts.forEachChild(node, (child) => walk(child, visit));
}

function importsOf(path: string, tree: ts.SourceFile): string[] {
  const found: string[] = [];
  walk(tree, (node) => {
    let specifier: ts.Node | undefined;
    if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) specifier = node.moduleSpecifier;
    else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument))
      specifier = node.argument.literal;
    else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      [specifier] = node.arguments;
    }
    if (specifier && ts.isStringLiteral(specifier) && specifier.text.startsWith('.')) {
      found.push(join(dirname(path), specifier.text).replace(/\.js$/, '.ts'));
    }
  });
  return found;
}

const files: SourceFile[] = readdirSync(source, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts'))
  .sort()
  .map((path) => {
    const text = readFileSync(join(source, path), 'utf8');
    const tree = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
    return { path, tree, lines: text.split('\n').length - 1, imports: importsOf(path, tree) };
  });

/** Folder or file directly under src/. */
const unitOf = (path: string) => path.split('/')[0].replace(/\.ts$/, '');
const layerOf = (path: string) => layers.findIndex((units) => units.includes(unitOf(path)));
const place = (file: SourceFile, node: ts.Node) =>
  `${file.path}:${file.tree.getLineAndCharacterOfPosition(node.getStart()).line + 1}`;

/** Where a kind of node stands, in all files. */
function placesOf(matches: (node: ts.Node, file: SourceFile) => boolean): string[] {
  const places: string[] = [];
  for (const file of files) walk(file.tree, (node) => matches(node, file) && places.push(place(file, node)));
  return places;
}
const isProperty = (node: ts.Node, object: string, name: string) =>
  ts.isPropertyAccessExpression(node) && node.name.text === name && node.expression.getText() === object;
const outside = (places: string[], ...allowed: string[]) =>
  places.filter((one) => !allowed.includes(one.split(':')[0]));

t.test('every file has its layer and every import leads to a file', async (t) => {
  t.ok(files.length > 50);
  t.strictSame(
    files.map(({ path }) => path).filter((path) => layerOf(path) < 0),
    [],
    'no file is outside the layers',
  );
  const known = new Set(files.map(({ path }) => path));
  for (const { path, imports } of files) {
    t.strictSame(
      imports.filter((target) => !known.has(target)),
      [],
      path,
    );
  }
});

t.test('imports only point down the layers', async (t) => {
  const upward = files.flatMap(({ path, imports }) =>
    imports.filter((target) => layerOf(target) > layerOf(path)).map((target) => `${path} -> ${target}`),
  );
  t.strictSame(upward, []);
});

t.test('features never import each other', async (t) => {
  const sideways = files.flatMap(({ path, imports }) =>
    imports
      .filter((target) => features.includes(unitOf(path)) && features.includes(unitOf(target)))
      .filter((target) => unitOf(target) !== unitOf(path))
      .map((target) => `${path} -> ${target}`),
  );
  t.strictSame(sideways, []);
});

t.test('no import leads back to where it came from', async (t) => {
  const importsBy = new Map(files.map(({ path, imports }) => [path, imports]));
  const done = new Set<string>();
  const cycles: string[] = [];
  function follow(path: string, trail: readonly string[]): void {
    if (trail.includes(path)) cycles.push([...trail.slice(trail.indexOf(path)), path].join(' -> '));
    else if (!done.has(path)) {
      for (const target of importsBy.get(path) ?? []) follow(target, [...trail, path]);
      done.add(path);
    }
  }
  for (const { path } of files) follow(path, []);
  t.strictSame(cycles, []);
});

const inputAndOutput =
  'fs fs/promises net tls http https dgram child_process worker_threads timers ioredis fastify pino'.split(
    ' ',
  );

t.test('windows and sketches do no input or output', async (t) => {
  const modules = placesOf((node, { path }) => {
    if (!['windows', 'sketches'].includes(unitOf(path)) || !ts.isImportDeclaration(node)) return false;
    const name = (node.moduleSpecifier as ts.StringLiteral).text;
    return inputAndOutput.includes(name.replace('node:', ''));
  });
  t.strictSame(modules, []);
});

t.test('the environment is read in config.ts only', async (t) => {
  const places = placesOf((node) => isProperty(node, 'process', 'env'));
  t.ok(places.length > 0);
  t.strictSame(outside(places, 'config.ts'), []);
});

t.test('the time is asked for in clock.ts only', async (t) => {
  const places = placesOf(
    (node) =>
      isProperty(node, 'Date', 'now') ||
      (ts.isNewExpression(node) && node.expression.getText() === 'Date' && !node.arguments?.length) ||
      (ts.isCallExpression(node) && node.expression.getText() === 'Date'),
  );
  t.ok(places.length > 0);
  t.strictSame(outside(places, 'clock.ts'), []);
});

t.test('randomness is a parameter: Math.random is handed in, never called', async (t) => {
  const places = placesOf(
    (node) =>
      isProperty(node, 'Math', 'random') &&
      ts.isCallExpression(node.parent) &&
      node.parent.expression === node,
  );
  t.strictSame(places, []);
  const handed = placesOf((node) => isProperty(node, 'Math', 'random'));
  t.strictSame(
    outside(handed, 'redis/connection.ts', 'processes/primary.ts', 'cli/main.ts'),
    [],
    'and only where programs are put together',
  );
});

t.test('no file is longer than 300 lines', async (t) => {
  t.strictSame(
    files.filter(({ lines }) => lines > linesMax).map(({ path, lines }) => `${path}: ${lines}`),
    [],
  );
});

t.test('default exports are Fastify plugins', async (t) => {
  const places = placesOf(
    (node) =>
      ts.isExportAssignment(node) ||
      (ts.isFunctionDeclaration(node) &&
        (node.modifiers ?? []).some((one) => one.kind === ts.SyntaxKind.DefaultKeyword)),
  );
  t.ok(places.length > 0);
  t.strictSame(
    places.filter((one) => !/^(plugins\/[^/]+|[^/]+\/routes)\.ts:/.test(one)),
    [],
  );
});

t.test('nothing is of type any', async (t) => {
  t.strictSame(
    placesOf((node) => node.kind === ts.SyntaxKind.AnyKeyword),
    [],
  );
});

t.test('a key of Redis is built in redis/keys.ts only', async (t) => {
  const places = placesOf((node) => ts.isStringLiteralLike(node) && node.text.startsWith('pt:'));
  t.strictSame(outside(places, 'redis/keys.ts'), []);
});

t.test('every module opens with a comment on what it is for', async (t) => {
  const silent = files.filter(({ tree }) => {
    const [comment] = ts.getLeadingCommentRanges(tree.text, 0) ?? [];
    return !comment || !tree.text.slice(comment.pos, comment.end).startsWith('/**');
  });
  t.strictSame(
    silent.map(({ path }) => path),
    [],
  );
});
