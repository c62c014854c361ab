/** What a test starts ends with it, however it ends; and `npm test` names what was left running. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, realpathSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import t, { type Test } from 'tap';
import { temporaryFolder } from '../support/command-line.js';
import { endLeftRunning } from '../support/left-running.js';
import { processesOf } from '../support/processes.js';
import { until } from '../support/until.js';
import { leftoversFile } from '../support/watch.js';

const skip = !existsSync('/proc/self') && 'only Linux shows processes as files';
const support = (name: string) => JSON.stringify(new URL(`../support/${name}.js`, import.meta.url).href);

/** Starts a process as a test is one, and waits until it has printed its folder for temporary files. */
async function startTestProcess(t: Test, code: string, env: Record<string, string> = {}) {
  const printing = `${code}\nconsole.log(process.env.TMPDIR);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', printing], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  t.teardown(() => child.kill('SIGKILL'));
  const [folder] = await once(createInterface({ input: child.stdout }), 'line');
  return { child, exited, folder: folder as string };
}

const commandsOf = (folder: string) => processesOf(folder).map(({ command }) => command);

t.test('after kill -9 of a test its services, their workers and every Redis end', { skip }, async (t) => {
  const { child, exited, folder } = await startTestProcess(
    t,
    `import { mkdtempSync } from 'node:fs';
    import { tmpdir } from 'node:os';
    import { join } from 'node:path';
    import { startRedis } from ${support('redis-server')};
    import { startServiceProcess } from ${support('service-process')};
    import { startService } from ${support('whole-service')};
    const redis = await startRedis();
    await startServiceProcess(redis);
    const dataDir = mkdtempSync(join(tmpdir(), 'data-'));
    await startService({ teardown() {} }, dataDir, { env: { WORKERS: '2' } });`,
  );
  const running = commandsOf(folder).join('\n');
  t.equal(running.match(/redis-server/g)?.length, 2, running);
  t.ok((running.match(/(server|worker)\.js/g)?.length ?? 0) >= 3, running);
  child.kill('SIGKILL');
  t.same(await exited, [null, 'SIGKILL']);
  await until(() => processesOf(folder).length === 0, 'the end of what it started');
  await until(() => !existsSync(folder), 'the end of its files');
});

const leave = `import { spawn } from 'node:child_process';
  import ${support('watch')};
  const options = { detached: true, stdio: 'ignore' };
  spawn(process.execPath, ['-e', 'setInterval(() => {}, 1e6) // left'], options).unref();`;

t.test('what a test leaves that ends by itself is ended, and noted', { skip }, async (t) => {
  const file = join(temporaryFolder(t), 'notes');
  const { exited, folder } = await startTestProcess(t, leave, { [leftoversFile]: file });
  t.same(await exited, [0, null]);
  await until(() => !existsSync(folder), 'the watcher');
  const lines = await endLeftRunning(folder, file);
  t.match(lines, [/ left .*setInterval.*\(\d+\)$/]);
  t.equal(lines.length, 1);
});

t.test('a test that leaves nothing is not mentioned', { skip }, async (t) => {
  const file = join(temporaryFolder(t), 'notes');
  const { exited, folder } = await startTestProcess(t, `import ${support('watch')};`, {
    [leftoversFile]: file,
  });
  await exited;
  await until(() => !existsSync(folder), 'the watcher');
  t.strictSame(await endLeftRunning(folder, file), []);
});

t.test('what nobody watched is named and ended after all tests', { skip }, async (t) => {
  const folder = join(realpathSync(temporaryFolder(t)), 'run');
  mkdirSync(folder);
  const file = join(folder, 'notes');
  writeFileSync(file, '');
  const program = ['-e', 'setInterval(() => {}, 1e6) // unwatched'];
  const inherits = spawn(process.execPath, program, {
    env: { TMPDIR: join(folder, 'deeper') },
    stdio: 'ignore',
  });
  const works = spawn(process.execPath, program, { cwd: folder, env: {}, stdio: 'ignore' });
  const exited = [once(inherits, 'exit'), once(works, 'exit')];
  await until(() => processesOf(folder).length === 2, 'both');
  const lines = await endLeftRunning(folder, file, 1);
  t.match(lines, [/unwatched \(\d+\)$/, /unwatched \(\d+\)$/]);
  for (const [, signal] of await Promise.all(exited)) t.equal(signal, 'SIGKILL');
  t.strictSame(await endLeftRunning(folder, file, 1), []);
});
