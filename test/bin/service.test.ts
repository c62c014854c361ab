/** The service as a process with its own Redis, as people run it: what survives when parts of it are killed. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { takeLock } from '../../src/redis/local-lock.js';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const service = [process.execPath, 'build/src/server.js'];
const deadlineMs = 60_000;
const pollMs = 20;

function temporaryFolder(test: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'papertrail-'));
  test.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Starts the service on a free port and waits until it is ready. */
async function start(test: Test, dataDir: string, [program = '', ...values] = service) {
  const env = { ...process.env, DATA_DIR: dataDir, PORT: '0', REDIS_URL: '', LOG_LEVEL: 'info' };
  const child = spawn(program, values, {
    cwd: root,
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  });
  test.teardown(() => endGroup(child, dataDir));
  const lines: string[] = [];
  const address = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      lines.push(line);
      const [, found] = /Server listening at (http:[^"]+)/.exec(line) ?? [];
      if (found !== undefined) resolve(found);
    });
    child.once('exit', () => reject(new Error(`the service ended:\n${lines.join('\n')}`)));
  });
  await until(async () => (await fetch(`${address}/readyz`)).ok);
  const exited = once(child, 'exit');
  return { child, address, lines, exited };
}

/** Kills what a test left running: the process group of the service, and its Redis. */
function endGroup(child: ChildProcess, dataDir: string): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    if (!lockIsFree(dataDir, 'redis.lock')) process.kill(redisPid(dataDir), 'SIGKILL');
  } catch {
    // It is gone already.
  }
}

const redisPid = (dataDir: string) => Number(readFileSync(join(dataDir, 'redis.pid'), 'utf8'));

function lockIsFree(dataDir: string, name: string): boolean {
  const fd = takeLock(join(dataDir, name));
  if (fd !== null) closeSync(fd);
  return fd !== null;
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  const deadline = AbortSignal.timeout(deadlineMs);
  while (!(await condition().catch(() => false))) {
    if (deadline.aborted) throw new Error(`not so within ${deadlineMs} ms`);
    await pause(pollMs);
  }
}

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
    await until(async () => (await send(address, 'bob')) === 201);
    await until(async () => (await countUsers(address)) === 2);
    t.pass('both events are counted');
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

t.test('npm start', async (t) => {
  const npmStart = ['npm', 'start', '--silent'];

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
