/**
 * The service through an outage, with its cache: Redis stopped, and Redis black-holed (every packet is lost, nothing
 * is closed). What was asked before goes on being answered and says how old it is; what was not is a 503 in time;
 * and once Redis is back all is well again, soon and without a restart.
 */
import { mkdtempSync, rmSync, symlinkSync, unlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { startApp } from '../support/app.js';
import { compliance, event, get, json, postRows, send } from '../support/http.js';
import { startProxy } from '../support/redis-proxy.js';
import { startRedis, type TestRedis } from '../support/redis-server.js';
import { until } from '../support/until.js';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const refusedMsMax = SECOND;
const recoveredMsMax = 2 * SECOND;

interface Outage {
  /** What the service connects to. */
  redis: TestRedis;
  begin(): Promise<void>;
  end(): Promise<void>;
}

/** The server is killed, and started again on what it has kept. */
async function stopping(t: Pick<Test, 'teardown'>): Promise<Outage> {
  const dir = mkdtempSync(join(tmpdir(), 'pt-outage-'));
  const start = () => startRedis(['--dir', dir, '--appendonly', 'yes', '--appendfsync', 'always']);
  const socket = join(dir, 'service.sock');
  let running = await start();
  symlinkSync(running.socket, socket);
  t.teardown(async () => {
    await running.stop();
    rmSync(dir, { recursive: true });
  });
  return {
    redis: { ...running, socket },
    begin: () => running.stop(),
    async end() {
      running = await start();
      unlinkSync(socket);
      symlinkSync(running.socket, socket);
    },
  };
}

/** Every packet is lost, of old and of new connections. */
async function blackHole(t: Pick<Test, 'teardown'>): Promise<Outage> {
  const redis = await startRedis();
  const proxy = await startProxy(redis);
  t.teardown(async () => {
    await proxy.stop();
    await redis.stop();
  });
  return {
    redis: { ...redis, socket: proxy.socket },
    begin: async () => proxy.swallow(true),
    end: async () => proxy.swallow(false),
  };
}

/** Questions about all time that was written, so that each answer is of one kind of span. */
const questions = {
  hour: compliance('distinct/users', { system: 'crm', window: '1h' }),
  day: compliance('activity/check', { system: 'crm', user_id: 'ada' }),
  top: compliance('top/active_users', { system: 'crm', window: '1h' }),
  summary: compliance('summary/crm'),
  all: compliance('distinct/users', { system: '*', window: '1h' }),
};
const status = (headers: object) => String((headers as Record<string, unknown>)['cache-status']);

async function setUp(t: Pick<Test, 'teardown'>, startOutage: (t: Pick<Test, 'teardown'>) => Promise<Outage>) {
  let start = Date.UTC(2026, 0, 31, 13, 20) - performance.now();
  /** Runs by itself, since how long nobody tries again after a failure is counted by it. */
  const now = () => Math.floor(start + performance.now());
  const outage = await startOutage(t);
  const { base, stop } = await startApp({
    clock: { now },
    monotonic: { now },
    redis: outage.redis,
    config: { QUERY_CACHE: 'on', REDIS_INGEST_TIMEOUT_MS: SECOND },
  });
  t.teardown(stop);
  return {
    base,
    outage,
    pass(ms: number) {
      start += ms;
    },
    store: (user_id: string) => postRows(base, [event({ user_id, timestamp: now() })]),
    /** Asks and says how long the answer took, milliseconds. */
    async ask(path: string) {
      const began = performance.now();
      const answer = await get<{ count: number; code: string }>(base, path);
      return { ...answer, took: performance.now() - began };
    },
  };
}
type Service = Awaited<ReturnType<typeof setUp>>;

/** Every question that was asked before is answered, with a status that says how. */
async function allAnswered(t: Test, { ask }: Service, said: RegExp): Promise<void> {
  for (const path of Object.values(questions)) {
    const answer = await ask(path);
    t.equal(answer.status, 200, path);
    t.match(status(answer.headers), said, path);
    t.ok(answer.took < refusedMsMax, `${path} took ${Math.round(answer.took)} ms`);
  }
}

async function isRefused(t: Test, { ask }: Service, path: string): Promise<void> {
  const answer = await ask(path);
  t.match(answer, { status: 503, body: { code: 'redis_unavailable' } }, path);
  t.ok(Number(answer.headers['retry-after']) >= 1, 'it says when to try again');
  t.ok(answer.took < refusedMsMax, `${path} took ${Math.round(answer.took)} ms`);
  t.comment(`refused after ${Math.round(answer.took)} ms`);
}

async function summariesSaySo(t: Test, { base }: Service): Promise<void> {
  const body = JSON.stringify({ systems: ['crm', 'never asked'] });
  const path = '/api/v1/compliance/summaries';
  const answer = await send(base, { method: 'POST', path, headers: json, body });
  t.match(answer, {
    status: 200,
    body: {
      failed: 1,
      summaries: [{ hourly: { unique_users: 1 } }, { error: { code: 'redis_unavailable' } }],
    },
  });
}

async function recovers(t: Test, { base, outage, ask, store }: Service): Promise<void> {
  await outage.end();
  const began = performance.now();
  await until(async () => (await store('bob')).status === 201, 'an event to be stored');
  for (const path of [questions.hour, questions.all]) {
    await until(async () => (await ask(path)).body.count === 2, 'an answer that knows of it');
  }
  const took = performance.now() - began;
  t.ok(took < recoveredMsMax, `well again after ${Math.round(took)} ms`);
  t.comment(`well again after ${Math.round(took)} ms`);
  t.equal((await ask(compliance('distinct/ips', { system: 'crm' }))).status, 200, 'what was refused');
  t.equal((await get(base, '/readyz')).status, 200);
}

for (const [name, startOutage] of Object.entries({ stopped: stopping, 'black-holed': blackHole })) {
  t.test(
    `Redis ${name}: what was asked is answered, the rest is a 503 in time, and it recovers`,
    async (t) => {
      const service = await setUp(t, startOutage);
      const { outage, pass, store, ask } = service;
      t.equal((await store('ada')).status, 201);
      for (const path of Object.values(questions)) t.equal((await ask(path)).status, 200);
      await outage.begin();

      await allAnswered(t, service, /^papertrail; hit; ttl=\d+$/);
      await isRefused(t, service, compliance('distinct/ips', { system: 'crm' }));
      await isRefused(t, service, compliance('distinct/ips', { system: '*' }));
      await summariesSaySo(t, service);
      t.equal((await store('bob')).status, 503, 'and nothing is taken in');
      pass(31 * SECOND);
      t.match(status((await ask(questions.hour)).headers), /ttl=-\d; detail=stale-while-revalidate$/);
      pass(11 * MINUTE);
      await allAnswered(t, service, /ttl=-\d+; detail=stale-if-error$/);
      await allAnswered(t, service, /ttl=-\d+; detail=stale-if-error$/);
      await recovers(t, service);
    },
  );
}

t.test('Redis black-holed for all systems first: whoever asks about them is told in time', async (t) => {
  const service = await setUp(t, blackHole);
  await service.store('ada');
  await service.outage.begin();
  await isRefused(t, service, questions.all);
  await service.outage.end();
});

t.test('an answer that is older than it may be on errors is a 503', async (t) => {
  const service = await setUp(t, stopping);
  const { ask, outage, pass, store } = service;
  await store('ada');
  const path = compliance('distinct/users', { system: 'crm', from: '2026-01-31T13:00:00Z' });
  t.equal((await ask(path)).status, 200);
  await outage.begin();
  pass(2 * 60 * MINUTE);
  await isRefused(t, service, path);
});
