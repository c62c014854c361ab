/** A real package manager cannot be tried out on the machine of whoever runs the tests: here it is a script. */
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';

const prepare = new URL('../../../bin/prepare.mjs', import.meta.url).href;
const root = fileURLToPath(new URL('../../../', import.meta.url));
const server = '#!/bin/sh\necho "Redis server v=7.2.0"\n';

/** A search path that holds only these scripts, `env`, and a `sudo` that runs what it is told. */
function machine(test: Test, scripts: Record<string, string>) {
  const folder = test.testdir();
  symlinkSync('/usr/bin/env', join(folder, 'env'));
  const all = { sudo: '#!/bin/sh\nshift\nexec "$@"\n', ...scripts };
  for (const [name, content] of Object.entries(all)) {
    writeFileSync(join(folder, name), content);
    chmodSync(join(folder, name), 0o755);
  }
  const calls = join(folder, 'calls');
  return {
    /** Makes sure of Redis on this machine. */
    ensure() {
      const code = `import { ensureProgram, main } from ${JSON.stringify(prepare)};
        await main(() => ensureProgram('redis', '; or else.'));`;
      const values = ['--input-type=module', '-e', code];
      return spawnSync(process.execPath, values, { cwd: root, env: { PATH: folder }, encoding: 'utf8' });
    },
    /** What the package manager was asked for. */
    calls: () => (existsSync(calls) ? readFileSync(calls, 'utf8').trim().split('\n') : []),
    manager: (then: string) => {
      const script = `#!/bin/sh\n[ "$1" = --version ] && exit\necho "$*" >> ${calls}\n${then}\n`;
      writeFileSync(join(folder, 'apt-get'), script);
      chmodSync(join(folder, 'apt-get'), 0o755);
    },
    folder,
  };
}

t.test('a program that is there is not installed, and nothing is said', async (t) => {
  const { ensure, calls, manager } = machine(t, { 'valkey-server': server });
  manager('exit 1');
  t.match(ensure(), { status: 0, stdout: '', stderr: '' });
  t.same(calls(), []);
});

t.test('a missing program is installed once, and it says so', async (t) => {
  const { ensure, calls, manager, folder } = machine(t, {});
  manager(`[ "$1" = update ] || /bin/cp ${folder}/template ${folder}/redis-server`);
  writeFileSync(join(folder, 'template'), server, { mode: 0o755 });
  t.match(ensure(), {
    status: 0,
    stdout: /^papertrail: redis-server or valkey-server is missing, installing it/,
  });
  const asked = ['update', 'install -y --no-install-recommends redis-server'];
  t.same(calls(), asked);
  t.match(ensure(), { status: 0, stdout: '' });
  t.same(calls(), asked);
});

t.test('where the install fails, one message names the command', async (t) => {
  const { ensure, manager } = machine(t, {});
  manager('exit 100');
  const { status, stderr } = ensure();
  t.equal(status, 1);
  t.match(
    stderr,
    /^papertrail: .* run: sudo apt-get install -y --no-install-recommends redis-server; or else\.\n$/,
  );
});

t.test('where there is no package manager, one message names the programs', async (t) => {
  const { status, stderr } = machine(t, {}).ensure();
  t.equal(status, 1);
  t.match(stderr, /^papertrail: .* install redis-server or valkey-server and put it on PATH; or else\.\n$/);
});
