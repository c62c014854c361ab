/** Several workers on one port, as processes: they share the work, one that ends is replaced, and they end together. */
import { existsSync, readFileSync } from 'node:fs';
import t, { type Test } from 'tap';
import { temporaryFolder } from '../support/command-line.js';
import { compliance, event, get, postRows } from '../support/http.js';
import { startRedis } from '../support/redis-server.js';
import {
  launchServiceProcess,
  type ServiceProcess,
  startServiceProcess,
} from '../support/service-process.js';
import { until } from '../support/until.js';
import { lockIsFree, serversOf, spawnService, startService } from '../support/whole-service.js';

const at = Date.UTC(2024, 4, 17, 9, 30);
const timestamp = new Date(at).toISOString();
const redis = await startRedis();
t.teardown(() => redis.stop());

interface Line {
  msg: string;
  level: number;
  pid: number;
  worker?: number;
}
const linesOf = (lines: readonly string[]) => lines.map((line) => JSON.parse(line) as Line);
const listening = (lines: readonly string[]) =>
  linesOf(lines).filter(({ msg }) => msg.startsWith('Server listening'));

/** Starts the service with two workers, and waits until both take connections. */
async function startTwo(t: Test, env: Record<string, string> = {}): Promise<ServiceProcess> {
  const service = await startServiceProcess(redis, { WORKERS: '2', ...env });
  t.teardown(service.kill);
  await until(() => listening(service.lines).length === 2, 'both workers');
  return service;
}
const pidOf = ({ lines }: ServiceProcess, worker: number) =>
  Number(listening(lines).findLast((line) => line.worker === worker)?.pid);

const isAlive = (pid: number) => existsSync(`/proc/${pid}`);
const skip = !existsSync('/proc/self') && 'only Linux shows processes as files';

const rowsOf = (system: string, count: number) =>
  Array.from({ length: count }, (_, i) => event({ system, user_id: `u${i}`, timestamp }));

async function countOf({ base }: ServiceProcess, system: string): Promise<number> {
  type Top = { items: { count: number }[] };
  const asked = { system, window: '1d', timestamp };
  const { body } = await get<Top>(base, compliance('top/event_types', asked));
  return body.items.reduce((sum, { count }) => sum + count, 0);
}

/** The value of a metric without labels; NaN where there is none. */
async function metric({ base }: ServiceProcess, name: string): Promise<number> {
  const { text } = await get(base, '/metrics');
  return Number(new RegExp(`^papertrail_${name} (.*)$`, 'm').exec(text)?.[1] ?? Number.NaN);
}

t.test('both answer on one port, and counts and metrics are those of both', async (t) => {
  const service = await startTwo(t, { LOG_LEVEL: 'debug' });
  const answers = await Promise.all(
    Array.from({ length: 60 }, () => postRows(service.base, rowsOf('shared', 7))),
  );
  t.ok(answers.every(({ status }) => status === 201));
  const served = linesOf(service.lines).filter(({ msg }) => msg === 'request');
  t.strictSame(new Set(served.map(({ worker }) => worker)), new Set([1, 2]), 'both have answered');
  t.equal(new Set(served.map(({ pid }) => pid)).size, 2);
  t.equal(await countOf(service, 'shared'), 60 * 7);
  for (let i = 0; i < 4; i++) t.equal(await metric(service, 'events_accepted_total'), 60 * 7);
  t.equal(await metric(service, 'group_commit_events_sum'), 60 * 7, 'of histograms too');
  t.equal(await metric(service, 'workers'), 2);
  t.equal(await metric(service, 'ready'), 1, 'and what is no sum is none');
});

for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
  t.test(
    `a worker that is ended by ${signal} is replaced, and no connection is refused after it`,
    async (t) => {
      const service = await startTwo(t);
      await Promise.all(Array.from({ length: 20 }, () => postRows(service.base, rowsOf(signal, 3))));
      t.equal(await metric(service, 'events_accepted_total'), 60);
      const victim = pidOf(service, 1);
      process.kill(victim, signal);
      await until(() => service.lines.some((line) => line.includes('another takes its place')), 'the log');
      let answered = 0;
      await until(async () => {
        const { status } = await postRows(service.base, rowsOf(signal, 3)); // rejects where it is refused
        t.equal(status, 201);
        answered++;
        return pidOf(service, 1) !== victim && answered >= 40;
      }, 'another worker');
      t.equal(await countOf(service, signal), 60 + 3 * answered);
      t.equal(await metric(service, 'workers'), 2);
      t.equal(await metric(service, 'worker_restarts_total'), 1);
      t.equal(await metric(service, 'events_accepted_total'), 60 + 3 * answered, 'sums never fall');
    },
  );
}

t.test(
  'without Redis workers take connections all the same, and nobody has asked them anything before',
  async (t) => {
    const service = await launchServiceProcess({ url: 'redis://127.0.0.1:1' }, { WORKERS: '2' });
    t.teardown(service.kill);
    t.equal((await get(service.base, '/livez')).status, 200);
    const { text } = await get(service.base, '/metrics');
    t.match(text, /^papertrail_ready 0$/m);
    t.notMatch(text, 'route="/readyz"', 'a request that nobody has sent is none that was put off');
  },
);

t.test('a worker that hangs holds up neither metrics nor the end', { skip }, async (t) => {
  const service = await startTwo(t, { STOP_SECONDS_MAX: '3' });
  await Promise.all(Array.from({ length: 20 }, () => postRows(service.base, rowsOf('hanging', 1))));
  t.equal(await metric(service, 'workers'), 2);
  process.kill(pidOf(service, 2), 'SIGSTOP');
  // One connection at the most is handed to it, and waits.
  const answers = await Promise.any(
    Array.from({ length: 2 }, async () => [
      await metric(service, 'workers'),
      await metric(service, 'events_accepted_total'),
    ]),
  );
  t.strictSame(answers, [1, 20], 'it is left out, what it has counted is not');
  service.child.kill('SIGTERM');
  t.same(await service.exited, [1, null]);
  t.notOk(isAlive(pidOf(service, 1)) || isAlive(pidOf(service, 2)), 'nothing is left');
});

t.test('a setting that only workers find wrong ends the start once, with one message', async (t) => {
  const wrong = { TRUST_PROXY: 'nobody knows', WORKERS: '2', REDIS_URL: redis.url };
  const { exited, lines } = spawnService(t, temporaryFolder(t), { env: wrong });
  t.same(await exited, [1, null]);
  const grave = linesOf(lines).filter(({ level }) => level >= 50);
  t.strictSame(
    grave.map(({ msg }) => msg),
    ['TRUST_PROXY: "nobody knows" is no address'],
  );
});

t.test('a port that is taken ends the start in the same way', async (t) => {
  const { base } = await startTwo(t);
  const env = { PORT: new URL(base).port, WORKERS: '2', REDIS_URL: redis.url };
  const { exited, lines } = spawnService(t, temporaryFolder(t), { env });
  t.same(await exited, [1, null]);
  const grave = linesOf(lines).filter(({ level }) => level >= 50);
  t.equal(grave.length, 1);
  t.match(grave[0].msg, /EADDRINUSE/);
});

t.test('with a Redis of its own', { skip }, async (t) => {
  const option = '--max-semi-space-size=32';
  const command = [process.execPath, option, 'build/src/server.js'];
  const dataDir = temporaryFolder(t);
  const { child, lines, exited, address } = await startService(t, dataDir, {
    command,
    env: { WORKERS: '2' },
  });
  await until(() => listening(lines).length === 2, 'both workers');
  const workers = listening(lines).map(({ pid }) => pid);

  t.equal(serversOf(dataDir).length, 1, 'there is one');
  for (const pid of workers) {
    t.match(readFileSync(`/proc/${pid}/cmdline`, 'utf8'), option, 'workers have the options');
  }
  t.equal((await postRows(address, rowsOf('own', 5))).status, 201);

  t.test('Ctrl-C, which reaches all of them, is one clean stop', async (t) => {
    process.kill(-Number(child.pid), 'SIGINT');
    t.same(await exited, [0, null]);
    t.ok(lockIsFree(dataDir, 'redis.lock'), 'no Redis is left');
    t.notMatch(lines.join('\n'), /"level":[56]0/, 'no error is logged');
  });
});

t.test('workers end with a primary that is killed', { skip }, async (t) => {
  const service = await startTwo(t);
  const workers = [pidOf(service, 1), pidOf(service, 2)];
  service.child.kill('SIGKILL');
  await until(() => !workers.some(isAlive), 'the end of the workers');
  await t.rejects(fetch(`${service.base}/livez`));
});

t.test('a SIGTERM while workers start is a clean stop', async (t) => {
  for (const what of ['own Redis is ready', 'Server listening']) {
    const { child, lines, exited } = spawnService(t, temporaryFolder(t), { env: { WORKERS: '2' } });
    await until(() => lines.some((line) => line.includes(what)), what);
    child.kill('SIGTERM');
    t.same(await exited, [0, null], what);
    t.notMatch(lines.join('\n'), /"level":[56]0/, 'no error is logged');
  }
});
