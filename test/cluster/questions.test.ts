/** The service on a cluster: what it is told and asked there is the same as on a single Redis. */
import { pino } from 'pino';
import t from 'tap';
import { makeBodies } from '../../load/streams/bodies.js';
import { buildApp } from '../../src/app.js';
import { loadConfig } from '../../src/config.js';
import { slotOf } from '../../src/redis/cluster/slots.js';
import { systemKey } from '../../src/redis/keys.js';
import { startApp, startAppOn } from '../support/app.js';
import { withoutAsOf } from '../support/as-of.js';
import { clock, countEvents, countUsers, eventLines } from '../support/cli-events.js';
import { commandLine } from '../support/command-line.js';
import { compliance, event, get, json, post, send } from '../support/http.js';
import { startCluster } from '../support/redis-cluster.js';
import { until } from '../support/until.js';

const cluster = await startCluster();
const many = await startAppOn({ address: cluster.url, clock });
const one = await startApp({ clock });
t.teardown(async () => {
  await many.stop();
  await one.stop();
  await cluster.stop();
});

const now = clock.now();
const bodies = makeBodies({
  batch: 1_000,
  count: 4,
  seed: 7,
  start: now - 4 * 86_400_000,
  stepMs: 86_400,
}).map(String);
const systems = new Set<string>();
for (const body of bodies) {
  const { events } = JSON.parse(String(body)) as { events: { system: string }[] };
  for (const { system } of events) systems.add(system);
}
const [some] = [...systems];

t.test('a batch of events of many systems is stored on all nodes', async (t) => {
  for (const { base } of [many, one]) {
    for (const body of bodies) t.match(await post(base, body), { status: 201, body: { accepted: 1_000 } });
  }
  t.ok(systems.size >= 10, `${systems.size} systems`);
  for (const keys of await cluster.keys()) t.ok(keys.length > 0, 'every node has some');
});

t.test('all keys of a system are in one slot, and no key is on two nodes', async (t) => {
  const nodes = await cluster.keys();
  for (const system of systems) {
    const root = systemKey(system);
    const homes = nodes.map((keys) => keys.filter((key) => key === root || key.startsWith(`${root}:`)));
    const [own, ...others] = homes.filter((keys) => keys.length > 0);
    t.equal(others.length, 0, system);
    t.strictSame([...new Set(own.map(slotOf))], [slotOf(root)]);
  }
  const all = nodes.flat();
  t.equal(new Set(all).size, all.length);
});

t.test('every question is answered as by a single Redis', async (t) => {
  const range = { from: new Date(now - 3 * 86_400_000).toISOString(), to: new Date(now).toISOString() };
  const questions = [
    ...[some, '*'].flatMap((system) => [
      ...['users', 'sessions', 'ips'].flatMap((metric) =>
        ['1h', '1d', '1w', '1M'].map((window) => compliance(`distinct/${metric}`, { system, window })),
      ),
      compliance('distinct/users', { system, ...range }),
      compliance('activity/check', { system, user_id: 'user-00000@example.org', window: '1w' }),
      ...['active_users', 'active_ips', 'event_types', 'endpoints', 'failed_logins'].flatMap((metric) =>
        ['1h', '1d', '1w'].map((window) => compliance(`top/${metric}`, { system, window, k: 1_000 })),
      ),
      compliance('frequency/users', { system, item: 'user-00000@example.org', window: '1w' }),
      compliance('percentiles/latency_ms', { system, window: '1w' }),
      compliance('stats/latency_ms', { system, window: '1w' }),
      compliance('sla/check', { system, metric: 'latency_ms', threshold: 100, window: '1w' }),
    ]),
    compliance('timeseries/users', { system: some, ...range, step: '1h' }),
    compliance('timeseries/events', { system: '*', ...range, step: '1d' }),
    compliance(`summary/${some}`),
    compliance('summary/*'),
    compliance(`latency/summary/${some}`, { window: '1w' }),
    '/api/v1/systems?limit=7',
  ];
  for (const path of questions) {
    const [there, here] = await Promise.all([get(many.base, path), get(one.base, path)]);
    t.equal(there.status, 200, path);
    t.strictSame(withoutAsOf(there.body), withoutAsOf(here.body), path);
  }
});

t.test('summaries of several systems, and invalidation of answers', async (t) => {
  const ask = (base: string) =>
    post(base, JSON.stringify({ systems: [...systems] }), json, '/api/v1/compliance/summaries');
  const [there, here] = await Promise.all([ask(many.base), ask(one.base)]);
  t.equal(there.status, 200);
  t.strictSame(withoutAsOf(there.body), withoutAsOf(here.body));
  const cached = await startAppOn({ address: cluster.url, clock, config: { QUERY_CACHE: 'on' } });
  t.teardown(cached.stop);
  const before = await get<{ count: number }>(cached.base, compliance('distinct/users', { system: some }));
  await post(cached.base, JSON.stringify([event({ system: some, user_id: 'new' })]));
  const asked = compliance('distinct/users', { system: some });
  t.equal((await get<{ count: number }>(cached.base, asked)).body.count, before.body.count, 'cached');
  const invalidate = { method: 'POST', path: '/api/v1/admin/cache/invalidate', headers: json, body: '{}' };
  t.ok((await send(cached.base, invalidate)).status < 300);
  t.equal((await get<{ count: number }>(cached.base, asked)).body.count, before.body.count + 1);
});

t.test('health, figures and readiness are of all masters', async (t) => {
  t.match((await get(many.base, '/readyz')).body, { checks: { redis: 'ok', eviction: 'ok' } });
  const { body } = await get<{ total_keys: number }>(many.base, '/api/v1/events/stats');
  t.equal(body.total_keys, (await cluster.keys()).flat().length);
  t.match(
    (await get(many.base, '/metrics')).text,
    /papertrail_cluster_masters\{connection="write",state="connected"\} 3/,
  );
});

t.test('one master that may evict keys makes the service not ready', async (t) => {
  const { direct } = cluster.masters[2];
  await direct.config('SET', 'maxmemory-policy', 'volatile-lru');
  const app = await buildApp({
    config: loadConfig({}),
    address: cluster.url,
    log: pino({ level: 'silent' }),
    clock,
  });
  t.teardown(() => app.close());
  const eviction = async () => String((await app.inject('/readyz')).json().checks.eviction);
  await until(async () => /volatile-lru/.test(await eviction()), 'a look at the masters');
  t.equal((await app.inject('/readyz')).statusCode, 503);
  await direct.config('SET', 'maxmemory-policy', 'noeviction');
});

t.test('an import by the command line', async (t) => {
  const names = Array.from({ length: 9 }, (_, i) => `imported-${i}`);
  const lines = names.flatMap((system) => eventLines(system, 200));
  const { status, stderr } = await commandLine(t, many.base).run(['import', '-'], lines.join('\n'));
  t.equal(status, 0, stderr);
  for (const system of names) {
    t.equal(await countEvents(many.base, system), 200, system);
    t.equal(await countUsers(many.base, system), 25, system);
  }
});
