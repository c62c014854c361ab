import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import t, { type Test } from 'tap';
import { endLeftover } from '../../../src/redis/local/leftover.js';
import { takeLock } from '../../../src/redis/local/lock.js';
import { until } from '../../support/until.js';
import '../../support/watch.js';

/** A folder, and a Redis left over in it that holds its lock. */
async function leaveRedis(test: Test, options: string[] = []) {
  const dataDir = realpathSync(mkdtempSync(join(tmpdir(), 'papertrail-')));
  const lockFile = join(dataDir, 'redis.lock');
  const path = join(dataDir, 'redis.sock');
  const children: ChildProcess[] = [];
  test.teardown(() => {
    for (const child of children) child.kill('SIGKILL');
    rmSync(dataDir, { recursive: true, force: true });
  });

  async function start(more: string[] = []): Promise<ChildProcess> {
    const lock = takeLock(lockFile);
    if (lock === null) throw new Error('the lock is held');
    const basics = ['--port', '0', '--unixsocket', 'redis.sock', '--pidfile', 'redis.pid'];
    const child = spawn('redis-server', [...basics, '--appendonly', 'yes', '--save', '', ...more], {
      cwd: dataDir,
      stdio: ['ignore', 'ignore', 'ignore', lock],
    });
    closeSync(lock);
    children.push(child);
    const pid = join(dataDir, 'redis.pid');
    const isUp = () =>
      existsSync(path) && existsSync(pid) && readFileSync(pid, 'utf8').trim() === `${child.pid}`;
    await until(isUp, 'its socket and its pid file');
    return child;
  }

  return { dataDir, lockFile, path, start, child: await start(options) };
}

/** Ends what holds the lock, and gives the lock free again. */
async function end(lockFile: string, dataDir: string, politeMs?: number): Promise<boolean> {
  const { fd, ended } = await endLeftover(lockFile, dataDir, politeMs);
  closeSync(fd);
  return ended;
}

t.test('a Redis that is loading is ended without waiting for the end of the load', async (t) => {
  const { dataDir, lockFile, path, start, child } = await leaveRedis(t);
  const client = new Redis({ path, retryStrategy: () => null });
  const pipeline = client.pipeline();
  for (let index = 0; index < 20_000; index++) pipeline.set(`key${index}`, 'x');
  await pipeline.exec();
  child.kill('SIGTERM');
  await once(child, 'exit');
  const slow = ['--key-load-delay', '500'];
  const loading = await start(slow);
  const witness = new Redis({ path, enableReadyCheck: false, retryStrategy: () => null });
  await t.rejects(witness.ping(), { message: /^LOADING/ });
  const gone = once(loading, 'exit');
  t.equal(await end(lockFile, dataDir), true);
  t.same(await gone, [0, null], 'it shut down when asked');
});

t.test('a frozen Redis is killed', async (t) => {
  const { dataDir, lockFile, child } = await leaveRedis(t);
  const gone = once(child, 'exit');
  child.kill('SIGSTOP');
  t.equal(await end(lockFile, dataDir, 1), true);
  t.same(await gone, [null, 'SIGKILL']);
});

t.test('a Redis whose socket was deleted is killed', async (t) => {
  const { dataDir, lockFile, path, child } = await leaveRedis(t);
  const gone = once(child, 'exit');
  rmSync(path);
  t.equal(await end(lockFile, dataDir, 1), true);
  t.same(await gone, [null, 'SIGKILL']);
});

t.test('what a dead Redis left in the folder is never taken for a living one', async (t) => {
  const { dataDir, lockFile, child } = await leaveRedis(t);
  child.kill('SIGKILL');
  await once(child, 'exit');
  writeFileSync(join(dataDir, 'redis.pid'), `${process.pid}\n`);
  t.ok(existsSync(join(dataDir, 'redis.sock')), 'its socket is still there');
  t.equal(await end(lockFile, dataDir, 1), false);
});
