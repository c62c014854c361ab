/** Redis stopped, black-holed, or back again: what is cached goes on being answered, and the rest fails in time. */
import t, { type Test } from 'tap';
import { Problem } from '../../../src/errors.js';
import { call, isUnavailable, readPipeline } from '../../../src/redis/pipeline.js';
import { createTestClock, question, startCache, type TestCache } from '../../support/answer-cache.js';
import { startProxy } from '../../support/redis-proxy.js';
import { startRedis } from '../../support/redis-server.js';
import { until } from '../../support/until.js';

const SECOND = 1_000;
/** Shorter than in production, so that a slow machine still answers within the second that is promised. */
const timeoutMs = 500;

/** A computation that needs Redis, as all questions do. */
const computeOn =
  (redis: TestCache['redis']) =>
  async (timeoutMs: number): Promise<object> => {
    try {
      return await readPipeline(redis, [call('ECHO', 'computed')], timeoutMs);
    } catch (error) {
      if (!isUnavailable(error as Error)) throw error;
      throw new Problem('redis_unavailable', 'away', {}, { cause: error });
    }
  };

async function setUp(t: Pick<Test, 'teardown'>) {
  const first = await startRedis();
  const second = await startRedis();
  const proxy = await startProxy(first);
  const clock = createTestClock();
  const cached = await startCache(proxy.socket, { clock, timeoutMs });
  t.teardown(async () => {
    await cached.stop();
    await proxy.stop();
    await first.stop();
    await second.stop();
  });
  return { first, second, proxy, clock, ...cached, compute: computeOn(cached.redis) };
}

/** Runs something and says how long it took, milliseconds. */
async function timed<Result>(run: () => Promise<Result>): Promise<[Result, number]> {
  const began = performance.now();
  const result = await run();
  return [result, performance.now() - began];
}

t.test(
  'Redis is stopped: fresh, stale and old answers go out, what is not cached is a 503 at once',
  async (t) => {
    const { first, second, proxy, clock, cache, redis, compute } = await setUp(t);
    await cache.get(question('a'), compute);
    first.process.kill('SIGKILL');
    await until(() => redis.status !== 'ready', 'the loss to be noticed');

    t.equal((await cache.get(question('a'), compute)).state, 'hit_l1');
    clock.pass(31 * SECOND);
    t.equal((await cache.get(question('a'), compute)).state, 'stale');
    await cache.settle();
    clock.pass(10 * 60 * SECOND);
    const [answer, ms] = await timed(() => cache.get(question('a'), compute));
    t.equal(answer.state, 'error_stale');
    t.ok(ms < 500, `${ms} ms`);
    await t.rejects(cache.get(question('b'), compute), { code: 'redis_unavailable' });
    await cache.look();
    await cache.warm();

    proxy.switchTo(second);
    await until(() => redis.status === 'ready', 'the service to find it again');
    clock.pass(SECOND);
    t.equal((await cache.get(question('a'), compute)).state, 'miss', 'and answers are computed again');
    t.equal((await cache.get(question('b'), compute)).state, 'miss');
  },
);

t.test('Redis is black-holed: the same, within a second', async (t) => {
  const { proxy, clock, cache, redis, compute } = await setUp(t);
  await cache.get(question('a'), compute);
  await cache.settle();
  const hold = () => {
    proxy.arm('EVALSHA', 'hold');
    return proxy.connections;
  };
  const reconnected = (before: number) =>
    until(() => proxy.connections > before && redis.status === 'ready', 'another connection');
  let before = hold();

  const [refused, refusedMs] = await timed(() => cache.get(question('b'), compute).catch((error) => error));
  t.hasStrict(refused, { code: 'redis_unavailable' });
  t.ok(refusedMs >= timeoutMs - 10 && refusedMs < 1_000, `${refusedMs} ms`);
  await reconnected(before);

  before = hold();
  clock.pass(10 * 60 * SECOND);
  const [answer, ms] = await timed(() => cache.get(question('a'), compute));
  t.equal(answer.state, 'error_stale');
  t.ok(ms < 1_000, `${ms} ms`);
  const [again, againMs] = await timed(() => cache.get(question('a'), compute));
  t.equal(again.state, 'error_stale');
  t.ok(againMs < 50, `${againMs} ms: nobody else waits for what has just failed`);
  await reconnected(before);
  clock.pass(SECOND);
  t.equal((await cache.get(question('a'), compute)).state, 'miss');
});

t.test('a Redis that takes no writes costs the sharing, not the answers', async (t) => {
  const { cache, redis, compute } = await setUp(t);
  await redis.config('SET', 'maxmemory', '1');
  t.equal((await cache.get(question('a'), compute)).state, 'miss');
  t.equal((await cache.get(question('a'), compute)).state, 'hit_l1');
});

t.test('a computation that takes too long is a 503 in time', async (t) => {
  const { cache } = await setUp(t);
  const never = () => new Promise<object>(() => {});
  const [refused, ms] = await timed(() => cache.get(question('a'), never).catch((error) => error));
  t.hasStrict(refused, { code: 'redis_unavailable' });
  t.ok(ms < 1_000, `${ms} ms`);
});
