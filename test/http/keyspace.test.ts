/** The keyspace through the API: which keys there are, how much is kept, what one sketch says, and what is never said. */
import { Redis } from 'ioredis';
import t from 'tap';
import { knownIdsSuffix, sketchKey, systemKey } from '../../src/redis/keys.js';
import { topItemsMax } from '../../src/sketches/registry.js';
import { bucketAt } from '../../src/windows/bucket.js';
import { startApp } from '../support/app.js';
import { compliance, event, get, json, postRows, query, send } from '../support/http.js';
import { until } from '../support/until.js';

const now = Date.UTC(2026, 0, 31, 13, 37, 20);
const app = await startApp({ clock: { now: () => now }, config: { SLOW_QUERY_MS: 1 } });
const { base } = app;
const redis = new Redis(app.redis.url, { protocol: 2 });
t.teardown(async () => {
  redis.disconnect();
  await app.stop();
});
const admin = (path: string, parameters = {}) => query(`/api/v1/admin/${path}`, parameters);
const [day, hour] = [bucketAt('day', now), bucketAt('hour', now)];
const secret = 'the-person-nobody-may-name';
const rows = Array.from({ length: topItemsMax + 200 }, (_, i) =>
  event({
    system: 'crm',
    user_id: `${secret}-${i}`,
    timestamp: now,
    metadata: { ip: `10.0.${i >> 8}.${i & 255}`, endpoint: '/a', latency_ms: i },
  }),
);
await postRows(base, rows);
await postRows(base, [
  event({ system: 'c{r}m:*', timestamp: now }),
  event({ system: 'erp', timestamp: now }),
]);
await redis.set('somebody else', '1');
await redis.set('pt:{crm}', '1', 'NX');

interface Page {
  keys: { key: string; system: string; sketch: string }[];
  next: string | null;
}

/** All pages of a list. */
async function listed(parameters: Record<string, string | number>): Promise<Page['keys']> {
  const found = new Map<string, Page['keys'][0]>();
  let cursor: string | null = '';
  do {
    const path = admin('keys', { ...parameters, ...(cursor ? { cursor } : {}) });
    const { status, body, text } = await get<Page>(base, path);
    if (status !== 200) throw new Error(text);
    for (const one of body.keys) found.set(one.key, one);
    cursor = body.next;
  } while (cursor !== null);
  return [...found.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
}

t.test('the keys of systems are listed page by page, and no others', async (t) => {
  const all = (await redis.keys('pt:{*')).sort();
  t.strictSame(
    (await listed({ limit: 20 })).map(({ key }) => key),
    all,
  );
  const own = await listed({ system: 'crm', limit: 1 });
  t.strictSame(
    own.map(({ key }) => key),
    all.filter((key) => key.startsWith('pt:{crm}')),
  );
  t.ok(own.every(({ system }) => system === 'crm'));
  const hostile = await listed({ system: 'c{r}m:*' });
  t.ok(hostile.length > 10 && hostile.every(({ system }) => system === 'c{r}m:*'));
  const patterned = await listed({ pattern: 'c?m', sketch: 'bloom' });
  t.strictSame(
    patterned.map(({ key, sketch }) => [key, sketch]),
    ['ips', 'users'].map((metric) => [sketchKey('crm', 'bloom', metric, day), 'bloom']),
  );
});

t.test('of a system it is said how much is kept of each sketch', async (t) => {
  const { body } = await get<{ keys: number; sketches: Record<string, { keys: number }> }>(
    base,
    admin('systems/crm'),
  );
  t.match(body, { system: 'crm', complete: true, bytes_are: 'sum' });
  t.equal(body.keys, (await redis.keys('pt:{crm}*')).length);
  t.match(body.sketches.bloom, { keys: 2, ttl_seconds: { min: Number, max: Number } });
  t.match(body.sketches.record, { keys: 1 });
  t.match(await get(base, admin('systems/none')), { status: 200, body: { keys: 0, bytes: 0, sketches: {} } });
});

const inspect = (key: string) =>
  get<{ state: Record<string, unknown> }>(base, admin(`keys/${encodeURIComponent(key)}`));

t.test('each kind of key says what it is', async (t) => {
  const said = async (...of: Parameters<typeof sketchKey>) => (await inspect(sketchKey(...of))).body;
  t.match(await said('crm', 'hll', 'users', day), {
    sketch: 'hll',
    metric: 'users',
    grain: 'day',
    bucket: day.name,
    type: 'string',
    state: { registers: 16_384, registers_set: Number, estimate: Number, standard_error: Number },
  });
  const { estimate } = (await said('crm', 'hll', 'users', day)).state;
  t.equal(estimate, await redis.pfcount(sketchKey('crm', 'hll', 'users', day)));
  t.match(await said('crm', 'bloom', 'users', day), {
    state: {
      layers: [
        { blocks: 16, fill: 1 },
        { blocks: 64, values: Number },
      ],
      saturated: false,
    },
  });
  t.match(await said('crm', 'top', 'active_users', hour), {
    type: 'zset',
    state: { items: topItemsMax, floor: 1, saturated: true },
  });
  t.match(await said('crm', 'top', 'endpoints', hour), { state: { items: 1, floor: 0, saturated: false } });
  t.match(await said('crm', 'over', 'active_users', hour), { state: { floor: 1 } });
  t.match(await said('crm', 'digest', 'latency_ms', hour), {
    type: 'list',
    state: { blobs: 1, samples: rows.length, generation: 0 },
  });
  t.match(await said('crm', 'cm', 'users', day), {
    state: { layers: [{ width: 64, rows: 4, epsilon: Math.E / 64 }] },
  });
  t.match(await said('crm', 'count', 'events', day), { state: { counters: 1, events: rows.length } });
  t.match(await said('crm', 'written', 'all', day), { state: { first_written: { 13: String } } });
  t.match((await inspect(systemKey('crm'))).body, {
    sketch: 'record',
    metric: null,
    state: { numeric_keys: ['latency_ms'], days_to_fold: 1 },
  });
  await redis.hset(sketchKey('crm', 'roll', 'all', day), 'changes', '2', 'rolled', '2', 'partial', '0');
  t.match(await said('crm', 'roll', 'all', day), {
    state: { folded: true, knows_everything: true, sealed: false },
  });
  const ids = `${systemKey('crm')}:${knownIdsSuffix(60, 1)}`;
  await redis.sadd(ids, 'one', 'other');
  t.match((await inspect(ids)).body, { sketch: 'ids', type: 'set', state: { ids: 2 } });
});

t.test('no id is ever shown', async (t) => {
  for (const { key } of await listed({})) t.notMatch((await inspect(key)).text, /nobody-may-name|10\.0\./);
});

t.test('what cannot be decoded is a 422 that says why, what is not there a 404', async (t) => {
  const key = sketchKey('later', 'bloom', 'users', day);
  await redis.set(key, Buffer.concat([Buffer.from('PTB'), Buffer.from([99]), Buffer.alloc(60)]));
  const answer = await inspect(key);
  t.match(answer, { status: 422, body: { code: 'sketch_unreadable', detail: /version 99/ } });
  await redis.del(key);
  await redis.hset(key, 'a', 'b');
  t.match(await inspect(key), { status: 422, body: { code: 'sketch_unreadable' } });
  t.match(await inspect(sketchKey('none', 'bloom', 'users', day)), {
    status: 404,
    body: { code: 'not_found' },
  });
  t.match(await inspect('somebody else'), { status: 404, body: { code: 'not_found' } });
});

t.test('what is wrong is a 400 that names it', async (t) => {
  for (const [parameters, pointer] of [
    [{ system: 'a', pattern: 'b' }, '/pattern'],
    [{ sketch: 'none' }, '/sketch'],
    [{ cursor: 'MTIz!' }, '/cursor'],
    [{ limit: 0 }, '/limit'],
    [{ keys: '*' }, '/keys'],
  ] as const) {
    t.match(await get(base, admin('keys', parameters)), { status: 400, body: { errors: [{ pointer }] } });
  }
});

t.test('slow questions are kept without what would tell who was asked about', async (t) => {
  const slow = await startApp({ config: { SLOW_QUERY_MS: 50, REDIS_QUERY_TIMEOUT_MS: 20_000 } });
  t.teardown(slow.stop);
  const pausing = new Redis(slow.redis.url, { protocol: 2 });
  t.teardown(() => pausing.disconnect());
  type List = { noted: number; questions: Record<string, unknown>[] };
  const list = async () => (await get<List>(slow.base, admin('slow-queries'))).body;
  await postRows(slow.base, [event({ system: 'crm' })]);
  await get(slow.base, compliance('distinct/users', { system: 'crm' }));
  await pausing.client('PAUSE', 200, 'ALL');
  const path = compliance('frequency/users', { system: 'crm', item: secret, window: '1w' });
  t.equal((await get(slow.base, path)).status, 200);
  const noted = async () => (await list()).questions.find(({ operation }) => operation === 'frequency');
  await until(async () => (await noted()) !== undefined, 'a slow question');
  const question = (await noted()) ?? {};
  t.match(question, {
    operation: 'frequency',
    systems: ['crm'],
    systems_asked: 1,
    window: '1w',
    state: 'off',
  });
  t.ok(
    Number(question.milliseconds) >= 50 && Number(question.commands) > 0 && Number(question.buckets) === 7,
  );
  t.notMatch(JSON.stringify(await list()), secret);
  t.match(
    (await get(slow.base, '/metrics')).text,
    /papertrail_slow_queries_total\{endpoint="frequency",state="off"\} 1/,
  );
});

t.test('the settings in effect are shown', async (t) => {
  const { body } = await get<{ settings: Record<string, unknown> }>(base, admin('settings'));
  t.match(body, { tzdata_version: process.versions.tz });
  t.match(body.settings, { SLOW_QUERY_MS: 1, QUERY_CACHE: 'off', RETENTION_DAY_SECONDS: 7_776_000 });
});

t.test('without Redis, settings and slow questions are there all the same', async (t) => {
  app.redis.process.kill('SIGKILL');
  await until(async () => (await get(base, '/readyz')).status === 503, 'the loss to be noticed');
  for (const path of ['settings', 'slow-queries']) t.equal((await get(base, admin(path))).status, 200);
  const purge = { method: 'POST', path: admin('purge'), headers: json, body: '{"system":"crm"}' };
  t.match(await send(base, purge), { status: 503, body: { code: 'redis_unavailable' } });
});
