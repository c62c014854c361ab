/** Late events: what is cached about windows that are over becomes invalid by them, in every process, and nothing else. */
import t from 'tap';
import { startApp } from '../support/app.js';
import { compliance, event, get, postRows } from '../support/http.js';
import { lateFlushes, untilLateFlushes } from '../support/late-events.js';
import { startRedis } from '../support/redis-server.js';
import { until } from '../support/until.js';

const now = Date.UTC(2026, 0, 31, 13, 20);
const HOUR = 3_600_000;
const clock = { now: () => now };
const redis = await startRedis();
const config = { QUERY_CACHE: 'on' } as const;
const one = await startApp({ redis, config, clock });
const other = await startApp({ redis, config, clock });
t.teardown(async () => {
  await one.stop();
  await other.stop();
  await redis.stop();
});
// Each process makes everything about windows that are over invalid once, since the one before may have ended early.
await untilLateFlushes(redis, 2);

interface Body {
  count: number;
  as_of: string;
}
const over = now - 3 * HOUR;
let users = 0;
const row = (system: string, timestamp = over) => event({ system, user_id: `user ${users++}`, timestamp });
const users1h = (system: string, timestamp = over) =>
  compliance('distinct/users', { system, window: '1h', timestamp });
const count = async (base: string, path: string) => (await get<Body>(base, path)).body.count;
const isHit = async (base: string, path: string) =>
  String((await get(base, path)).headers['cache-status']).includes('hit');

/** Stores events that are late, and waits until the process has made answers invalid for them. */
async function storeLate(...rows: object[]): Promise<void> {
  const before = await lateFlushes(redis);
  const { status } = await postRows(one.base, rows);
  if (status !== 201) throw new Error(`${status}`);
  await untilLateFlushes(redis, before + 1);
}
/** Asks until every process answers from its cache. */
const untilKept = (path: string) =>
  until(async () => (await isHit(one.base, path)) && (await isHit(other.base, path)), 'it to be kept');

const questions: Record<string, (system: string) => string> = {
  'a distinct count': (system) => users1h(system),
  'a frequency': (system) =>
    compliance('frequency/endpoints', { system, item: '/a', window: '1d', timestamp: over - 48 * HOUR }),
  'a range': (system) => compliance('distinct/users', { system, from: over - HOUR, to: over + HOUR }),
};
for (const [name, pathOf] of Object.entries(questions)) {
  t.test(`${name} of a time that is over counts a late event within moments, in every process`, async (t) => {
    const system = `late for ${name}`;
    const late = (timestamp: number) =>
      event({ system, user_id: `user ${users++}`, timestamp, metadata: { endpoint: '/a' } });
    const timestamp = name === 'a frequency' ? over - 48 * HOUR : over;
    await storeLate(late(timestamp));
    const path = pathOf(system);
    await untilKept(path);
    t.strictSame([await count(one.base, path), await count(other.base, path)], [1, 1]);
    t.equal((await postRows(one.base, [late(timestamp)])).status, 201);
    for (const { base } of [one, other]) {
      await until(async () => (await count(base, path)) === 2, 'the late event to count');
      t.equal(await count(base, path), 2);
    }
  });
}

t.test('an answer about all systems counts the late event of any', async (t) => {
  const timestamp = over - 5 * 24 * HOUR;
  await storeLate(row('a of all', timestamp));
  const path = users1h('*', timestamp);
  await untilKept(path);
  t.equal(await count(other.base, path), 1);
  await postRows(one.base, [row('a of all', timestamp)]);
  await until(async () => (await count(other.base, path)) === 2, 'the late event to count');
  t.equal(await count(other.base, path), 2);
});

t.test('answers about windows that are open stay as they are', async (t) => {
  const system = 'open';
  await postRows(one.base, [row(system, now)]);
  const path = users1h(system, now);
  const { text } = await get(one.base, path);
  await storeLate(row(system));
  const again = await get(one.base, path);
  t.match(again.headers['cache-status'], /; hit;/);
  t.equal(again.text, text);
});

t.test('an event of the last minutes is not late: it makes nothing invalid', async (t) => {
  await storeLate(row('timely'));
  const before = await lateFlushes(redis);
  await postRows(one.base, [row('timely', now - 4 * 60_000)]);
  await storeLate(row('after it'));
  t.equal(await lateFlushes(redis), before + 1, 'the second event alone did');
});

t.test('many late events are one invalidation', async (t) => {
  const before = await lateFlushes(redis);
  const rows = Array.from({ length: 500 }, (_, i) => row(`many ${i % 100}`));
  t.equal((await postRows(one.base, rows)).status, 201);
  await untilLateFlushes(redis, before + 1);
  await storeLate(row('the last'));
  t.ok((await lateFlushes(redis)) <= before + 3);
});

t.test('a process without a cache makes the answers of the others invalid', async (t) => {
  const before = await lateFlushes(redis);
  const uncached = await startApp({ redis, config: { QUERY_CACHE: 'off' }, clock });
  t.teardown(uncached.stop);
  await untilLateFlushes(redis, before + 1);
  await storeLate(row('elsewhere'));
  const path = users1h('elsewhere');
  await untilKept(path);
  t.equal((await postRows(uncached.base, [row('elsewhere')])).status, 201);
  for (const { base } of [one, other]) {
    await until(async () => (await count(base, path)) === 2, 'the late event to count');
  }
});

t.test('a process that is stopped makes them invalid before it ends', async (t) => {
  const before = await lateFlushes(redis);
  const stopped = await startApp({ redis, config, clock });
  await untilLateFlushes(redis, before + 1);
  t.equal((await postRows(stopped.base, [row('stopped')])).status, 201);
  await stopped.stop();
  t.equal(await lateFlushes(redis), before + 2);
});
