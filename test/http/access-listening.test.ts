/** Where the process listens: elsewhere than on this machine only with keys, or when told so in so many words. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { environmentOf, makeKey } from '../support/keys.js';
import { startRedis } from '../support/redis-server.js';
import { until } from '../support/until.js';
import '../support/watch.js';

const script = fileURLToPath(new URL('../../src/server.js', import.meta.url));
const redis = await startRedis();
t.teardown(redis.stop);

/** Starts the service; `said` is what it has logged. It is gone after the test. */
function start(test: Test, env: Record<string, string>) {
  const child = spawn(process.execPath, [script], {
    env: { ...process.env, REDIS_URL: redis.url, PORT: '0', DATA_DIR: redis.dir, LOG_LEVEL: 'info', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  test.teardown(async () => {
    if (child.exitCode === null) child.kill('SIGKILL');
    await exited;
  });
  const lines: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
  return { exited, said: () => lines.join('\n') };
}

const listens = (service: ReturnType<typeof start>) =>
  until(() => service.said().includes('Server listening at'), 'a service that listens');

t.test('without keys it listens on loopback, and says who may enter', async (t) => {
  const service = start(t, {});
  await listens(service);
  t.match(service.said(), /there are no API keys: whoever is on this machine may do everything/);
});

t.test('without keys it refuses to listen elsewhere, and names both ways out', async (t) => {
  for (const HOST of ['0.0.0.0', '::']) {
    const service = start(t, { HOST });
    const [status] = await service.exited;
    t.equal(status, 1);
    t.match(service.said(), /papertrail keys create .*ACCESS_WITHOUT_KEYS=anyone/);
    t.notMatch(service.said(), /Server listening/);
  }
});

t.test('with a key, or told so in so many words, it listens elsewhere', async (t) => {
  const keyed = start(t, { HOST: '0.0.0.0', API_KEYS: environmentOf(makeKey()) });
  await listens(keyed);
  t.notMatch(keyed.said(), /there are no API keys/);
  const open = start(t, { HOST: '0.0.0.0', ACCESS_WITHOUT_KEYS: 'anyone' });
  await listens(open);
  t.match(open.said(), /ACCESS_WITHOUT_KEYS=anyone: whoever can reach 0\.0\.0\.0 may do everything/);
});
