import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  closeSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Redis } from 'ioredis';
import t, { type Test } from 'tap';
import { takeLock } from '../../../src/redis/local/lock.js';
import { createLocalServer, type LocalServer } from '../../../src/redis/local/server.js';
import '../../support/watch.js';

const deadlineMs = 120_000;
const pollMs = 10;

/** A folder of its own, and a server on it that is stopped after the test. */
function setUp(test: Test, dataDir = temporaryFolder(test)) {
  const warnings: string[] = [];
  const log = {
    debug: () => {},
    info: () => {},
    warn: (...values: unknown[]) => void warnings.push(JSON.stringify(values)),
  };
  const delays: number[] = [];
  const server = createLocalServer({
    dataDir,
    appendfsync: 'everysec',
    log,
    restartDelayMs: (attempt) => {
      delays.push(attempt);
      return 1;
    },
  });
  test.teardown(() => server.stop());
  return { dataDir, server, warnings, delays };
}

function temporaryFolder(test: Test): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'papertrail-')));
  test.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

async function ask(server: LocalServer, command: string, ...values: string[]): Promise<unknown> {
  const client = new Redis({ ...server.connection, lazyConnect: true, retryStrategy: () => null });
  client.on('error', () => {});
  try {
    await client.connect();
    return await client.call(command, ...values);
  } finally {
    client.disconnect();
  }
}

async function pidOf(server: LocalServer): Promise<number> {
  return Number(/process_id:(\d+)/.exec(String(await ask(server, 'INFO', 'server')))?.[1]);
}

/** Polls until the condition holds; the last error where it never does. */
async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = AbortSignal.timeout(deadlineMs);
  while (!(await condition())) {
    if (deadline.aborted) throw new Error(`not so within ${deadlineMs} ms`);
    await pause(pollMs);
  }
}

function serverLockIsFree(dataDir: string): boolean {
  const fd = takeLock(join(dataDir, 'redis.lock'));
  if (fd !== null) closeSync(fd);
  return fd !== null;
}

/** Another process that runs a server on the folder, and then what the script says. */
async function otherService(test: Test, dataDir: string, script = '') {
  const module = new URL('../../../src/redis/local/server.js', import.meta.url).href;
  const code = `
    import { createLocalServer } from ${JSON.stringify(module)};
    const log = { debug() {}, info() {}, warn() {} };
    const server = createLocalServer({ dataDir: ${JSON.stringify(dataDir)}, appendfsync: 'everysec', log });
    await server.start();
    console.log('ready');
    ${script}`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  test.teardown(() => child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  return child;
}

t.test('data is still there after a stop and a start, and nobody else can reach it', async (t) => {
  const { dataDir, server } = setUp(t);
  await server.start();
  await ask(server, 'SET', 'kept', 'yes');
  t.match(server.connection, { path: /redis\.sock$/ });
  t.same(await ask(server, 'CONFIG', 'GET', 'port'), ['port', '0']);
  t.same(await ask(server, 'CONFIG', 'GET', 'maxmemory-policy'), ['maxmemory-policy', 'noeviction']);
  t.same(await ask(server, 'CONFIG', 'GET', 'appendonly'), ['appendonly', 'yes']);
  await server.stop();
  t.ok(serverLockIsFree(dataDir), 'no Redis outlives the stop');

  const { server: next } = setUp(t, dataDir);
  await next.start();
  t.equal(await ask(next, 'GET', 'kept'), 'yes');
});

t.test('a second service on one folder is refused and the first one serves on', async (t) => {
  const { dataDir, server } = setUp(t);
  await server.start();
  const { server: second } = setUp(t, dataDir);
  await t.rejects(second.start(), {
    message: new RegExp(`process ${process.pid}\\) uses the folder ${dataDir}`),
  });
  await second.stop();
  t.equal(await ask(server, 'PING'), 'PONG');
});

t.test('a Redis that outlived its service is ended, not doubled, and nothing is lost', async (t) => {
  const { dataDir, server, warnings } = setUp(t);
  const other = await otherService(t, dataDir);
  const witness = new Redis({ path: join(dataDir, 'redis.sock'), retryStrategy: () => null });
  await witness.set('kept', 'yes');
  other.kill('SIGKILL');
  await once(other, 'exit');
  t.equal(await witness.ping(), 'PONG', 'Redis lives on without its service');
  const ended = once(witness, 'end');
  await server.start();
  await ended;
  t.equal(await ask(server, 'GET', 'kept'), 'yes');
  t.match(warnings.join(), /left over/);
});

t.test('service and Redis both killed: the next start serves the data', async (t) => {
  const { dataDir, server } = setUp(t);
  const other = await otherService(t, dataDir);
  const witness = new Redis({ path: join(dataDir, 'redis.sock'), retryStrategy: () => null });
  await witness.set('kept', 'yes');
  const pid = Number(/process_id:(\d+)/.exec(await witness.info('server'))?.[1]);
  other.kill('SIGKILL');
  process.kill(pid, 'SIGKILL');
  await once(other, 'exit');
  await server.start();
  t.equal(await ask(server, 'GET', 'kept'), 'yes');
});

t.test('a service that exits without a stop takes its Redis with it', async (t) => {
  const dataDir = temporaryFolder(t);
  const other = await otherService(t, dataDir, 'process.exit(1)');
  if (other.exitCode === null) await once(other, 'exit');
  await t.resolves(
    until(() => serverLockIsFree(dataDir)),
    'no Redis is left',
  );
});

t.test('a Redis that is killed comes back by itself, with its data and on the same socket', async (t) => {
  const { server, warnings, delays } = setUp(t);
  await server.start();
  await ask(server, 'SET', 'kept', 'yes');
  const pid = await pidOf(server);
  process.kill(pid, 'SIGKILL');
  await until(() =>
    pidOf(server).then(
      (next) => next !== pid,
      () => false,
    ),
  );
  t.equal(await ask(server, 'GET', 'kept'), 'yes');
  t.same(delays, [1]);
  t.match(warnings.join(), /SIGKILL.*own Redis ended/);
});

t.test('a stop right after a death ends the matter', async (t) => {
  const { dataDir, server } = setUp(t);
  await server.start();
  process.kill(await pidOf(server), 'SIGKILL');
  await server.stop();
  t.ok(serverLockIsFree(dataDir));
  await server.stop();
});

t.test('a folder too deep for a socket is served on a loopback port, and survives a crash too', async (t) => {
  const dataDir = join(temporaryFolder(t), 'deep'.repeat(20), 'deeper'.repeat(15));
  const other = await otherService(t, dataDir);
  other.kill('SIGKILL');
  await once(other, 'exit');
  const { server } = setUp(t, dataDir);
  await server.start();
  t.match(server.connection, { host: '127.0.0.1', port: Number });
  t.same(await ask(server, 'CONFIG', 'GET', 'bind'), ['bind', '127.0.0.1']);
  await ask(server, 'SET', 'kept', 'yes');
  await server.stop();
  const { server: next } = setUp(t, dataDir);
  await next.start();
  t.equal(await ask(next, 'GET', 'kept'), 'yes');
});

t.test('a Redis that ends at once is reported with its last lines', async (t) => {
  const { dataDir, server } = setUp(t);
  writeFileSync(join(dataDir, 'appendonlydir'), 'a file in the place of the folder');
  await t.rejects(server.start(), { message: /did not start \(exit code 1\).*\n.*append-only/s });
  rmSync(join(dataDir, 'appendonlydir'));
  await t.resolves(setUp(t, dataDir).server.start(), 'the folder was given free');
});

t.test('the end of the append-only file', async (t) => {
  /** A folder whose file holds one key and then these bytes. */
  async function damagedFolder(t: Test, tail: Buffer): Promise<{ dataDir: string; file: string }> {
    const { dataDir, server } = setUp(t);
    await server.start();
    await ask(server, 'SET', 'kept', 'yes');
    await server.stop();
    const folder = join(dataDir, 'appendonlydir');
    const [name = ''] = readdirSync(folder).filter((entry) => entry.endsWith('.incr.aof'));
    const file = join(folder, name);
    appendFileSync(file, tail);
    return { dataDir, file };
  }

  t.test('cut short by a crash: the rest is loaded', async (t) => {
    const { dataDir } = await damagedFolder(t, Buffer.from('*3\r\n$3\r\nSET\r\n$4\r\nke'));
    const { server } = setUp(t, dataDir);
    await server.start();
    t.equal(await ask(server, 'GET', 'kept'), 'yes');
  });

  t.test('overwritten by the disk: the rest is loaded and the bad bytes are kept aside', async (t) => {
    const tail = Buffer.alloc(4096);
    const { dataDir } = await damagedFolder(t, tail);
    const { server, warnings } = setUp(t, dataDir);
    await server.start();
    t.equal(await ask(server, 'GET', 'kept'), 'yes');
    t.match(warnings.join(), /cut 4096 unreadable bytes/);
    const [aside = ''] = readdirSync(dataDir).filter((entry) => entry.startsWith('cut-at-'));
    t.same(readFileSync(join(dataDir, aside)), tail);
  });

  t.test('bad for more than a megabyte: nothing is cut, and the message names the tool', async (t) => {
    const { dataDir, file } = await damagedFolder(t, Buffer.alloc(1024 ** 2 + 1));
    const before = readFileSync(file);
    await t.rejects(setUp(t, dataDir).server.start(), { message: /redis-check-aof --fix appendonlydir/ });
    t.ok(readFileSync(file).equals(before));
  });
});

t.test('a stop without a start does nothing', async (t) => {
  const dataDir = join(temporaryFolder(t), 'never');
  const { server } = setUp(t, dataDir);
  await server.stop();
  t.throws(() => server.connection, /not started/);
  t.doesNotThrow(() => mkdirSync(dataDir));
});
