/** Requests for an answer of now (`Cache-Control: no-cache`). */
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

t.test('a request for an answer of now gets one, which is good for the others too', async (t) => {
  const { pass, one, other } = await twoCaches(t, server);
  const compute = counted();
  const now = question('a', { refresh: true });
  await one.cache.get(question('a'), compute);
  await pass(SECOND);
  const answers = await Promise.all([1, 2, 3].map(() => one.cache.get(now, compute)));
  t.strictSame(answers.map(textOf), ['{"run":2}', '{"run":2}', '{"run":2}'], 'one computation for all three');
  await one.cache.settle();
  t.equal(textOf(await one.cache.get(question('a'), compute)), '{"run":2}');
  t.equal(textOf(await other.cache.get(question('a'), compute)), '{"run":2}');
  await pass(SECOND);
  t.equal(textOf(await other.cache.get(now, compute)), '{"run":3}', 'and no older one will do');
});

t.test('a request for an answer of now does not take what another only looked up', async (t) => {
  const { pass, one, other } = await twoCaches(t, server);
  const compute = counted();
  await one.cache.get(question('a'), compute);
  await one.cache.settle();
  await pass(SECOND);
  const [plain, fresh] = await Promise.all([
    other.cache.get(question('a'), compute),
    other.cache.get(question('a', { refresh: true }), compute),
  ]);
  t.strictSame([textOf(plain), textOf(fresh)], ['{"run":1}', '{"run":2}']);
});

t.test('a request for an answer of now gets an error rather than an older answer', async (t) => {
  const { one } = await twoCaches(t, server);
  await one.cache.get(question('a'), counted());
  const fails = counted(() => {
    throw gone;
  });
  await t.rejects(one.cache.get(question('a', { refresh: true }), fails), { code: 'redis_unavailable' });
  t.equal((await one.cache.get(question('a'), fails)).state, 'hit_l1');
});

t.test('a request for an answer of now does not join a computation that began before it', async (t) => {
  const { one } = await twoCaches(t, server);
  let begin = () => {};
  const begun = new Promise<void>((resolve) => {
    begin = resolve;
  });
  let release = (_: object) => {};
  const first = new Promise<object>((resolve) => {
    release = resolve;
  });
  const compute = counted((run) => {
    if (run > 1) return { run };
    begin();
    return first;
  });
  const now = question('a', { refresh: true });
  const before = one.cache.get(now, compute);
  await begun;
  const after = one.cache.get(now, compute);
  release({ run: 1 });
  t.strictSame([textOf(await before), textOf(await after)], ['{"run":1}', '{"run":2}']);
});
