/** DELETE /api/v1/subjects/:id: who is gone from which answers, what is said to remain, and who is left alone. */
import { Redis } from 'ioredis';
import t from 'tap';
import { createKeyedHash } from '../../src/privacy/keyed-hash.js';
import { startApp } from '../support/app.js';
import { compliance, event, get, postRows, send } from '../support/http.js';
import { startRedis } from '../support/redis-server.js';

const key = 'the present key, 32 characters..';
const hash = createKeyedHash(key);
const now = Date.UTC(2026, 0, 31, 13, 37);
const clock = { now: () => now };

interface Removal {
  kind: string;
  done: boolean;
  next: string | null;
  systems: number;
  lists: number;
  removed: number;
  stays: { in: string; tells: string; until: string }[];
  code?: string;
}
interface Top {
  items: { item: string; count: number; lower: number; upper: number }[];
  floor: number;
}

const remove = (base: string, id: string, query = '') =>
  send<Removal>(base, { method: 'DELETE', path: `/api/v1/subjects/${encodeURIComponent(id)}${query}` });
const visit = (system: string, user_id: string, fields: object = {}) =>
  event({ system, user_id, timestamp: now, metadata: { ip: '192.0.2.1', status: 'failed' }, ...fields });
const listed = async (base: string, metric: string, system = '*', window = '1h') => {
  const { body } = await get<Top>(base, compliance(`top/${metric}`, { system, window }));
  return { items: body.items.map(({ item }) => item).sort(), floor: body.floor };
};

t.test('a person is in no top list of any system any more, and the others are', async (t) => {
  const { base, stop } = await startApp({ clock });
  t.teardown(stop);
  await postRows(base, [
    ...[visit('crm', 'alice'), visit('crm', 'alice'), visit('crm', 'bob')],
    ...[visit('erp', 'alice'), visit('hr', 'bob'), visit('a}b', 'alice', { timestamp: now - 86_400_000 })],
  ]);
  const { status, body } = await remove(base, 'alice');
  t.equal(status, 200);
  t.hasStrict(body, { kind: 'user', done: true, next: null, systems: 4, lists: 6, removed: 6 });
  for (const window of ['1h', '1d', '1w']) {
    const { items } = await listed(base, 'active_users', '*', window);
    t.strictSame(items, ['bob'], window);
  }
  t.equal((await listed(base, 'active_users', 'crm')).floor, 2, 'his count bounds whoever is not listed');
  t.strictSame((await listed(base, 'active_ips')).items, ['192.0.2.1'], 'IPs are others');
  t.hasStrict((await remove(base, 'alice')).body, { done: true, systems: 4, lists: 0, removed: 0 });
  t.hasStrict((await remove(base, '192.0.2.1', '?kind=ip')).body, { kind: 'ip', lists: 8, removed: 8 });
  t.strictSame((await listed(base, 'failed_logins')).items, []);
  t.strictSame(
    (await listed(base, 'failed_logins_by_user')).items,
    ['bob'],
    'who failed to log in is named too',
  );
});

t.test('what remains is told with the last instant of it', async (t) => {
  const { base, stop } = await startApp({ clock });
  t.teardown(stop);
  await postRows(base, [visit('crm', 'alice')]);
  const { body } = await remove(base, 'alice');
  const until = Object.fromEntries(body.stays.map((stay) => [stay.in, stay.until]));
  t.strictSame(until, {
    // An event may be dated a day ahead: so the buckets end with the 2nd of February, and with February.
    distinct: '2028-02-29T00:01:00.000Z',
    membership: '2026-05-03T00:01:00.000Z',
    frequency: '2026-05-03T00:01:00.000Z',
    answers: '2026-02-01T14:37:00.000Z',
  });
  for (const { tells } of body.stays) t.match(tells, /^[A-Z].*\.$/);
  const check = compliance('activity/check', { system: 'crm', user_id: 'alice' });
  t.hasStrict((await get(base, check)).body, { accessed: true }, 'which is so');
});

t.test('no key of a sketch outlives what is told', async (t) => {
  const redis = await startRedis();
  t.teardown(redis.stop);
  const { base, stop } = await startApp({ clock, redis });
  t.teardown(stop);
  await postRows(base, [visit('crm', 'alice'), visit('crm', 'alice', { timestamp: now + 86_400_000 })]);
  const { body } = await remove(base, 'alice');
  const last = (name: string) => Date.parse(body.stays.find((stay) => stay.in === name)?.until ?? '');
  const connection = new Redis(redis.socket);
  t.teardown(() => connection.disconnect());
  const kinds = { hll: 'distinct', bloom: 'membership', cm: 'frequency' };
  for (const [kind, name] of Object.entries(kinds)) {
    const keys = await connection.keys(`pt:{crm}:${kind}:*`);
    t.ok(keys.length > 0);
    for (const one of keys) t.ok(now + (await connection.pttl(one)) <= last(name), `${one}: ${name}`);
  }
});

t.test('cached answers that list the person are not given out any more', async (t) => {
  const { base, stop } = await startApp({ clock, config: { QUERY_CACHE: 'on' } });
  t.teardown(stop);
  await postRows(base, [visit('crm', 'alice'), visit('crm', 'bob')]);
  t.strictSame((await listed(base, 'active_users', 'crm')).items, ['alice', 'bob']);
  t.match((await get(base, '/api/v1/compliance/summary/crm')).text, 'alice');
  await remove(base, 'alice');
  t.strictSame((await listed(base, 'active_users', 'crm')).items, ['bob']);
  t.notMatch((await get(base, '/api/v1/compliance/summary/crm')).text, 'alice');
});

t.test('with pseudonyms both forms go: from before there were any, and from since', async (t) => {
  const redis = await startRedis();
  t.teardown(redis.stop);
  const plain = await startApp({ clock, redis });
  await postRows(plain.base, [visit('crm', 'alice')]);
  const { base, stop } = await startApp({ clock, redis, config: { PSEUDONYM_KEY: key } });
  t.teardown(async () => {
    await plain.stop();
    await stop();
  });
  await postRows(base, [visit('crm', 'alice'), visit('crm', 'bob')]);
  t.strictSame(
    (await listed(base, 'active_users')).items,
    ['alice', hash('user', 'alice'), hash('user', 'bob')].sort(),
  );
  t.hasStrict((await remove(base, 'alice')).body, { lists: 2, removed: 4 });
  t.hasStrict(
    (await remove(base, hash('user', 'bob'))).body,
    { removed: 2 },
    'and a pseudonym as it is shown',
  );
  t.strictSame((await listed(base, 'active_users')).items, []);
});

t.test('ids of any text and length reach their lists', async (t) => {
  const { base, stop } = await startApp({ clock });
  t.teardown(stop);
  const ids = ['a/b', '..', '%', '*', 'Ünïcödé 😀', '\0\r\n', '?kind=ip', 'é'.repeat(256), "'); DROP"];
  await postRows(
    base,
    ids.map((id) => visit('crm', id)),
  );
  for (const id of ids) t.equal((await remove(base, id)).body.removed, 2, JSON.stringify(id.slice(0, 20)));
  t.strictSame((await listed(base, 'active_users')).items, []);
});

t.test('a wrong request is a 400 that does not repeat the id', async (t) => {
  const { base, redis, stop } = await startApp({ clock });
  t.teardown(stop);
  for (const query of ['?kind=session', '?kind=', '?cursor=!', '?system=crm']) {
    const { status, body, text } = await remove(base, 'alice', query);
    t.equal(status, 400, query);
    t.equal(body.code, 'parameter_invalid', query);
    t.notMatch(text, 'alice', query);
  }
  t.equal((await remove(base, 'a'.repeat(513))).status, 400);
  t.equal((await remove(base, 'a'.repeat(1_600))).status, 414);
  await redis.stop();
  const { status, body, text } = await remove(base, 'alice');
  t.equal(status, 503);
  t.equal(body.code, 'redis_unavailable');
  t.notMatch(text, 'alice');
});

t.test('more systems than one request looks at are done in several, by cursor', async (t) => {
  const { base, stop } = await startApp({ clock });
  t.teardown(stop);
  const systems = Array.from({ length: 501 }, (_, i) => `s${String(i).padStart(3, '0')}`);
  await postRows(
    base,
    systems.map((system) => visit(system, 'alice')),
  );
  const first = await remove(base, 'alice');
  t.hasStrict(first.body, { done: false, systems: 500, removed: 1_000 });
  const second = await remove(base, 'alice', `?cursor=${first.body.next}`);
  t.hasStrict(second.body, { done: true, next: null, systems: 1, removed: 2 });
});
