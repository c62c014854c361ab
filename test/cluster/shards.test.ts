/** A system that is spread, on a cluster: every master has some of it, and it is asked about, kept and purged as one. */
import t from 'tap';
import { systemKey } from '../../src/redis/keys.js';
import { shardNames } from '../../src/redis/shard-names.js';
import { startApp, startAppOn } from '../support/app.js';
import { withoutAsOf } from '../support/as-of.js';
import { clock } from '../support/cli-events.js';
import { compliance, event, get, postRows, purge } from '../support/http.js';
import { pick, seededRandom } from '../support/random.js';
import { startCluster } from '../support/redis-cluster.js';
import { until } from '../support/until.js';

const cluster = await startCluster();
const many = await startAppOn({ address: cluster.url, clock, config: { SYSTEM_SHARDS: 'hot=4' } });
const one = await startApp({ clock });
t.teardown(async () => {
  await many.stop();
  await one.stop();
  await cluster.stop();
});

const now = clock.now();
const random = seededRandom(3);
const rows = Array.from({ length: 3_000 }, () => {
  const user = Math.floor(300 * random() ** 2);
  return event({
    system: pick(['hot', 'hot', 'hot', 'cold'], random),
    user_id: `user-${user}`,
    session_id: `session-${user}-${Math.floor(random() * 3)}`,
    timestamp: new Date(now - Math.floor(random() ** 4 * 6 * 86_400_000)).toISOString(),
    metadata: { ip: `10.0.0.${user % 90}`, endpoint: `/${user % 7}`, latency_ms: Math.round(100 * random()) },
  });
});
for (let i = 0; i < rows.length; i += 500) {
  for (const { base } of [many, one]) {
    const { status, text } = await postRows(base, rows.slice(i, i + 500));
    if (status !== 201) throw new Error(text);
  }
}

const shards = shardNames('hot', 4);
const isOfHot = (key: string) => shards.some((name) => key.startsWith(systemKey(name)));

t.test('every master has some of its keys, each shard is on one, and none is on two', async (t) => {
  const nodes = await cluster.keys();
  for (const keys of nodes) t.ok(keys.some(isOfHot));
  for (const name of shards) {
    const homes = nodes.filter((keys) => keys.some((key) => key.startsWith(systemKey(name))));
    t.equal(homes.length, 1, name);
  }
  const load = nodes.map((keys) => keys.filter(isOfHot).length);
  t.ok(Math.max(...load) <= 3 * Math.min(...load), load.join());
});

t.test('every question is answered as by a single Redis that does not spread it', async (t) => {
  const range = { from: new Date(now - 3 * 86_400_000).toISOString(), to: new Date(now).toISOString() };
  const questions = ['hot', '*'].flatMap((system) => [
    ...['users', 'sessions', 'ips'].flatMap((metric) =>
      ['1h', '1d', '1w', '1M'].map((window) => compliance(`distinct/${metric}`, { system, window })),
    ),
    compliance('distinct/users', { system, ...range }),
    ...['active_users', 'active_ips', 'event_types', 'endpoints', 'failed_logins'].flatMap((metric) =>
      ['1h', '1d', '1w'].map((window) => compliance(`top/${metric}`, { system, window, k: 1_000 })),
    ),
    compliance('timeseries/users', { system, ...range, step: '1h' }),
    compliance('timeseries/events', { system, ...range, step: '1d' }),
    compliance(`summary/${system}`),
  ]);
  for (const path of [...questions, '/api/v1/systems']) {
    const [there, here] = await Promise.all([get(many.base, path), get(one.base, path)]);
    t.equal(there.status, 200, path);
    t.strictSame(withoutAsOf(there.body), withoutAsOf(here.body), path);
  }
  for (const user of ['user-0', 'user-1', 'user-2']) {
    const path = compliance('activity/check', { system: 'hot', user_id: user, window: '1w' });
    t.match((await get(many.base, path)).body, { accessed: true });
  }
  const path = compliance('percentiles/latency_ms', { system: 'hot', window: '1w' });
  const [there, here] = await Promise.all(
    [many, one].map(({ base }) => get<{ count: number; min: number; max: number }>(base, path)),
  );
  const { count, min, max } = here.body;
  t.match(there.body, { count, min, max });
});

t.test('a request with a key counts once, however often it is sent', async (t) => {
  const own = Array.from({ length: 300 }, (_, i) => event({ system: 'hot', user_id: `keyed-${i % 10}` }));
  const headers = { 'idempotency-key': 'one' };
  for (let i = 0; i < 3; i++) t.equal((await postRows(many.base, own, headers)).status, 201);
  const path = compliance('top/active_users', { system: 'hot', k: 1_000 });
  const { items } = (await get<{ items: { item: string; count: number }[] }>(many.base, path)).body;
  const keyed = items.filter(({ item }) => item.startsWith('keyed-'));
  t.strictSame(
    keyed.map(({ count }) => count),
    Array.from({ length: 10 }, () => 30),
  );
});

t.test('an operator sees and purges it on all masters', async (t) => {
  const keys = (await cluster.keys()).flat().filter(isOfHot);
  t.match((await get(many.base, '/api/v1/admin/systems/hot')).body, { system: 'hot', keys: keys.length });
  const { confirm } = (await purge(many.base, { system: 'hot' })).body;
  t.match((await purge(many.base, { confirm })).body, { done: true, removed_keys: keys.length });
  t.strictSame((await cluster.keys()).flat().filter(isOfHot), []);
});

t.test('one master away: questions about it and events for it are a 503, and others go on', async (t) => {
  const homes = await Promise.all(shards.map((name) => cluster.homeOf(systemKey(name))));
  const coldHome = await cluster.homeOf(systemKey('cold'));
  const directory = await cluster.homeOf('{names}');
  const away = cluster.masters.slice(1).find((node) => node !== coldHome && node !== directory);
  if (!away || !homes.includes(away)) throw new Error('no master can be spared');
  const asked = compliance('distinct/users', { system: 'hot' });
  t.equal((await postRows(many.base, [event({ system: 'hot' })])).status, 201);
  t.equal((await get(many.base, asked)).status, 200);
  away.server.process.kill('SIGKILL');
  await until(async () => (await get(many.base, asked)).status === 503, 'the loss to be noticed');
  const sent = await postRows(
    many.base,
    Array.from({ length: 100 }, (_, i) => event({ system: 'hot', user_id: `u${i}` })),
  );
  t.match(sent, { status: 503, body: { code: 'outcome_unknown' } });
  t.equal((await postRows(many.base, [event({ system: 'cold' })])).status, 201);
  t.equal((await get(many.base, compliance('distinct/users', { system: 'cold' }))).status, 200);
});
