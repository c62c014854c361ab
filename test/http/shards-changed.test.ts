/**
 * Another number of shards: whether it is raised, lowered or taken away, what was written before is in every answer, and
 * operators reach all of it.
 */
import { Redis } from 'ioredis';
import t, { type Test } from 'tap';
import { directoryKeys, parseKey } from '../../src/redis/keys.js';
import { shardNames } from '../../src/redis/shard-names.js';
import { startApp } from '../support/app.js';
import { compliance, event, get, postRows, purge, send } from '../support/http.js';
import { startRedis } from '../support/redis-server.js';
import { until } from '../support/until.js';

const server = await startRedis();
const redis = new Redis(server.url, { protocol: 2 });
t.teardown(async () => {
  redis.disconnect();
  await server.stop();
});
t.beforeEach(() => redis.flushall());

/** The service with some setting, until the test has ended. */
async function serve(t: Test, SYSTEM_SHARDS: string) {
  const { base, stop } = await startApp({ redis: server, config: { SYSTEM_SHARDS } });
  t.teardown(stop);
  return { base, stop };
}

let users = 0;
/** Stores events of so many users who were never there before. */
async function storeUsers(base: string, count: number, system = 'crm'): Promise<void> {
  const rows = Array.from({ length: count }, () =>
    event({ system, user_id: `user ${users++}`, metadata: { latency_ms: 5 } }),
  );
  const { status, text } = await postRows(base, rows);
  if (status !== 201) throw new Error(text);
}

async function count(base: string, system = 'crm'): Promise<number> {
  const path = compliance('top/event_types', { system, window: '1d' });
  const { body } = await get<{ items: { count: number }[] }>(base, path);
  return body.items.reduce((sum, item) => sum + item.count, 0);
}

const shardsWritten = async (system = 'crm') => {
  const parsed = (await redis.keys('pt:{*')).map((key) => parseKey(key));
  return [...new Set(parsed.filter((key) => key?.system === system).map((key) => key?.shard))].sort();
};

t.test('a system that is spread later keeps its old data, as one of the shards', async (t) => {
  const before = await serve(t, '');
  await storeUsers(before.base, 40);
  t.strictSame(await shardsWritten(), ['crm']);
  const after = await serve(t, 'crm=4');
  t.equal(await count(after.base), 40);
  await storeUsers(after.base, 60);
  t.equal(await count(after.base), 100);
  t.strictSame(await shardsWritten(), [...shardNames('crm', 4)].sort());
  await until(async () => (await count(before.base)) === 100, 'a process that spreads nothing to hear of it');
});

t.test('a number that is lowered, or taken away, leaves nothing behind', async (t) => {
  const eight = await serve(t, 'crm=8');
  await storeUsers(eight.base, 200);
  await eight.stop();
  const two = await serve(t, 'crm=2');
  t.equal(await count(two.base), 200);
  await redis.del(...(await redis.keys('pt:{crm*')));
  await storeUsers(two.base, 50);
  t.strictSame(await shardsWritten(), [...shardNames('crm', 2)].sort(), 'it writes to two');
  await two.stop();
  const none = await serve(t, '');
  t.equal(await count(none.base), 50);
  await storeUsers(none.base, 10);
  t.equal(await count(none.base), 60);
});

t.test('a number that is raised moves nothing', async (t) => {
  const [few, many] = [shardNames('crm', 3), shardNames('crm', 64)];
  t.strictSame(many.slice(0, 3), few);
  const three = await serve(t, 'crm=3');
  await storeUsers(three.base, 30);
  await three.stop();
  const more = await serve(t, 'crm=16');
  t.equal(await count(more.base), 30);
});

t.test('a purge leaves no key of any shard, and a note of it for a day at most', async (t) => {
  const spread = await serve(t, 'crm=8,other=3');
  await storeUsers(spread.base, 100);
  await storeUsers(spread.base, 30, 'other');
  await spread.stop();
  const { base } = await serve(t, 'crm=2');
  const all = await redis.keys('pt:{crm*');
  t.ok((await shardsWritten()).length === 8);
  const dry = (await purge(base, { system: 'crm' })).body;
  t.match(dry, { would_remove: { keys: all.length }, systems: 1, systems_named: ['crm'] });
  t.equal((await redis.keys('pt:{crm*')).length, all.length, 'a dry run deletes nothing');
  t.match(await purge(base, { confirm: dry.confirm }), { status: 200, body: { done: true, systems: 0 } });
  t.strictSame(await redis.keys('pt:{crm*'), []);
  const noted = async (note: string) =>
    Number(await redis.zscore(directoryKeys.shards, note)) - Date.now() / 1_000;
  t.ok((await noted('8:crm')) <= 86_400);
  t.ok((await noted('3:other')) > 86_400);
  const asked = compliance('top/event_types', { system: 'crm', window: '1d' });
  t.match(await get(base, asked), { status: 404, body: { code: 'system_unknown' } });
  t.equal(await count(base, 'other'), 30, 'the other one stays');
  await storeUsers(base, 20);
  t.equal(await count(base), 20);
  const pattern = (await purge(base, { pattern: 'o*' })).body;
  t.match((await purge(base, { confirm: pattern.confirm })).body, { done: true });
  t.strictSame(await redis.keys('pt:{other*'), []);
  t.ok((await noted('3:other')) <= 86_400);
});

t.test('a purge while events come in loses none of after it', async (t) => {
  const { base } = await serve(t, 'crm=4');
  await storeUsers(base, 100);
  let isOver = false;
  let stored = 0;
  const sending = (async () => {
    while (!isOver) {
      await storeUsers(base, 7);
      stored += 7;
    }
  })();
  const { confirm } = (await purge(base, { system: 'crm' })).body;
  t.match((await purge(base, { confirm })).body, { done: true });
  const sure = stored;
  await until(async () => stored > sure + 30, 'events after it');
  isOver = true;
  await sending;
  const counted = await count(base);
  t.ok(counted >= stored - sure - 7 && counted <= stored, `${counted} of ${stored}, ${sure} before the end`);
  const { body } = await get<{ systems: object[] }>(base, '/api/v1/systems');
  await until(async () => {
    const listed = await get<{ systems: { system: string }[] }>(base, '/api/v1/systems');
    return listed.body.systems.some(({ system }) => system === 'crm');
  }, 'it to be registered again');
  t.ok(body.systems.length <= 1);
});

t.test('somebody who is taken out is gone from the lists of all shards', async (t) => {
  const { base } = await serve(t, 'crm=8');
  const rows = Array.from({ length: 64 }, (_, i) =>
    event({ user_id: `u${i}`, metadata: { ip: '192.0.2.1' } }),
  );
  await postRows(base, rows);
  const remove = (path: string) => send(base, { method: 'DELETE', path: `/api/v1/subjects/${path}` });
  t.match(await remove('u7?kind=user'), { status: 200, body: { done: true, systems: 1, lists: 1 } });
  t.match(await remove('192.0.2.1?kind=ip'), { status: 200, body: { done: true, systems: 1, lists: 8 } });
  const top = async (metric: string) => {
    const path = compliance(`top/${metric}`, { system: 'crm', k: 1_000 });
    return (await get<{ items: { item: string }[] }>(base, path)).body.items.map(({ item }) => item);
  };
  t.equal((await top('active_users')).length, 63);
  t.notOk((await top('active_users')).includes('u7'));
  t.strictSame(await top('active_ips'), []);
});

t.test('a setting that says nothing sensible ends the start with a message that names it', async (t) => {
  for (const setting of ['crm', 'crm=1', 'crm=65', 'crm=2,crm=3', '=2', 'a%=2', 'crm=2,']) {
    await t.rejects(
      startApp({ redis: server, config: { SYSTEM_SHARDS: setting } }),
      /SYSTEM_SHARDS/,
      setting,
    );
  }
});
