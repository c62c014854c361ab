/**
 * Answers that say "no", none or nothing: any event may refute them, so no cache gives one out, of a window that is open
 * or over, in the process that took the event or in another one.
 */
import t from 'tap';
import { startApp } from '../support/app.js';
import { compliance, event, get, postRows } from '../support/http.js';
import { startProxy } from '../support/redis-proxy.js';
import { startRedis } from '../support/redis-server.js';
import { until } from '../support/until.js';

const now = Date.UTC(2026, 0, 31, 13, 20);
const DAY = 86_400_000;
const clock = { now: () => now };
const redis = await startRedis();
const proxy = await startProxy(redis);
const config = { QUERY_CACHE: 'on', REDIS_QUERY_TIMEOUT_MS: 20_000 } as const;
const one = await startApp({ redis, config, clock });
const other = await startApp({ redis, config, clock });
/** Whose replies can be kept back. */
const slow = await startApp({ redis: { ...redis, socket: proxy.socket }, config, clock });
t.teardown(async () => {
  for (const { stop } of [one, other, slow]) await stop();
  await proxy.stop();
  await redis.stop();
});

type Body = Record<string, unknown>;
interface Kind {
  path: string;
  parameters: Record<string, string>;
  no: Body;
  yes: Body;
}
const kinds: Record<string, Kind> = {
  'a user who was not there': {
    path: 'activity/check',
    parameters: { user_id: 'ann' },
    no: { accessed: false },
    yes: { accessed: true },
  },
  'an IP that was not there': {
    path: 'activity/check',
    parameters: { ip: '192.0.2.1' },
    no: { accessed: false },
    yes: { accessed: true },
  },
  'a frequency of 0': {
    path: 'frequency/users',
    parameters: { item: 'ann' },
    no: { count: 0 },
    yes: { count: 1 },
  },
  'a distinct count of 0': { path: 'distinct/users', parameters: {}, no: { count: 0 }, yes: { count: 1 } },
  'an empty list': {
    path: 'top/active_users',
    parameters: {},
    no: { items: [] },
    yes: { items: [{ item: 'ann', count: 1 }] },
  },
  'percentiles without samples': {
    path: 'percentiles/latency_ms',
    parameters: {},
    no: { count: 0 },
    yes: { count: 1 },
  },
};
const times = { open: now, over: now - 3 * DAY };

let names = 0;
/** A new system, known by an event that is not in what is asked. */
async function someSystem(): Promise<string> {
  const system = `system-${names++}`;
  const { status } = await postRows(one.base, [event({ system, user_id: 'bob', timestamp: now - 20 * DAY })]);
  if (status !== 201) throw new Error(`${status}`);
  return system;
}
const row = (system: string, timestamp: number) =>
  event({ system, user_id: 'ann', timestamp, metadata: { ip: '192.0.2.1', latency_ms: 5 } });
const kept = /^papertrail; (?:fwd=miss; stored|hit;)/;

for (const [name, { path, parameters, no, yes }] of Object.entries(kinds)) {
  for (const [state, timestamp] of Object.entries(times)) {
    t.test(`${name}, in a day that is ${state}: the event that refutes it counts at once`, async (t) => {
      const system = await someSystem();
      const asked = compliance(path, { system, window: '1d', timestamp, ...parameters });
      for (const { base } of [one, other, one, other]) {
        const { status, body, headers } = await get<Body>(base, asked);
        t.equal(status, 200);
        t.strictSame(Object.fromEntries(Object.keys(no).map((field) => [field, body[field]])), no);
        t.equal(body.coverage, 'complete');
        t.match(headers, { 'cache-status': 'papertrail; fwd=miss', 'cache-control': 'private, no-cache' });
      }
      t.equal((await postRows(one.base, [row(system, timestamp)])).status, 201);
      for (const { base } of [one, other]) {
        const { body, headers } = await get<Body>(base, asked);
        t.match(body, yes);
        t.match(String(headers['cache-status']), kept, 'what is no "no" is kept');
      }
    });
  }
}

t.test('a "no" about all systems knows a system whose first event has just been acknowledged', async (t) => {
  for (const [i, [name, { path, parameters, no, yes }]] of Object.entries(kinds).entries()) {
    const timestamp = now - (30 + i) * DAY;
    const asked = compliance(path, { system: '*', window: '1d', timestamp, ...parameters });
    for (const { base } of [one, other]) t.match((await get<Body>(base, asked)).body, no, name);
    t.equal((await postRows(one.base, [row(`first-${i}`, timestamp)])).status, 201);
    for (const { base } of [other, one]) t.match((await get<Body>(base, asked)).body, yes, name);
  }
});

t.test('a question asked after an event does not get the "no" that was read before it', async (t) => {
  const system = await someSystem();
  const asked = compliance('activity/check', { system, user_id: 'ann', timestamp: now });
  proxy.arm('epoch', 'pause');
  const before = get<Body>(slow.base, asked);
  await proxy.paused();
  t.equal((await postRows(one.base, [row(system, now)])).status, 201);
  const connections = () =>
    new Promise<number>((resolve) => slow.app.server.getConnections((_, count) => resolve(count)));
  const open = await connections();
  const after = get<Body>(slow.base, asked);
  await until(async () => (await connections()) > open, 'the second question to arrive');
  t.equal((await get(slow.base, '/livez')).status, 200);
  proxy.resume();
  t.match((await before).body, { accessed: false }, 'as of when it was read');
  t.match((await after).body, { accessed: true });
});

t.test('summaries and series are kept, and a zero in them is stated for as_of', async (t) => {
  const system = await someSystem();
  const from = now - 3_600_000;
  for (const asked of [
    compliance(`summary/${system}`, { timestamp: now }),
    compliance('timeseries/users', { system, from, to: now }),
    compliance('timeseries/active_users', { system, from, to: now, item: 'ann' }),
  ]) {
    const first = await get<Body>(one.base, asked);
    t.match(first.headers['cache-status'], /fwd=miss; stored/, asked);
    t.match(first.body.as_of, /^\d{4}-.*Z$/);
    const again = await get<Body>(one.base, asked);
    t.match(again.headers['cache-status'], /; hit;/, asked);
    t.equal(again.text, first.text);
  }
});

t.test('an answer beside unknown systems is not kept: any of them may come to be', async (t) => {
  const system = await someSystem();
  await postRows(one.base, [row(system, now)]);
  const asked = `${compliance('distinct/users', { system, window: '1d', timestamp: now })}&system=later`;
  for (const { base } of [one, other, one]) {
    const { body, headers } = await get<Body>(base, asked);
    t.match(body, { count: 1, unknown_systems: ['later'] });
    t.equal(headers['cache-status'], 'papertrail; fwd=miss');
  }
  await postRows(one.base, [event({ system: 'later', user_id: 'cy', timestamp: now })]);
  for (const { base } of [one, other]) {
    const { body } = await get<Body>(base, asked);
    t.equal(body.count, 2);
    t.notOk('unknown_systems' in body);
  }
});

t.test('an SLA without data is not kept either', async (t) => {
  const system = await someSystem();
  const asked = compliance('sla/check', { system, metric: 'latency_ms', threshold: 10, timestamp: now });
  for (const { base } of [one, other]) {
    t.match(await get(base, asked), { status: 404, body: { code: 'no_data' } });
  }
  await postRows(one.base, [row(system, now)]);
  for (const { base } of [one, other])
    t.match(await get(base, asked), { status: 200, body: { status: 'PASS' } });
});
