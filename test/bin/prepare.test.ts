import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';

const bin = fileURLToPath(new URL('../../../bin/', import.meta.url));
interface Prepare {
  packagesMatch(folder: string): boolean;
  buildMatches(folder: string, sources: string): boolean;
  hashSources(folder: string): string;
}
const { packagesMatch, buildMatches, hashSources } = (await import(join(bin, 'prepare.mjs'))) as Prepare;

function write(folder: string, path: string, content: string): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), content);
}

t.test('installed packages match the lock file', async (t) => {
  const wanted = {
    '': { version: '1.0.0' },
    'node_modules/a': { version: '1.0.0', integrity: 'sha512-a' },
    'node_modules/b-darwin': { version: '1.0.0', optional: true },
  };
  /** Whether a project whose node_modules has these packages needs no install. */
  function matches(t: Test, installed?: object): boolean {
    const folder = t.testdir({ 'package-lock.json': JSON.stringify({ packages: wanted }) });
    if (installed !== undefined) {
      write(folder, 'node_modules/.package-lock.json', JSON.stringify({ packages: installed }));
    }
    return packagesMatch(folder);
  }
  const a = wanted['node_modules/a'];

  t.test('when all are there, but for optional ones of other platforms', async (t) => {
    t.equal(matches(t, { 'node_modules/a': a }), true);
  });
  t.test('not when nothing was installed, or the install was interrupted', async (t) => {
    t.equal(matches(t), false);
  });
  t.test('not when one is missing', async (t) => t.equal(matches(t, {}), false));
  t.test('not when one has another version', async (t) => {
    t.equal(matches(t, { 'node_modules/a': { ...a, version: '1.0.1' } }), false);
  });
  t.test('not when one has other contents', async (t) => {
    t.equal(matches(t, { 'node_modules/a': { ...a, integrity: 'sha512-b' } }), false);
  });
});

t.test('the build', async (t) => {
  /** A project that has just been built. */
  function project(t: Test): string {
    const folder = t.testdir();
    const inputs = ['tsconfig.json', 'package.json', 'package-lock.json', 'bin/copy-assets.mjs'];
    for (const path of [...inputs, 'src/a.ts', 'src/lua/a.lua', 'build/src/a.js', 'build/src/lua/a.lua']) {
      write(folder, path, path);
    }
    write(folder, 'build/.sources', hashSources(folder));
    return folder;
  }
  const isFresh = (folder: string) => buildMatches(folder, hashSources(folder));

  t.test('is not repeated where nothing changed, whatever the times of the files say', async (t) => {
    const folder = project(t);
    t.equal(isFresh(folder), true);
    utimesSync(join(folder, 'src/a.ts'), 2e9, 2e9);
    t.equal(isFresh(folder), true);
  });
  t.test('is repeated after a source changed, even with an old time', async (t) => {
    const folder = project(t);
    write(folder, 'src/a.ts', 'src/A.ts');
    utimesSync(join(folder, 'src/a.ts'), 0, 0);
    t.equal(isFresh(folder), false);
  });
  t.test('is repeated after a source was added or removed', async (t) => {
    const folder = project(t);
    write(folder, 'test/b.ts', '');
    t.equal(isFresh(folder), false);
    rmSync(join(folder, 'test/b.ts'));
    t.equal(isFresh(folder), true);
    rmSync(join(folder, 'src/lua/a.lua'));
    t.equal(isFresh(folder), false);
  });
  t.test('is repeated after an output was deleted', async (t) => {
    const folder = project(t);
    rmSync(join(folder, 'build/src/a.js'));
    t.equal(isFresh(folder), false);
  });
});

t.test('copy-assets copies what tsc does not and removes what has no source any more', async (t) => {
  const folder = t.testdir();
  cpSync(bin, join(folder, 'bin'), { recursive: true });
  for (const path of ['src/a.ts', 'src/lua/a.lua', 'test/page.html']) write(folder, path, path);
  for (const path of [
    'src/a.js',
    'src/a.js.map',
    'test/gone.test.js',
    'test/gone.test.js.map',
    'src/gone.lua',
  ]) {
    write(folder, join('build', path), path);
  }
  const run = spawnSync(process.execPath, [join(folder, 'bin/copy-assets.mjs')]);
  t.equal(run.status, 0);
  const { listFiles } = (await import(join(bin, 'prepare.mjs'))) as { listFiles(folder: string): string[] };
  const left = listFiles(join(folder, 'build')).map((file) => file.slice(folder.length + 1));
  t.same(left, ['build/src/a.js', 'build/src/a.js.map', 'build/src/lua/a.lua', 'build/test/page.html']);
});

t.test('papertrail says what to do where nothing was built yet', async (t) => {
  const folder = t.testdir();
  cpSync(bin, join(folder, 'bin'), { recursive: true });
  const run = spawnSync(process.execPath, [join(folder, 'bin/papertrail.mjs')], { encoding: 'utf8' });
  t.equal(run.status, 1);
  t.match(run.stderr, /^papertrail: not built yet\. Run `npm start`.*\n$/);
});
