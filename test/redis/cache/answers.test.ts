/** The cache of one process and its Redis: which answer goes out, and what it costs. */
import t from 'tap';
import { Problem } from '../../../src/errors.js';
import {
  age,
  counted,
  createTestClock,
  question,
  startCache,
  textOf,
  twoCaches,
} from '../../support/answer-cache.js';
import { startRedis } from '../../support/redis-server.js';
import { withRedis } from '../../support/redis-state.js';
import { startTurnCounter } from '../../support/turn-counter.js';
import { until } from '../../support/until.js';

const server = await startRedis();
t.teardown(() => server.stop());
t.beforeEach(() => withRedis(server, (redis) => redis.flushall()));

const SECOND = 1_000;
const HOUR = 3_600_000;
const gone = new Problem('redis_unavailable', 'gone for this test');

t.test('an answer is computed once and then comes from memory, in another process from Redis', async (t) => {
  const { one, other } = await twoCaches(t, server);
  const compute = counted();
  t.equal((await one.cache.get(question('a'), compute)).state, 'miss');
  t.equal((await one.cache.get(question('a'), compute)).state, 'hit_l1');
  await one.cache.settle();
  const shared = await other.cache.get(question('a'), compute);
  t.equal(shared.state, 'hit_l2');
  t.equal((await other.cache.get(question('a'), compute)).state, 'hit_l1');
  t.equal(textOf(shared), '{"run":1}');
  t.equal(compute.runs, 1);
  t.strictSame(await one.tallies(), { miss: 1, hit_l1: 1 });
  t.strictSame(await other.tallies(), { hit_l2: 1, hit_l1: 1 });
  const [mine] = await Promise.all([one.cache.get(question('a'), compute)]);
  const { asOf, tag, cacheControl } = mine.entry;
  t.hasStrict(shared.entry, { asOf, tag, cacheControl }, 'both say the same of it');
});

t.test('a hit asks Redis for nothing, a miss makes two round trips', async (t) => {
  const counter = await startTurnCounter(server);
  const { cache, stop } = await startCache(counter.socket, { clock: createTestClock() });
  t.teardown(async () => {
    await stop();
    await counter.stop();
  });
  await counter.begin();
  await cache.get(question('turns'), counted());
  await cache.settle();
  t.equal(counter.turns.length, 2, 'get-or-lock, store-and-unlock');
  await counter.begin();
  await cache.get(question('turns'), counted());
  t.equal(counter.turns.length, 0);
});

t.test('requests that come at once share one computation', async (t) => {
  const { one } = await twoCaches(t, server);
  const compute = counted();
  const answers = await Promise.all(
    Array.from({ length: 1_000 }, () => one.cache.get(question('a'), compute)),
  );
  t.equal(compute.runs, 1);
  t.equal(new Set(answers.map(textOf)).size, 1);
  t.strictSame(await one.tallies(), { miss: 1, coalesced: 999 });
});

t.test(
  'a stale answer goes out at once, from memory and from Redis, and is renewed once behind it',
  async (t) => {
    const { pass, one, other } = await twoCaches(t, server);
    const compute = counted();
    await one.cache.get(question('a'), compute);
    await one.cache.settle();
    await pass(31 * SECOND);

    const fromRedis = await Promise.all([1, 2, 3].map(() => other.cache.get(question('a'), compute)));
    t.strictSame(
      fromRedis.map((answer) => [answer.state, textOf(answer)]),
      [1, 2, 3].map(() => ['stale', '{"run":1}']),
    );
    await other.cache.settle();
    t.equal(compute.runs, 2);
    t.equal(textOf(await other.cache.get(question('a'), compute)), '{"run":2}');

    const fromMemory = await Promise.all([1, 2, 3].map(() => one.cache.get(question('a'), compute)));
    t.ok(fromMemory.every(({ state }) => state === 'stale'));
    await one.cache.settle();
    t.equal(textOf(await one.cache.get(question('a'), compute)), '{"run":2}', 'what the other has computed');
    t.equal(compute.runs, 2);
    t.strictSame(await one.refreshes(), { shared: 1 });
    t.strictSame(await other.refreshes(), { computed: 1 });
  },
);

t.test('an answer past its stale time is waited for', async (t) => {
  const { pass, one } = await twoCaches(t, server);
  const compute = counted();
  await one.cache.get(question('a'), compute);
  await pass(61 * SECOND);
  const answer = await one.cache.get(question('a'), compute);
  t.strictSame([answer.state, textOf(answer)], ['miss', '{"run":2}']);
});

t.test('an answer ages by the clock of Redis, whatever the clocks of processes say', async (t) => {
  const { one, other } = await twoCaches(t, server);
  const compute = counted();
  const { entry } = await one.cache.get(question('a'), compute);
  await one.cache.settle();
  await age(server, 20 * SECOND);
  const shared = await other.cache.get(question('a'), compute);
  const ageMs = shared.now - shared.entry.computedAt;
  t.ok(ageMs >= 20 * SECOND && ageMs < 50 * SECOND, `${ageMs} ms`);
  t.equal(shared.entry.asOf, entry.asOf - 20 * SECOND);
});

t.test('where nothing new can be had the last answer goes out, up to its limit', async (t) => {
  const { pass, one, other } = await twoCaches(t, server);
  const compute = counted();
  const fails = counted(() => {
    throw gone;
  });
  await one.cache.get(question('a'), compute);
  await one.cache.settle();
  await pass(10 * 60 * SECOND);
  const answer = await one.cache.get(question('a'), fails);
  t.strictSame([answer.state, textOf(answer)], ['error_stale', '{"run":1}']);
  t.equal((await one.cache.get(question('a'), fails)).state, 'error_stale');
  t.equal(fails.runs, 1, 'and nobody tries again at once');
  await pass(SECOND);
  await one.cache.get(question('a'), fails);
  t.equal(fails.runs, 2, 'but a second later');
  t.equal((await other.cache.get(question('a'), fails)).state, 'error_stale', 'from Redis as well');

  await pass(HOUR);
  await t.rejects(one.cache.get(question('a'), fails), { code: 'redis_unavailable' });
  t.equal(textOf(await one.cache.get(question('a'), compute)), '{"run":2}', 'all is well again');
});

t.test('an unexpected error is covered too, and without an earlier answer it is thrown', async (t) => {
  const { pass, one } = await twoCaches(t, server);
  const fails = counted(() => {
    throw new TypeError('a fault');
  });
  await t.rejects(one.cache.get(question('a'), fails), TypeError);
  await t.rejects(one.cache.get(question('a'), fails), TypeError, 'and the lock does not stay behind');
  t.equal(fails.runs, 2);
  await one.cache.get(question('a'), counted());
  await pass(10 * 60 * SECOND);
  t.equal((await one.cache.get(question('a'), fails)).state, 'error_stale');
});

t.test('data that is gone takes the shared answer with it', async (t) => {
  const { pass, one, other } = await twoCaches(t, server);
  await one.cache.get(question('a'), counted());
  await one.cache.settle();
  await pass(10 * 60 * SECOND);
  const none = () => Promise.reject(new Problem('no_data', 'nothing'));
  await t.rejects(one.cache.get(question('a'), none), { code: 'no_data' });
  await one.cache.settle();
  await t.rejects(
    other.cache.get(question('a'), () => Promise.reject(gone)),
    { code: 'redis_unavailable' },
  );
});

t.test('hot questions are renewed before they are stale, the others are not', async (t) => {
  const { pass, one, other } = await twoCaches(t, server);
  const compute = counted();
  const cold = counted();
  for (let i = 0; i < 5; i++) await one.cache.get(question('hot'), compute);
  for (let i = 0; i < 5; i++) await other.cache.get(question('hot'), compute);
  await one.cache.get(question('cold'), cold);
  await one.cache.warm();
  await one.cache.settle();
  t.equal(compute.runs, 1, 'not while it is fresh for long');
  await pass(26 * SECOND);
  for (const process of [one, other]) {
    await process.cache.warm();
    await process.cache.settle();
  }
  t.equal(compute.runs, 2, 'by one of the processes');
  t.equal(cold.runs, 1);
  await pass(20 * SECOND);
  for (const process of [one, other]) {
    const answer = await process.cache.get(question('hot'), compute);
    t.strictSame([answer.state, textOf(answer)], ['hit_l1', '{"run":2}']);
  }
});

t.test('a round renews a bounded number of answers, the most asked first', async (t) => {
  const { pass, one } = await twoCaches(t, server);
  const questions = Array.from({ length: 60 }, (_, i) => ({
    asks: 3 + (i % 30),
    compute: counted(),
    name: `q${i}`,
  }));
  for (const { asks, compute, name } of questions) {
    for (let i = 0; i < asks; i++) await one.cache.get(question(name), compute);
  }
  await pass(26 * SECOND);
  await one.cache.warm();
  await one.cache.settle();
  const renewed = questions.filter(({ compute }) => compute.runs === 2);
  t.equal(renewed.length, 50);
  t.ok(
    renewed.every(({ asks }) => asks >= 8),
    'the five least asked of each thirty wait for the next round',
  );
  await one.cache.warm();
  await one.cache.settle();
  t.ok(questions.every(({ compute }) => compute.runs === 2));
});

t.test('switched off, every question is computed, and Redis is asked for the time only', async (t) => {
  const counter = await startTurnCounter(server);
  const { cache, stop } = await startCache(counter.socket, { enabled: false });
  t.teardown(async () => {
    await stop();
    await counter.stop();
  });
  await counter.begin();
  const compute = counted();
  for (const run of [1, 2]) {
    const answer = await cache.get(question('a'), compute);
    t.strictSame([answer.state, textOf(answer)], ['off', `{"run":${run}}`]);
  }
  await cache.warm();
  await cache.settle();
  t.equal(counter.turns.length, 2, 'once for each question');
});

t.test('a large answer stays with the process that computed it', async (t) => {
  const { one, other } = await twoCaches(t, server);
  const compute = counted(() => ({ text: 'x'.repeat(300_000) }));
  await one.cache.get(question('large'), compute);
  await one.cache.settle();
  t.equal((await one.cache.get(question('large'), compute)).state, 'hit_l1');
  t.equal((await other.cache.get(question('large'), compute)).state, 'miss');
  t.equal(compute.runs, 2);
});

t.test('everything in Redis expires', async (t) => {
  const { one } = await twoCaches(t, server);
  await one.cache.invalidate({ endpoint: 'test' });
  await one.cache.get(question('a'), counted());
  await one.cache.settle();
  let release = (_value: object) => {};
  const held = new Promise<object>((resolve) => {
    release = resolve;
  });
  const asked = one.cache.get(question('b'), () => held);
  await withRedis(server, async (redis) => {
    await until(async () => (await redis.keys('*:lock')).length === 1, 'the lock');
    const keys = await redis.keys('*');
    t.equal(keys.length, 3, 'an answer, a lock, the generations');
    for (const key of keys) t.ok((await redis.pttl(key)) > 0, key);
    release({});
    await asked;
    await one.cache.settle();
    t.strictSame(await redis.keys('*:lock'), [], 'a lock is given back');
  });
});
