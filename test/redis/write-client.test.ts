/**
 * The write client when the connection fails: at most once without asking, and never a value believed to be
 * written that is not.
 */
import { Redis } from 'ioredis';
import t from 'tap';
import { Problem } from '../../src/errors.js';
import { sketchKey } from '../../src/redis/keys.js';
import { isUnsent, sentAgain } from '../../src/redis/pipeline.js';
import { scripts } from '../../src/redis/scripts.js';
import { bloomHas, decodeBloom } from '../../src/sketches/bloom.js';
import { bucketAt } from '../../src/windows/bucket.js';
import { namesFrom } from '../support/apply-delta.js';
import { startProxy } from '../support/redis-proxy.js';
import { startRedis, type TestRedis } from '../support/redis-server.js';
import { until } from '../support/until.js';
import { createWritePath, now, type Row, type WritePath } from '../support/write-path.js';

const servers: TestRedis[] = [await startRedis(), await startRedis()];
const [first, second] = servers;
const proxy = await startProxy(first);
const direct = servers.map((server) => new Redis(server.url, { protocol: 2 }));
const paths: WritePath[] = [];
t.teardown(async () => {
  for (const path of paths) path.redis.disconnect();
  for (const client of direct) client.disconnect();
  await proxy.stop();
  for (const server of servers) await server.stop();
});
t.beforeEach(async () => {
  for (const client of direct) await client.flushall();
  proxy.switchTo(first);
});

const applySha = scripts['apply-delta-n'].sha;
const timeoutMs = 300;

async function openPath(options: Partial<Parameters<typeof createWritePath>[0]> = {}) {
  const path = await createWritePath({ socket: proxy.socket, ...options });
  paths.push(path);
  t.afterEach(() => path.redis.disconnect());
  return path;
}

const day = bucketAt('day', now);
const hour = bucketAt('hour', now);
const rowsOf = (users: readonly string[], system = 's'): Row[] =>
  users.map((user_id) => ({ system, user_id }));

/** What is stored of a system: exact counts, and which of some users its sets have. */
async function truth(redis: Redis, users: readonly string[], system = 's') {
  const filter = await redis.getBuffer(sketchKey(system, 'bloom', 'users', day));
  const counters = await redis.hvals(sketchKey(system, 'count', 'events', day));
  return {
    events: counters.reduce((sum, count) => sum + Number(count), 0),
    missing: filter ? users.filter((user) => !bloomHas(decodeBloom(filter), user)) : [...users],
    distinctHour: await redis.pfcount(sketchKey(system, 'hll', 'users', hour)),
    distinctDay: await redis.pfcount(sketchKey(system, 'hll', 'users', day)),
    distinctMonth: await redis.pfcount(sketchKey(system, 'hll', 'users', bucketAt('month', now))),
    ada: Number(await redis.zscore(sketchKey(system, 'top', 'active_users', hour), 'ada')),
  };
}

const codeOf = (promise: Promise<void>) =>
  promise.then(
    () => 'stored',
    (error) => (error instanceof Problem ? error.code : String(error)),
  );

t.test(
  'a reply that is lost: counted once, answered outcome_unknown, not sent again, not remembered',
  async (t) => {
    const path = await openPath();
    await path.store(rowsOf(['bob'])); // registers the system, and all is known
    const before = proxy.seen(applySha);
    proxy.arm(applySha, 'cut');
    t.equal(await codeOf(path.store(rowsOf(['ada']))), 'outcome_unknown');
    await path.ready(2);
    t.equal(proxy.seen(applySha), before + 1, 'sent once');
    t.match(await truth(direct[0], ['ada', 'bob']), { events: 2, ada: 1, missing: [] }, 'counted once');
    t.equal(path.filter.size, 0, 'nothing is remembered');

    await path.store(rowsOf(['ada']));
    t.equal(proxy.seen(applySha), before + 2);
    t.match(
      await truth(direct[0], ['ada']),
      { events: 3, ada: 2 },
      'a second attempt counts twice: at least once',
    );
  },
);

t.test(
  'a lost reply of one of two pipelines in flight: both are answered, each is counted once',
  async (t) => {
    const path = await openPath({ pipelinesInFlightMax: 2 });
    await path.store(rowsOf(['bob']));
    proxy.arm(applySha, 'cut');
    const one = codeOf(path.store(rowsOf(['ada'])));
    await new Promise((resolve) => setImmediate(resolve)); // the second leaves as a pipeline of its own
    const two = codeOf(path.store(rowsOf(['ada'])));
    t.strictSame(await Promise.all([one, two]), ['outcome_unknown', 'outcome_unknown']);
    await path.ready(2);
    await until(async () => (await truth(direct[0], [])).events >= 2, 'what was sent');
    const { events, ada } = await truth(direct[0], []);
    t.ok(ada <= 2 && events === ada + 1, `${events} events, ada ${ada}`);
  },
);

t.test(
  'a command that is never answered ends in time with an unknown outcome; later ones work',
  async (t) => {
    const path = await openPath({ timeoutMs });
    await path.store(rowsOf(['bob']));
    proxy.arm(applySha, 'hold');
    const started = process.hrtime.bigint();
    t.equal(await codeOf(path.store(rowsOf(['ada']))), 'outcome_unknown');
    const tookMs = Number(process.hrtime.bigint() - started) / 1e6;
    t.ok(tookMs >= timeoutMs - 5, 'not before its time');
    t.ok(tookMs < timeoutMs + 1_000, `after ${Math.round(tookMs)} ms, where ${timeoutMs} are allowed`);
    await path.ready(2);
    t.equal(await codeOf(path.store(rowsOf(['ada']))), 'stored');
  },
);

t.test('values of a pipeline that failed are sent again in full', async (t) => {
  const path = await openPath();
  const users = namesFrom('user-', 300);
  await path.store(rowsOf(['bob']));
  proxy.arm(applySha, 'cut');
  t.equal(await codeOf(path.store(rowsOf(users))), 'outcome_unknown');
  await direct[0].flushall(); // as if it had not been executed
  await path.ready(2);
  await path.store(rowsOf(users));
  const { missing, distinctHour, distinctMonth } = await truth(direct[0], users);
  t.strictSame(missing, []);
  t.ok(Math.abs(distinctHour - 300) < 15 && distinctHour === distinctMonth);
});

t.test('after a purge the next write goes out in full, and no other system is forgotten', async (t) => {
  const path = await openPath();
  const users = namesFrom('user-', 300);
  for (const system of ['s', 'kept']) await path.store(rowsOf(users, system));
  const known = path.filter.size;
  await direct[0].del(...(await direct[0].keys('pt:{s}*')));
  await path.store([...rowsOf(users.slice(0, 100)), ...rowsOf(users, 'kept')]);
  t.match(await truth(direct[0], users.slice(0, 100)), { events: 100, missing: [] });
  t.ok((await truth(direct[0], [])).distinctDay > 90);
  t.match(await truth(direct[0], users, 'kept'), { events: 600, missing: [] });
  t.ok(path.filter.size > known / 2, 'the other is still known');
  await path.store(rowsOf(users));
  t.match(await truth(direct[0], users), { events: 400, missing: [] });
});

t.test(
  'after a purge by another process, which has written since, the next write goes out in full',
  async (t) => {
    const [path, other] = [await openPath(), await openPath()];
    const users = namesFrom('user-', 300);
    await path.store(rowsOf(users));
    await direct[0].del(...(await direct[0].keys('pt:{s}*')));
    await other.store(rowsOf(['ada']));
    await path.store(rowsOf(users));
    t.match(await truth(direct[0], ['ada', ...users]), { events: 301, missing: [], ada: 1 });
  },
);

t.test('after a purge in the middle of a delta of many calls, all of the delta is there once', async (t) => {
  const path = await openPath();
  const users = namesFrom('user-', 3_000);
  await path.store(rowsOf(['ada']));
  await direct[0].del('pt:{s}'); // the epoch alone: the rest of the purge is still to come
  await direct[0].del(...(await direct[0].keys('pt:{s}*')));
  await path.store(rowsOf(users));
  t.match(await truth(direct[0], users), { events: 3_000, missing: [], ada: 0 });
});

t.test('behind a reconnect stands an emptied server: everything is sent again in full', async (t) => {
  const path = await openPath();
  const users = namesFrom('user-', 300);
  await path.store(rowsOf(users));
  await path.store(rowsOf(users));
  proxy.switchTo(second);
  await path.ready(2);
  await path.store(rowsOf(users));
  const { events, missing, distinctDay } = await truth(direct[1], users);
  t.strictSame([events, missing], [300, []]);
  t.ok(Math.abs(distinctDay - 300) < 15);
  t.strictSame(await direct[1].hkeys('pt:directory:{names}:last'), ['s'], 'the directory too');
});

t.test('the same with the epoch of before, as after a failover that lost the tail', async (t) => {
  const path = await openPath();
  await path.store(rowsOf(['ada']));
  await direct[1].restore('pt:{s}', 0, (await direct[0].dumpBuffer('pt:{s}')) as Buffer);
  proxy.switchTo(second);
  await path.ready(2);
  await path.store(rowsOf(['ada']));
  t.match(await truth(direct[1], ['ada']), { events: 1, missing: [], distinctDay: 1, distinctMonth: 1 });
});

t.test(
  'a script cache that is emptied between and during writes loses nothing and counts nothing twice',
  async (t) => {
    const path = await openPath();
    const users = namesFrom('user-', 50);
    for (let round = 0; round < 20; round++) {
      const stored = [path.store(rowsOf(users)), path.store(rowsOf(['ada'], 't'))];
      void direct[0].script('FLUSH');
      await Promise.all(stored);
    }
    t.match(await truth(direct[0], users), { events: 1_000, missing: [] });
    t.match(await truth(direct[0], ['ada'], 't'), { events: 20, ada: 20, missing: [] });
  },
);

t.test(
  'while there is no connection a request fails at once, says so, and nothing is sent later',
  async (t) => {
    const path = await openPath();
    await path.store(rowsOf(['bob']));
    path.redis.disconnect();
    await until(() => path.redis.status === 'end', 'the end of the connection');
    t.throws(() => path.store(rowsOf(['ada'])), { code: 'redis_unavailable' });
    t.match(await truth(direct[0], []), { events: 1 });
  },
);

t.test(
  'a request that waits when the connection breaks was not sent, is told so and can be sent again',
  async (t) => {
    const path = await openPath({ pipelinesInFlightMax: 1 });
    await path.store(rowsOf(['bob']));
    proxy.arm(applySha, 'cut');
    const sent = codeOf(path.store(rowsOf(['ada'])));
    await new Promise((resolve) => setImmediate(resolve));
    const waiting = codeOf(path.store(rowsOf(['ada'])));
    t.equal(await sent, 'outcome_unknown');
    t.equal(await waiting, 'redis_unavailable', 'it never left');
    await path.ready(2);
    t.match(await truth(direct[0], []), { events: 2, ada: 1 });
  },
);

t.test(
  'what a second attempt could not send is of unknown outcome, since the first sent other calls',
  async (t) => {
    const unsent = new Error("Stream isn't writeable and enableOfflineQueue options is false");
    const [first, second] = [{ error: unsent }, sentAgain({ error: unsent })];
    t.ok(isUnsent(first.error));
    t.ok(second.error && !isUnsent(second.error));
    t.strictSame(sentAgain({ reply: 1 }), { reply: 1 });
  },
);
