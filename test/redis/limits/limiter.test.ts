/** The limiter: one bucket for all processes, few round trips, and a bucket of its own while Redis is away. */
import { setImmediate as turn } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { pino } from 'pino';
import t, { type Test } from 'tap';
import { type Clock, systemClock } from '../../../src/clock.js';
import { loadConfig } from '../../../src/config.js';
import { createLimiter, type Decision } from '../../../src/limits/limiter.js';
import { createLimit, type Limit } from '../../../src/limits/policies.js';
import { createMetrics } from '../../../src/metrics.js';
import { connectionLimits, createConnection } from '../../../src/redis/connection.js';
import { limitKey } from '../../../src/redis/keys.js';
import { startProxy } from '../../support/redis-proxy.js';
import { startRedis } from '../../support/redis-server.js';
import { until } from '../../support/until.js';

const server = await startRedis();
const direct = new Redis(server.url, { protocol: 2 });
t.teardown(async () => {
  direct.disconnect();
  await server.stop();
});
const log = pino({ level: 'silent' });

/** A clock that moves when it is told to. */
function createClock() {
  const clock = { at: 1e12, now: () => clock.at };
  return clock;
}

/** A process of its own, as far as the limiter knows. */
async function startProcess(
  test: Test,
  { path = server.socket, clock = createClock() as Clock, timeoutMs = 10_000 } = {},
) {
  const metrics = createMetrics();
  const connection = { address: { path }, name: 'limits' as const, limits: connectionLimits(loadConfig({})) };
  const redis = createConnection({ ...connection, metrics, log, random: () => 0.5 });
  test.teardown(() => redis.disconnect());
  const limiter = createLimiter({ redis, timeoutMs, clock, metrics, log });
  redis.on('ready', () => void limiter.probe());
  await until(() => redis.status === 'ready', 'a connection');
  const isLocal = async () => (await metrics.limitsLocal.get()).values[0].value === 1;
  return { limiter, isLocal };
}

const limitOf = (perSecond: number, burstSeconds: number) =>
  createLimit('ingest', perSecond, burstSeconds) as Limit;

/** How often scripts were called in Redis. */
async function scriptCalls(): Promise<number> {
  const stats = await direct.info('commandstats');
  return Number(/cmdstat_evalsha:calls=(\d+)/.exec(stats)?.[1] ?? 0);
}

t.test('requests within the limit are decided at once, and share round trips', async (t) => {
  const { limiter } = await startProcess(t);
  const limit = limitOf(1_000, 2);
  const before = await scriptCalls();
  let waited = 0;
  for (let i = 0; i < 1_000; i++) {
    const decided = limiter.take(limit, 'one by one', 1);
    if (decided instanceof Promise) waited++;
    t.ok((await decided).allowed);
    if (i % 5 === 4) await until(async () => (await scriptCalls()) >= before + (i + 1) / 5, 'the payment');
  }
  await turn();
  t.equal(waited, 0);
  t.equal((await scriptCalls()) - before, 200, 'one for each half block');
});

t.test('processes share one bucket, whoever is asked', async (t) => {
  const clock = systemClock; // Redis has its own, which goes as fast
  const processes = await Promise.all([1, 2, 3].map(() => startProcess(t, { clock })));
  const limit = limitOf(1_000, 30); // blocks of 10
  const started = performance.now();
  let spent = 0;
  for (let i = 0, refused = 0; refused < 300; i++) {
    const { limiter } = processes[i % 7 === 0 ? 1 : i % 3];
    const cost = 1 + (i % 100);
    const { allowed } = await limiter.take(limit, 'shared', cost);
    if (allowed) spent += cost;
    else refused++;
  }
  const most = 30_000 + performance.now() - started + 3 * limit.block;
  t.ok(spent <= most, `${spent} of ${most}`);
  t.ok(spent >= 30_000 - 100, `${spent}`);
});

t.test('what even the best case cannot pay for is refused without asking', async (t) => {
  const { limiter } = await startProcess(t);
  const limit = limitOf(50, 10);
  t.ok((await limiter.take(limit, 'refused', 10_000)).allowed, 'a full bucket gives any amount');
  const before = await scriptCalls();
  for (let i = 0; i < 100; i++) {
    const decision = limiter.take(limit, 'refused', 1) as Decision;
    t.match(decision, { allowed: false });
    t.ok(decision.waitMs > 189_000 && decision.waitMs <= 190_020, `${decision.waitMs} ms to wait`);
  }
  t.equal(await scriptCalls(), before);
});

t.test('below a hundred a second nothing is on lease: every request is decided in Redis', async (t) => {
  const [one, other] = [await startProcess(t), await startProcess(t)];
  const limit = limitOf(0.001, 3_000); // three tokens, and no more for hours
  const decide = async ({ limiter }: typeof one) => (await limiter.take(limit, 'slow', 1)).allowed;
  t.strictSame(
    [await decide(one), await decide(other), await decide(one), await decide(other), await decide(one)],
    [true, true, true, false, false],
  );
});

t.test('a sweep pays what idle leases owe, once', async (t) => {
  const clock = createClock();
  const { limiter } = await startProcess(t, { clock });
  const before = await scriptCalls();
  t.ok((limiter.take(limitOf(10_000, 1), 'idle', 3) as Decision).allowed);
  await limiter.sweep();
  t.equal(await scriptCalls(), before, 'it is still used');
  clock.at += 1_000;
  await limiter.sweep();
  t.equal(await scriptCalls(), before + 1, 'paid');
  clock.at += 1_000;
  await limiter.sweep();
  await limiter.sweep();
  t.equal(await scriptCalls(), before + 1, 'and only once');
});

t.test('what is spent on lease is paid when the process ends', async (t) => {
  const { limiter } = await startProcess(t);
  const before = await scriptCalls();
  await limiter.take(limitOf(10_000, 1), 'ends', 3);
  t.equal(await scriptCalls(), before);
  await limiter.settle();
  t.equal(await scriptCalls(), before + 1);
});

t.test('Redis away', async (t) => {
  const proxy = await startProxy(server);
  t.teardown(() => proxy.stop());
  const clock = createClock();
  const { limiter, isLocal } = await startProcess(t, { path: proxy.socket, clock, timeoutMs: 250 });
  const limit = limitOf(1_000, 1);
  t.match(await limiter.take(limit, 'away', 600), { allowed: true });
  t.notOk(await isLocal());
  proxy.swallow(true);

  t.test('a request that must ask is decided within the time limit, here, from what was known', async (t) => {
    const started = performance.now();
    t.match(await limiter.take(limit, 'away', 300), { allowed: true });
    t.ok(performance.now() - started < 5_000);
    t.ok(await isLocal());
    t.match(limiter.take(limit, 'away', 101), { allowed: false, waitMs: 1 });
    t.match(limiter.take(limit, 'away', 100), { allowed: true, remaining: 0 });
  });

  t.test('the limit holds meanwhile, at the same rate', async (t) => {
    let allowed = 0;
    for (let i = 0; i < 5_000; i++) {
      if (i % 2 === 0) clock.at++; // 2,500 ms in all
      if ((limiter.take(limit, 'away', 1) as Decision).allowed) allowed++;
    }
    t.equal(allowed, 2_500);
  });

  t.test('when Redis is back the shared bucket counts again', async (t) => {
    proxy.swallow(false);
    await until(async () => {
      await limiter.sweep();
      return !(await isLocal());
    }, 'the shared bucket');
    await direct.set(limitKey('ingest', 'away'), `${(Date.now() + 60_000) * 1_000}`, 'PX', 60_000);
    clock.at += 1_000;
    t.match(await limiter.take(limit, 'away', 500), { allowed: false });
  });
});
