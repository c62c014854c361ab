/** A purge through the API: what it shows, what it deletes, and what it leaves, with two processes writing meanwhile. */
import { Redis } from 'ioredis';
import t, { type Test } from 'tap';
import { directoryKeys, sketchKey, systemKey } from '../../src/redis/keys.js';
import { bucketAt } from '../../src/windows/bucket.js';
import { startApp } from '../support/app.js';
import { compliance, event, get, json, postRows, send } from '../support/http.js';
import { startRedis } from '../support/redis-server.js';
import { until } from '../support/until.js';

const redis = await startRedis();
const one = await startApp({ redis, config: { QUERY_CACHE: 'on' } });
const two = await startApp({ redis });
const direct = new Redis(redis.url, { protocol: 2 });
t.teardown(async () => {
  direct.disconnect();
  await one.stop();
  await two.stop();
  await redis.stop();
});
const { base } = one;

interface Purge {
  dry_run: boolean;
  done: boolean;
  systems: number;
  systems_named: string[];
  removed_keys: number;
  would_remove: {
    keys: number;
    bytes: number;
    complete: boolean;
    sketches: Record<string, { keys: number }>;
  };
  confirm: string | null;
  code: string;
  errors: { pointer: string }[];
}

const ask = (body: object, at = base) =>
  send<Purge>(at, {
    method: 'POST',
    path: '/api/v1/admin/purge',
    headers: json,
    body: JSON.stringify(body),
  });

/** Does what an answer told to confirm, to the end. */
async function proceed(confirm: string | null, at = base): Promise<Purge> {
  const answer = await ask({ confirm }, at);
  if (answer.status !== 200) throw new Error(answer.text);
  return answer.body.confirm === null ? answer.body : proceed(answer.body.confirm, at);
}

/** Purges to the end. */
async function purge(scope: object, at = base): Promise<Purge> {
  const { body } = await ask(scope, at);
  return body.confirm === null ? body : proceed(body.confirm, at);
}

const metadata = { ip: '192.0.2.1', endpoint: '/a', latency_ms: 12, bytes: 7, status: 'failed' };
const rowsOf = (system: string, users: readonly string[], fields: object = {}) =>
  users.map((user_id) => event({ system, user_id, session_id: `of ${user_id}`, metadata, ...fields }));
let names = 0;
const someSystem = () => `system ${names++}`;
const people = (count: number, name = 'user') => Array.from({ length: count }, (_, i) => `${name} ${i}`);
const keysOf = (system: string) => direct.keys(`${systemKey(system)}*`);

/** What every sketch says of a system. */
async function countsOf(system: string, at = base) {
  const about = { system, window: '1d' };
  const ask = async <Body>(path: string, parameters: Record<string, string> = {}) =>
    (await get<Body>(at, compliance(path, { ...about, ...parameters }))).body;
  const users = await ask<{ count: number }>('distinct/users');
  const top = await ask<{ items: { item: string; count: number }[] }>('top/event_types');
  const alice = await ask<{ accessed: boolean }>('activity/check', { user_id: 'alice' });
  const often = await ask<{ count: number }>('frequency/endpoints', { item: '/a' });
  const stats = await ask<{ count: number }>('stats/latency_ms');
  return {
    users: users.count,
    events: top.items[0]?.count ?? 0,
    alice: alice.accessed,
    endpoints: often.count,
    samples: stats.count,
  };
}

/** Whether every sketch of a system is gone with its record: the system does not exist. */
async function isUnknown(t: Test, system: string): Promise<void> {
  for (const path of [
    compliance('distinct/users', { system, window: '1d' }),
    compliance('top/event_types', { system, window: '1d' }),
    compliance('activity/check', { system, user_id: 'alice' }),
    compliance('frequency/endpoints', { system, item: '/a' }),
    compliance('stats/latency_ms', { system }),
    `/api/v1/compliance/summary/${encodeURIComponent(system)}`,
  ]) {
    t.match(await get(base, path), { status: 404, body: { code: 'system_unknown' } }, path);
  }
}

t.test('asked for, it says what would go and deletes nothing', async (t) => {
  const system = someSystem();
  await postRows(base, rowsOf(system, ['alice', ...people(4)]));
  const before = (await keysOf(system)).sort();
  const { status, body } = await ask({ system, dry_run: true });
  t.equal(status, 200);
  t.match(body, { dry_run: true, done: false, systems: 1, systems_named: [system], removed_keys: 0 });
  t.equal(body.would_remove.keys, before.length);
  t.ok(body.would_remove.bytes > before.length * 50 && body.would_remove.complete);
  t.equal(body.would_remove.sketches.record.keys, 1);
  t.equal(body.would_remove.sketches.bloom.keys, 2);
  t.strictSame((await keysOf(system)).sort(), before);
});

t.test('confirmed, nothing of the system is left, and every process counts anew', async (t) => {
  const [system, other] = [someSystem(), someSystem()];
  for (const at of [base, two.base]) {
    await postRows(at, rowsOf(system, ['alice', ...people(40)]));
    await postRows(at, rowsOf(other, ['alice', ...people(40)]));
  }
  t.equal((await countsOf(system)).users, 41, 'and that is cached');
  const untouched = (await keysOf(other)).sort();
  const done = await purge({ system });
  t.match(done, { dry_run: false, done: true, systems: 0 });
  t.strictSame(await keysOf(system), []);
  t.strictSame((await keysOf(other)).sort(), untouched);
  t.ok(done.removed_keys > 20);
  t.equal(await direct.zscore(directoryKeys.names, system), null, 'the directory has forgotten it');
  await isUnknown(t, system);

  for (const at of [two.base, base]) await postRows(at, rowsOf(system, ['alice', 'user 1']));
  const counted = { users: 2, events: 4, alice: true, endpoints: 4, samples: 4 };
  t.strictSame(await countsOf(system, two.base), counted, 'what is known to be written is written again');
  await until(async () => (await direct.zscore(directoryKeys.names, system)) !== null, 'the directory');
});

t.test('a name that is not written again stays out of the directory', async (t) => {
  const system = someSystem();
  for (const at of [base, two.base]) await postRows(at, rowsOf(system, people(3)));
  await purge({ system }, two.base);
  const marker = someSystem();
  for (const at of [base, two.base]) await postRows(at, rowsOf(marker, people(3)));
  const [, score] = await direct.zrange(directoryKeys.purged, '-1', '-1', 'WITHSCORES');
  t.ok(Number(score) > 0);
  // The second flush of each process comes after it has looked for purges.
  for (const name of [someSystem(), someSystem()]) {
    for (const at of [base, two.base]) await postRows(at, rowsOf(name, people(1)));
    const future = Date.now() + 60_000 + names;
    await postRows(base, rowsOf(name, people(1), { timestamp: future }));
    await until(async () => Number(await direct.hget(directoryKeys.last, name)) === future, 'a flush');
  }
  t.equal(await direct.zscore(directoryKeys.names, system), null);
  t.strictSame(await keysOf(system), []);
});

/** Writes to both processes until told to stop. @returns the numbers of the rows in order of their acknowledgement */
function writeOn(system: string, t: Test) {
  let isOn = true;
  let sent = 0;
  t.teardown(() => {
    isOn = false;
  });
  const acknowledged = new Set<number>();
  const work = async (at: string) => {
    while (isOn) {
      const number = sent++;
      const answer = await postRows(at, rowsOf(system, [`number ${number}`, 'alice']));
      if (answer.status !== 201) t.equal(answer.status, 201, 'no request fails');
      acknowledged.add(number);
    }
  };
  const all = Promise.all([base, two.base, base, two.base].map(work));
  return {
    acknowledged,
    get sent(): number {
      return sent;
    },
    async stop() {
      isOn = false;
      await all;
    },
  };
}

t.test('while two processes write, it holds as of one instant', async (t) => {
  const system = someSystem();
  const noise = Array.from({ length: 100 }, (_, i) => `noise ${i}`);
  await postRows(
    base,
    noise.flatMap((name) => rowsOf(name, people(2))),
  );
  for (let round = 0; round < 5; round++) {
    const writing = writeOn(system, t);
    await until(() => writing.acknowledged.size > 50, 'events before it');
    const { confirm } = (await ask({ system })).body;
    const before = new Set(writing.acknowledged);
    t.ok((await proceed(confirm)).done);
    const sentByThen = writing.sent;
    await until(() => writing.acknowledged.size > sentByThen + 50, 'events after it');
    await writing.stop();
    const counts = await countsOf(system, two.base);
    const after = [...writing.acknowledged].filter((number) => number >= sentByThen).length;
    const atMost = [...writing.acknowledged].filter((number) => !before.has(number)).length;
    const requests = counts.events / 2;
    t.ok(requests >= after && requests <= atMost, `${after} <= ${requests} <= ${atMost}`);
    t.equal(counts.endpoints, counts.events, 'all sketches agree: frequencies');
    t.equal(counts.samples, counts.events, 'samples');
    t.ok(Math.abs(counts.users - 1 - requests) <= Math.max(2, requests * 0.05), `users ${counts.users}`);
    await purge({ system });
    t.strictSame(await keysOf(system), []);
  }
});

t.test('a pattern means the systems whose names look so', async (t) => {
  const names = ['shop-a', 'shop-b', 'shop', 'shop-a}:hll:users:hour:1', 'SHOP-c', 'a shop-d'];
  await postRows(
    base,
    names.flatMap((name) => rowsOf(name, ['alice'])),
  );
  const { body } = await ask({ pattern: 'shop-*' });
  t.strictSame(body.systems_named, ['shop-a', 'shop-a}:hll:users:hour:1', 'shop-b']);
  const left = async () => (await Promise.all(names.map(keysOf))).map((keys) => keys.length > 0);
  t.match(await ask({ confirm: body.confirm }), { body: { done: true } });
  t.strictSame(await left(), [false, false, true, false, true, true]);
  t.match(await purge({ pattern: 'no such ?' }), { systems: 0, confirm: null });
});

t.test('kinds of sketches go alone, from every bucket, and are counted anew', async (t) => {
  const system = someSystem();
  await postRows(base, rowsOf(system, ['alice', 'bob']));
  const yesterday = { timestamp: Date.now() - 86_400_000 };
  await postRows(two.base, rowsOf(system, ['alice'], yesterday));
  const since = await direct.hget(systemKey(system), 'since');
  await purge({ system, sketches: ['hll', 'top'] });
  t.strictSame(
    (await keysOf(system)).filter((key) => /}:(hll|top|over):/.test(key)),
    [],
  );
  t.equal(await direct.hget(systemKey(system), 'since'), since, 'the record stays');
  t.match(await countsOf(system), { users: 0, events: 0, alice: true, endpoints: 2, samples: 2 });
  await postRows(base, rowsOf(system, ['bob']));
  await postRows(two.base, rowsOf(system, ['alice']));
  t.match(await countsOf(system, two.base), { users: 2, events: 2, alice: true, endpoints: 4, samples: 4 });
});

t.test('a confirmation is good once, in any process', async (t) => {
  const system = someSystem();
  await postRows(base, rowsOf(system, ['alice']));
  const { confirm } = (await ask({ system })).body;
  t.match(await ask({ confirm }, two.base), { status: 200, body: { done: true } });
  t.match(await ask({ confirm }), { status: 409, body: { code: 'confirmation_unknown' } });
  t.match(await ask({ confirm: 'made up' }), { status: 409, body: { code: 'confirmation_unknown' } });
});

t.test('what is wrong is a 400 that names it, and deletes nothing', async (t) => {
  const system = someSystem();
  await postRows(base, rowsOf(system, ['alice']));
  const { confirm } = (await ask({ system })).body;
  for (const [body, pointer] of [
    [{}, '/system'],
    [{ system, pattern: '*' }, '/system'],
    [{ system, dry_run: false }, '/confirm'],
    [{ system, confirm }, '/system'],
    [{ system, sketches: [] }, '/sketches'],
    [{ system, sketches: ['written'] }, '/sketches/0'],
    [{ system: '' }, '/system'],
    [{ systems: [system] }, '/systems'],
  ] as const) {
    const answer = await ask(body);
    t.match(answer, { status: 400, body: { code: 'parameter_invalid', errors: [{ pointer }] } });
  }
  t.ok((await keysOf(system)).length > 10);
});

t.test('what the rollups know of its days goes with it', async (t) => {
  const system = someSystem();
  await postRows(base, rowsOf(system, ['alice']));
  const day = bucketAt('day', Date.now());
  await direct.hset(sketchKey(system, 'roll', 'all', day), 'changes', '1', 'rolled', '1', 'sealed', '1');
  await purge({ system });
  t.strictSame(await keysOf(system), []);
});
