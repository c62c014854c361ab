/** Answers that say "no": none is kept, and none that was read before a request is given to it. */
import t from 'tap';
import { Problem } from '../../../src/errors.js';
import { counted, question, textOf, twoCaches } from '../../support/answer-cache.js';
import { startRedis } from '../../support/redis-server.js';
import { withRedis } from '../../support/redis-state.js';

const server = await startRedis();
t.teardown(() => server.stop());
t.beforeEach(() => withRedis(server, (redis) => redis.flushall()));

const SECOND = 1_000;
const gone = new Problem('redis_unavailable', 'gone for this test');
const no = { accessed: false };

t.test('a "no" is computed for everyone who asks after the one before was read', async (t) => {
  const { one, other } = await twoCaches(t, server);
  const compute = counted((run) => (run < 4 ? no : { accessed: true }));
  for (const { cache } of [one, one, other]) {
    const answer = await cache.get(question('a'), compute);
    t.strictSame([answer.state, textOf(answer)], ['uncached', '{"accessed":false}']);
    t.equal(answer.entry.cacheControl, 'private, no-cache');
  }
  t.equal((await other.cache.get(question('a'), compute)).state, 'miss', 'what refutes it is kept');
  await other.cache.settle();
  t.equal((await one.cache.get(question('a'), compute)).state, 'hit_l2');
  t.equal(compute.runs, 4);
  t.strictSame(await one.tallies(), { uncached: 2, hit_l2: 1 });
});

t.test('a request is never answered with a "no" that was read before it came', async (t) => {
  const { one } = await twoCaches(t, server);
  let release = (_: object) => {};
  const first = new Promise<object>((resolve) => {
    release = resolve;
  });
  let begin = () => {};
  const begun = new Promise<void>((resolve) => {
    begin = resolve;
  });
  const compute = counted((run) => {
    if (run > 1) return { accessed: true };
    begin();
    return first;
  });
  const before = one.cache.get(question('a'), compute);
  await begun;
  const after = [1, 2, 3].map(() => one.cache.get(question('a'), compute));
  release(no);
  t.equal(textOf(await before), '{"accessed":false}');
  for (const answer of await Promise.all(after)) t.equal(textOf(answer), '{"accessed":true}');
  t.equal(compute.runs, 2, 'those who came after it share one read');
});

t.test('askers that come at once share one read of a "no"', async (t) => {
  const { one } = await twoCaches(t, server);
  const compute = counted(() => no);
  const ask = () => Promise.all(Array.from({ length: 100 }, () => one.cache.get(question('a'), compute)));
  for (const runs of [1, 2]) {
    await ask();
    t.equal(compute.runs, runs);
  }
});

t.test('two processes asked the same "no" again and again do not wait for each other', async (t) => {
  const { one, other } = await twoCaches(t, server);
  const compute = counted(() => no);
  const ask = async ({ cache }: typeof one) => {
    for (let i = 0; i < 50; i++) t.equal((await cache.get(question('a'), compute)).state, 'uncached');
  };
  await Promise.all([ask(one), ask(other)]);
  await withRedis(server, async (redis) =>
    t.strictSame(await redis.keys('*'), [], 'and leave nothing behind'),
  );
});

t.test('404 and every other refusal are not remembered', async (t) => {
  const { one } = await twoCaches(t, server);
  for (const code of ['no_data', 'system_unknown', 'window_unsupported'] as const) {
    const refused = counted(() => {
      throw new Problem(code, 'nothing');
    });
    for (const runs of [1, 2]) {
      await t.rejects(one.cache.get(question(code), refused), { code });
      t.equal(refused.runs, runs);
    }
    await one.cache.settle();
    t.equal((await one.cache.get(question(code), counted())).state, 'miss');
  }
});

t.test('a "no" drops the answer that was kept before', async (t) => {
  const { pass, one, other } = await twoCaches(t, server);
  await one.cache.get(question('a'), counted());
  await one.cache.settle();
  await pass(10 * 60 * SECOND);
  t.equal(
    (
      await one.cache.get(
        question('a'),
        counted(() => no),
      )
    ).state,
    'uncached',
  );
  await one.cache.settle();
  const fails = counted(() => {
    throw gone;
  });
  for (const { cache } of [one, other]) {
    await t.rejects(cache.get(question('a'), fails), { code: 'redis_unavailable' });
  }
});
