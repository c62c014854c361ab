/** Starts that cannot be: the process ends at once and says why, in one line for each reason, in words and without a stack. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { temporaryFolder } from '../support/command-line.js';
import { startRedis } from '../support/redis-server.js';
import { withRedis } from '../support/redis-state.js';
import { freePort, listening } from '../support/replication.js';
import '../support/watch.js';

const script = fileURLToPath(new URL('../../src/server.js', import.meta.url));

/** Runs the service to its end. @returns its exit code, all it has printed, and its fatal lines */
async function start(t: Test, env: Record<string, string>) {
  const fixed = { DATA_DIR: temporaryFolder(t), PORT: '0', REDIS_URL: '', WORKERS: '1', LOG_LEVEL: 'info' };
  const child = spawn(process.execPath, [script], {
    env: { ...process.env, ...fixed, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  const exited = once(child, 'exit');
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)]);
  const [code] = await exited;
  const lines = out.split('\n').filter((line) => line !== '');
  const fatal = lines.map((line) => JSON.parse(line)).filter(({ level }) => level === 60);
  // The first line is written while the others wait for the end of the process, so their order may change.
  return { code, printed: out + err, fatal: fatal.map(({ msg }) => msg as string).sort(), err };
}

/** It ends with these fatal lines, in the order of the alphabet, nothing on stderr and no stack anywhere. */
async function isRefused(t: Test, env: Record<string, string>, ...expected: (string | RegExp)[]) {
  const { code, fatal, err, printed } = await start(t, env);
  const name = Object.keys(env).join();
  t.equal(code, 1, name);
  t.match(fatal, expected, name);
  t.equal(fatal.length, expected.length, name);
  t.equal(err, '', name);
  t.notMatch(printed, /\bat .*\.js|node:internal|"stack"/, name);
  return printed;
}

t.test('each setting that is wrong has a line that names it and says what it must be', async (t) => {
  const wrong = { PORT: 'abc', LOG_LEVEL: 'loud', EVICTION_ALLOWED: 'maybe', OTEL_TRACES_SAMPLER_ARG: '2' };
  const printed = await isRefused(
    t,
    wrong,
    /^OTEL_TRACES_SAMPLER_ARG must be a number from 0 to 1$|^PORT must be a whole number from 0 to 65535$|^LOG_LEVEL must be one of fatal, error, warn, info, debug, trace, silent$|^EVICTION_ALLOWED must be true or false$/,
    ...Array.from({ length: 3 }, () => /must be/),
  );
  for (const name of Object.keys(wrong)) t.match(printed, new RegExp(`"${name} must be `), name);
  t.notMatch(printed, /abc|loud|maybe/, 'no value is repeated, which may be a secret in the wrong place');
});

t.test('settings with a form of their own are reported together, before anything is started', async (t) => {
  await isRefused(
    t,
    {
      REDIS_URL: 'http://127.0.0.1:1',
      TRUST_PROXY: '10.0.0.0/99',
      SYSTEM_SHARDS: 'payments',
      PSEUDONYM_KEY_FILE: '/nowhere/key',
      OTEL_EXPORTER_OTLP_ENDPOINT: '127.0.0.1:4318',
    },
    /^OTEL_EXPORTER_OTLP_ENDPOINT must be a URL/,
    /^PSEUDONYM_KEY_FILE cannot be read: ENOENT/,
    /^REDIS_URL: /,
    /^SYSTEM_SHARDS: /,
    /^TRUST_PROXY: "10.0.0.0\/99"/,
  );
});

t.test('files and addresses that cannot be used are named with their settings', async (t) => {
  const folder = temporaryFolder(t);
  const file = join(folder, 'file');
  writeFileSync(file, '{');
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  t.teardown(() => taken.close());
  const { port } = taken.address() as { port: number };
  const away = { REDIS_URL: 'redis://127.0.0.1:1' };

  await isRefused(t, { API_KEYS_FILE: file, ...away }, /^API_KEYS_FILE: the key file .* it is not JSON$/);
  await isRefused(t, { API_KEYS_FILE: folder, ...away }, /^API_KEYS_FILE: the key file .*: EISDIR/);
  await isRefused(t, { API_KEYS_FILE: join(file, 'x'), ...away }, /^API_KEYS_FILE: the key file .*: ENOTDIR/);
  await isRefused(t, { API_KEYS: '[{}]', ...away }, /^API_KEYS cannot be used: key 1: /);
  await isRefused(t, { DATA_DIR: join(file, 'data'), API_KEYS_FILE: '' }, /^DATA_DIR: .*ENOTDIR/);
  const keys = join(folder, 'keys.json');
  await isRefused(t, { DATA_DIR: file, API_KEYS_FILE: keys, API_KEYS: '' }, /^DATA_DIR: the folder .*EEXIST/);
  await isRefused(
    t,
    { HOST: '192.0.2.1', ACCESS_WITHOUT_KEYS: 'anyone', ...away },
    /^HOST and PORT: .*192\.0\.2\.1/,
  );
  for (const WORKERS of ['1', '2']) {
    const where = { PORT: `${port}`, WORKERS, ...away };
    await isRefused(t, where, new RegExp(`^HOST and PORT: cannot listen on 127.0.0.1:${port}: .*EADDRINUSE`));
  }
  const { PATH = '' } = process.env;
  const withoutRedis = PATH.split(':')
    .map(() => folder)
    .join(':');
  await isRefused(t, { PATH: withoutRedis }, /^No redis-server or valkey-server found .*set REDIS_URL/);
});

t.test('also where nothing else is logged', async (t) => {
  await isRefused(t, { LOG_LEVEL: 'silent', TRUST_PROXY: 'x' }, 'TRUST_PROXY: "x" is no address');
});

t.test('no fault of REDIS_URL shows its user or password', async (t) => {
  const login = 'hiddenuser:hiddenpw';
  for (const url of [
    `valkeyz://${login}@127.0.0.1:1`,
    `redis://${login}@127.0.0.1:1/hidden`,
    `redis://${login}@:hiddenport`,
    `valkeys+cluster://${login}@127.0.0.1:0`,
  ]) {
    t.notMatch(await isRefused(t, { REDIS_URL: url }, /^REDIS_URL: /), 'hidden', url);
  }
});

t.test('a database that Redis refuses ends the start, and nothing is written to another', async (t) => {
  const port = await freePort();
  const redis = await startRedis([...listening(port), '--databases', '4']);
  t.teardown(() => redis.stop());
  for (const WORKERS of ['1', '2']) {
    const env = { REDIS_URL: `redis://127.0.0.1:${port}/4`, WORKERS };
    await isRefused(t, env, 'REDIS_URL: Redis refuses the database that it names');
  }
  await withRedis(redis, async (connection) => {
    await connection.acl('SETUSER', 'limited', 'on', '>hiddenpw', '~*', '&*', '+@all', '-select');
    const url = `valkey://limited:hiddenpw@127.0.0.1:${port}/3`;
    t.notMatch(await isRefused(t, { REDIS_URL: url }, /^REDIS_URL: Redis refuses/), /limited|hidden/);
    t.equal(await connection.dbsize(), 0);
  });
});
