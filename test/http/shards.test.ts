/**
 * A system that is spread over shards is asked about as if it were not: whatever is asked, the answers are those of the
 * same events in a service that spreads nothing. Exactly, where sketches merge exactly; else within their bounds.
 */
import { deepStrictEqual } from 'node:assert';
import fc from 'fast-check';
import { Redis } from 'ioredis';
import t, { type Test } from 'tap';
import { parseKey } from '../../src/redis/keys.js';
import { shardNames } from '../../src/redis/shard-names.js';
import { startApp } from '../support/app.js';
import { withoutAsOf } from '../support/as-of.js';
import { historyEnd, instants, makeHistory, spanOf } from '../support/history.js';
import { compliance, get, json, post, postRows } from '../support/http.js';
import { distinctMetricNames, topMetricNames, truthOf } from '../support/truth.js';

const DAY = 86_400_000;
const shards: Record<string, number> = { crm: 2, 'a:b {c}': 5, мир: 16 };
const systems = Object.keys(shards);
const setting = systems.map((system) => `${encodeURIComponent(system)}=${shards[system]}`).join(', ');

const clock = { at: historyEnd, now: () => clock.at };
const plain = await startApp({ clock });
const spread = await startApp({ clock, config: { SYSTEM_SHARDS: setting } });
const services = [plain, spread];
const redis = new Redis(spread.redis.url, { protocol: 2 });
const plainRedis = new Redis(plain.redis.url, { protocol: 2 });
t.teardown(async () => {
  redis.disconnect();
  plainRedis.disconnect();
  for (const { stop } of services) await stop();
});

const events = makeHistory(2_500, 11);
const truth = truthOf(events);
for (let i = 0; i < events.length; i += 250) {
  for (const { base } of services) {
    const { status, text } = await postRows(base, events.slice(i, i + 250));
    if (status !== 201) throw new Error(text);
  }
}

type Answer = Record<string, unknown>;
async function ask<Body = Answer>(base: string, path: string): Promise<Body> {
  const { status, body, text } = await get<Body>(base, path);
  if (status !== 200) throw new Error(`${path}: ${text}`);
  return withoutAsOf(body);
}
const iso = (at: number) => new Date(at).toISOString();
const range = (days: number) => ({ from: iso(historyEnd - days * DAY), to: iso(historyEnd) });

/** What merges exactly as long as no list is full. */
const exact = (system: string, times: readonly number[]) => [
  ...times.flatMap((at) => [
    ...distinctMetricNames.flatMap((metric) =>
      ['1m', '1h', '1d', '1w', '1M'].map((window) =>
        compliance(`distinct/${metric}`, { system, window, timestamp: iso(at) }),
      ),
    ),
    ...topMetricNames.flatMap((metric) =>
      ['1h', '1d', '1w'].map((window) =>
        compliance(`top/${metric}`, { system, window, timestamp: iso(at), k: 1_000 }),
      ),
    ),
    compliance(`summary/${encodeURIComponent(system)}`, { timestamp: iso(at) }),
  ]),
  compliance('distinct/users', { system, ...range(9.3) }),
  compliance('top/active_users', { system, ...range(3.1), k: 20 }),
  compliance('timeseries/users', { system, ...range(1) }),
  ...['events', 'logins', 'failed_logins'].map((metric) =>
    compliance(`timeseries/${metric}`, { system, ...range(0.3) }),
  ),
  compliance('timeseries/active_users', { system, ...range(0.5), item: 'user-3' }),
];

async function allSame(t: Test, paths: readonly string[]): Promise<void> {
  for (const path of paths) t.strictSame(await ask(spread.base, path), await ask(plain.base, path), path);
}

t.test('its keys lie in as many slots as it has shards', async (t) => {
  const found = new Map<string, Set<string>>();
  for (const key of await redis.keys('pt:{*')) {
    const parsed = parseKey(key);
    if (!parsed) throw new Error(`${key} is no key`);
    found.set(parsed.system, (found.get(parsed.system) ?? new Set()).add(parsed.shard));
  }
  for (const system of systems) {
    t.strictSame([...(found.get(system) ?? [])].sort(), [...shardNames(system, shards[system])].sort());
  }
  t.strictSame([...found.keys()].sort(), systems.sort());
});

t.test('distinct counts, top lists, summaries and series are the same', async (t) => {
  for (const system of [...systems, '*'])
    await allSame(
      t,
      exact(
        system,
        instants.filter((_, i) => i % 3 === 0),
      ),
    );
});

t.test('nobody who was there is denied, and who was not is told so', async (t) => {
  for (const system of systems) {
    const users = truth.distinct('users', system, spanOf('1w', historyEnd));
    for (const user of [...users].slice(0, 60)) {
      const path = compliance('activity/check', { system, user_id: user, window: '1w' });
      t.match(await ask(spread.base, path), { accessed: true, system }, path);
    }
    const nobody = compliance('activity/check', { system, user_id: 'nobody', window: '1w' });
    t.match(await ask(spread.base, nobody), { accessed: false, probability: 1 });
  }
});

t.test('frequencies are never too low, and too high by no more than they say', async (t) => {
  type Frequency = { bound: { lower: number; upper: number } };
  for (const system of systems) {
    const counts = truth.top('active_users', system, spanOf('1d', historyEnd));
    let missed = 0;
    for (const [item, count] of counts.slice(0, 40)) {
      const path = compliance('frequency/users', { system, item, window: '1d' });
      const { bound } = await ask<Frequency>(spread.base, path);
      t.ok(bound.upper >= count, path);
      if (bound.lower > count) missed++;
    }
    t.ok(missed <= 2, `${missed} of 40 are below the bound, which holds for 95%`);
  }
});

t.test('percentiles have the samples of all shards, and their values are right to two points', async (t) => {
  type Percentiles = { count: number; min: number; max: number; percentiles: Record<string, number> };
  for (const system of systems) {
    const samples = truth.samples('latency_ms', system, spanOf('1d', historyEnd));
    const path = compliance('percentiles/latency_ms', { system, window: '1d' });
    const { count, min, max, percentiles } = await ask<Percentiles>(spread.base, path);
    t.match({ count, min, max }, { count: samples.length, min: samples[0], max: samples.at(-1) });
    for (const [name, q] of [
      ['p50', 0.5],
      ['p95', 0.95],
      ['p99', 0.99],
    ] as const) {
      const rank = samples.filter((sample) => sample <= percentiles[name]).length / samples.length;
      t.ok(Math.abs(rank - q) <= 0.02, `${name} is at ${rank}`);
    }
    const [here, there] = await Promise.all(
      [spread, plain].map(({ base }) =>
        ask<Record<string, number>>(base, compliance('stats/latency_ms', { system, window: '1w' })),
      ),
    );
    for (const moment of ['count', 'mean', 'variance', 'skewness', 'kurtosis']) {
      t.ok(Math.abs(here[moment] - there[moment]) <= 1e-9 * Math.abs(there[moment]), moment);
    }
  }
});

t.test('it is listed once, under its own name', async (t) => {
  const { body } = await get<{ total: number }>(spread.base, '/api/v1/systems');
  t.strictSame(body, (await get(plain.base, '/api/v1/systems')).body);
  t.equal(body.total, systems.length);
  const several = await post<{ summaries: Answer[] }>(
    spread.base,
    JSON.stringify({ systems }),
    json,
    '/api/v1/compliance/summaries',
  );
  t.strictSame(
    several.body.summaries.map(({ system }) => system),
    systems,
  );
});

t.test('an operator is shown one system with the keys of all its shards', async (t) => {
  const [system] = systems;
  const own = (await redis.keys('pt:{*')).filter((key) => parseKey(key)?.system === system);
  const path = `/api/v1/admin/systems/${encodeURIComponent(system)}`;
  t.match(await ask(spread.base, path), { system, keys: own.length, complete: true });
  type Page = { keys: { key: string; system: string }[]; next: string | null };
  const listed = new Set<string>();
  for (let next: string | null = ''; next !== null; ) {
    const asked = `/api/v1/admin/keys?system=${encodeURIComponent(system)}&limit=1000`;
    const page: Page = await ask<Page>(spread.base, next === '' ? asked : `${asked}&cursor=${next}`);
    for (const { key, system: name } of page.keys) {
      t.equal(name, system);
      listed.add(key);
    }
    next = page.next;
  }
  t.strictSame([...listed].sort(), own.sort());
  const shard = own.find((key) => key.includes('#') && key.includes(':hll:')) ?? '';
  t.match(await ask(spread.base, `/api/v1/admin/keys/${encodeURIComponent(shard)}`), { key: shard, system });
});

const value = (prefix: string, most: number) =>
  fc.option(
    fc.nat({ max: most }).map((number) => `${prefix}${number}`),
    { nil: undefined },
  );
const anyEvent = fc.record({
  event_type: fc.constantFrom('user_login', 'api_access', 'security_event'),
  user_id: value('u', 30),
  session_id: value('s', 60),
  timestamp: fc.nat({ max: 3 * DAY }).map((ago) => iso(historyEnd - ago)),
  metadata: fc.record({
    ip: value('10.0.0.', 20),
    endpoint: value('/', 5),
    status: fc.constantFrom('failed', 'success'),
    latency_ms: fc.nat({ max: 1_000 }),
  }),
});

t.test('whatever the events are, with ids or without, one by one or together', async (t) => {
  const asked = (system: string) => [
    ...distinctMetricNames.map((metric) => compliance(`distinct/${metric}`, { system, window: '1w' })),
    ...topMetricNames.map((metric) => compliance(`top/${metric}`, { system, window: '1d', k: 100 })),
    compliance('timeseries/events', { system, ...range(1) }),
    compliance('top/endpoints', { system, ...range(2.5) }),
  ];
  let runs = 0;
  const sameAnswers = fc.asyncProperty(
    fc.array(fc.array(anyEvent, { minLength: 1, maxLength: 40 }), { minLength: 1, maxLength: 4 }),
    fc.constantFrom(...systems),
    async (requests, system) => {
      await Promise.all([redis.flushall(), plainRedis.flushall()]);
      for (const { base } of services) {
        for (const rows of requests) {
          const { status, text } = await postRows(
            base,
            rows.map((row) => ({ ...row, system })),
          );
          if (status !== 201) throw new Error(text);
        }
      }
      for (const path of asked(system)) {
        const [there, here] = await Promise.all([ask(plain.base, path), ask(spread.base, path)]);
        deepStrictEqual(here, there, path);
      }
      runs++;
    },
  );
  await fc.assert(sameAnswers, { seed: 4, numRuns: 25 });
  t.equal(runs, 25);
});
