/** The service as a process with its own Redis, as people run it: what survives when parts of it are killed. */
import { cpSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { tzdataVersion, tzdataWarning } from '../../src/windows/tzdata.js';
import { temporaryFolder } from '../support/command-line.js';
import { until } from '../support/until.js';
import { lockIsFree, redisPid, root, spawnService, startService as start } from '../support/whole-service.js';

async function send(address: string, user: string): Promise<number> {
  const body = JSON.stringify({ event_type: 'user_login', system: 'crm', user_id: user });
  const headers = { 'content-type': 'application/json' };
  return (await fetch(`${address}/api/v1/events`, { method: 'POST', headers, body })).status;
}

async function countUsers(address: string): Promise<unknown> {
  const answer = await fetch(`${address}/api/v1/compliance/distinct/users?system=crm&window=1w`);
  return ((await answer.json()) as { count: unknown }).count;
}

t.test('an acknowledged event is there after a clean stop and a start', async (t) => {
  const dataDir = temporaryFolder(t);
  const first = await start(t, dataDir);
  const isOld = tzdataWarning(tzdataVersion, Date.now()) !== undefined;
  t.equal(/time zone data/.test(first.lines.join()), isOld, 'the start warns of old time zone data');
  t.equal(await send(first.address, 'alice'), 201);
  first.child.kill('SIGTERM');
  t.same(await first.exited, [0, null]);
  t.ok(lockIsFree(dataDir, 'redis.lock'), 'its Redis is stopped with it');
  const next = await start(t, dataDir);
  t.equal(await countUsers(next.address), 1);
});

t.test('an acknowledged event is there after kill -9', async (t) => {
  t.test('of the service alone; the Redis left over is ended', async (t) => {
    const dataDir = temporaryFolder(t);
    const first = await start(t, dataDir);
    t.equal(await send(first.address, 'alice'), 201);
    first.child.kill('SIGKILL');
    await first.exited;
    t.notOk(lockIsFree(dataDir, 'redis.lock'), 'its Redis lives on');
    const before = redisPid(dataDir);
    const next = await start(t, dataDir);
    t.equal(await countUsers(next.address), 1);
    t.not(redisPid(dataDir), before);
    t.match(next.lines.join(), /left over/);
  });

  t.test('of its Redis alone; the service starts it again and goes on', async (t) => {
    const dataDir = temporaryFolder(t);
    const { address } = await start(t, dataDir);
    t.equal(await send(address, 'alice'), 201);
    process.kill(redisPid(dataDir), 'SIGKILL');
    await until(async () => (await send(address, 'bob')) === 201, 'an event to be taken');
    await t.resolves(
      until(async () => (await countUsers(address)) === 2, 'both to be counted'),
      'both are counted',
    );
  });

  t.test('of both', async (t) => {
    const dataDir = temporaryFolder(t);
    const first = await start(t, dataDir);
    t.equal(await send(first.address, 'alice'), 201);
    first.child.kill('SIGKILL');
    process.kill(redisPid(dataDir), 'SIGKILL');
    await first.exited;
    const next = await start(t, dataDir);
    t.equal(await countUsers(next.address), 1);
  });
});

t.test('a second service on the same folder ends with a message, and the first one serves on', async (t) => {
  const dataDir = temporaryFolder(t);
  const first = await start(t, dataDir);
  await t.rejects(start(t, dataDir), {
    message: /Another PaperTrail service \(process \d+\) uses the folder/,
  });
  t.equal(await send(first.address, 'alice'), 201);
});

t.test('a SIGTERM during the start is a clean stop, whenever it comes', async (t) => {
  const moments: [what: string, come: (lines: string[], dataDir: string) => boolean][] = [
    ['its Redis is spawned', (_, dataDir) => !lockIsFree(dataDir, 'redis.lock')],
    ['its Redis is ready', (lines) => lines.join().includes('own Redis is ready')],
    ['it listens', (lines) => lines.join().includes('Server listening')],
  ];
  for (const [what, come] of moments) {
    const dataDir = temporaryFolder(t);
    const { child, lines, exited } = spawnService(t, dataDir);
    await until(() => come(lines, dataDir), what);
    child.kill('SIGTERM');
    t.same(await exited, [0, null], what);
    t.ok(lockIsFree(dataDir, 'service.lock'));
    t.ok(lockIsFree(dataDir, 'redis.lock'), 'no Redis is left');
    t.match(lines.join('\n'), '"msg":"stopping"');
    t.notMatch(lines.join('\n'), /"level":[56]0/, 'no error is logged');
  }
});

t.test('npm start', async (t) => {
  // A copy, since a start may build, and other tests run from the build at the same time.
  const folder = temporaryFolder(t);
  for (const name of ['package.json', 'package-lock.json', 'tsconfig.json', 'bin', 'src', 'build/src']) {
    cpSync(join(root, name), join(folder, name), { recursive: true });
  }
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  const { hashSources } = await import(join(root, 'bin/prepare.mjs'));
  writeFileSync(join(folder, 'build/.sources'), hashSources(folder));
  const npmStart = { command: ['npm', 'start', '--silent'], cwd: folder };

  t.test('SIGTERM to npm stops the service cleanly, and npm waits for it', async (t) => {
    const dataDir = temporaryFolder(t);
    const { child, address, lines, exited } = await start(t, dataDir, npmStart);
    t.equal(await send(address, 'alice'), 201);
    child.kill('SIGTERM');
    t.same(await exited, [0, null]);
    t.ok(lockIsFree(dataDir, 'service.lock'), 'the service is gone');
    t.ok(lockIsFree(dataDir, 'redis.lock'), 'its Redis is gone');
    t.equal(lines.filter((line) => line.includes('"msg":"stopping"')).length, 1);
  });

  t.test('Ctrl-C, which reaches the service twice, is one clean stop', async (t) => {
    const dataDir = temporaryFolder(t);
    const { child, lines, exited } = await start(t, dataDir, npmStart);
    process.kill(-Number(child.pid), 'SIGINT');
    t.same(await exited, [0, null]);
    t.ok(lockIsFree(dataDir, 'redis.lock'), 'its Redis is gone');
    t.equal(lines.filter((line) => line.includes('"msg":"stopping"')).length, 1);
    t.notMatch(lines.join(), /second SIGINT/);
  });
});
