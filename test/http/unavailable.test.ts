/** A Redis that is away, full or too slow: 503 with a code and Retry-After, and work goes on once it is back. */
import t, { type Test } from 'tap';
import { startApp } from '../support/app.js';
import { type Answer, compliance, event, get, postRows } from '../support/http.js';
import { startProxy } from '../support/redis-proxy.js';
import { startRedis } from '../support/redis-server.js';
import { stateOf, withRedis } from '../support/redis-state.js';
import { until } from '../support/until.js';

const timestamp = 1_700_000_000;
const row = (user_id: string) => event({ system: 's', user_id, timestamp });
const question = compliance('distinct/users', { system: 's', timestamp });

function isUnavailable(t: Test, answer: Answer<unknown>, code: string): void {
  t.equal(answer.status, 503);
  t.equal(answer.headers['content-type'], 'application/problem+json');
  t.ok(Number(answer.headers['retry-after']) >= 1, 'it says when to try again');
  t.hasStrict(answer.body, { status: 503, code });
}

t.test('Redis is away', async (t) => {
  const first = await startRedis();
  const second = await startRedis();
  const proxy = await startProxy(first);
  const { base, stop } = await startApp({ redis: { ...second, socket: proxy.socket } });
  t.teardown(async () => {
    await stop();
    await proxy.stop();
    await first.stop();
    await second.stop();
  });
  t.equal((await postRows(base, [row('a')])).status, 201, 'there it was still there');
  first.process.kill('SIGKILL');
  await until(async () => (await get(base, '/readyz')).status === 503, 'the loss to be noticed');

  isUnavailable(t, await postRows(base, [row('b')]), 'redis_unavailable');
  isUnavailable(t, await get(base, question), 'redis_unavailable');
  isUnavailable(t, await get(base, '/api/v1/systems'), 'redis_unavailable');
  t.equal((await get(base, '/livez')).status, 200, 'the service itself is alive');
  t.equal((await postRows(base, [{}])).status, 400, 'what is wrong by itself is still told so');

  proxy.switchTo(second);
  await until(async () => (await get(base, '/readyz')).status === 200, 'the service to find it again');
  t.equal((await postRows(base, [row('b')])).status, 201);
  t.hasStrict((await get(base, question)).body, { count: 1 }, 'with nothing of what was refused');
});

t.test('too much is waiting for Redis', async (t) => {
  const { base, redis, stop } = await startApp({ config: { INGEST_PENDING_BYTES_MAX: 1_024 } });
  t.teardown(stop);
  const large = (user_id: string) => [{ ...row(user_id), note: 'x'.repeat(900) }];
  redis.process.kill('SIGSTOP');
  const posts = ['a', 'b'].map((user) => postRows(base, large(user)));
  const refused = await Promise.race(posts);
  redis.process.kill('SIGCONT');
  isUnavailable(t, refused, 'overloaded');
  t.strictSame((await Promise.all(posts)).map(({ status }) => status).sort(), [201, 503], 'one had a place');
  t.hasStrict((await get(base, question)).body, { count: 1 });
  t.equal((await postRows(base, large('c'))).status, 201);
  t.hasStrict((await get(base, question)).body, { count: 2 }, 'the place is free again');
});

t.test('Redis has no memory left', async (t) => {
  const { base, redis, stop } = await startApp();
  t.teardown(stop);
  const limit = (maxmemory: string) =>
    withRedis(redis, (connection) => connection.config('SET', 'maxmemory', maxmemory));
  t.equal((await postRows(base, [row('a')])).status, 201);
  const before = await stateOf(redis);

  await limit('1');
  isUnavailable(t, await postRows(base, [row('b')]), 'ingest_failed');
  isUnavailable(t, await postRows(base, [{ ...row('b'), system: 'another' }]), 'ingest_failed');
  t.same(await stateOf(redis), before, 'nothing of it is stored');
  t.hasStrict((await get(base, question)).body, { count: 1 }, 'questions are answered');

  await limit('0');
  t.equal((await postRows(base, [row('b')])).status, 201);
  t.hasStrict((await get(base, question)).body, { count: 2 });
});
