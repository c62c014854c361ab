/** The writer on a real Redis: group commit, whom a failure meets, bounds, draining, and several at once. */
import { Redis } from 'ioredis';
import t from 'tap';
import { Problem } from '../../src/errors.js';
import { directoryKeys, sketchKey, systemKey } from '../../src/redis/keys.js';
import { bloomHas, decodeBloom, decodeBloomHeader } from '../../src/sketches/bloom.js';
import { decodeDigest } from '../../src/sketches/t-digest.js';
import { bucketAt } from '../../src/windows/bucket.js';
import { HOUR_MS } from '../../src/windows/civil.js';
import { contentOf, namesFrom } from '../support/apply-delta.js';
import { type Random, seededRandom } from '../support/random.js';
import { startRedis } from '../support/redis-server.js';
import { createWritePath, now, type Row } from '../support/write-path.js';

const server = await startRedis();
const redis = new Redis(server.url, { protocol: 2 });
t.teardown(async () => {
  redis.disconnect();
  await server.stop();
});
t.beforeEach(async () => {
  await redis.flushall();
});

type Options = Omit<Parameters<typeof createWritePath>[0], 'socket'>;

async function openPath(t: { teardown(fn: () => Promise<void>): void }, options: Options = {}) {
  const path = await createWritePath({ socket: server.socket, ...options });
  t.teardown(path.close);
  return path;
}

const day = bucketAt('day', now);
const hour = bucketAt('hour', now);
const codeOf = (promise: Promise<void>) =>
  promise.then(
    () => 'stored',
    (error) => (error instanceof Problem ? error.code : String(error)),
  );
const pipelines = async (path: Awaited<ReturnType<typeof openPath>>) =>
  (await path.metrics.pipelineSeconds.get()).values.find(({ metricName }) => metricName?.endsWith('_count'))
    ?.value;
const eventsOf = async (system: string) =>
  (await redis.hvals(sketchKey(system, 'count', 'events', day))).reduce(
    (sum, count) => sum + Number(count),
    0,
  );

t.test('requests that wait leave in one pipeline, and an idle writer sends at once', async (t) => {
  const path = await openPath(t, { pipelinesInFlightMax: 1 });
  await path.store([{ user_id: 'ada' }]);
  t.equal(await pipelines(path), 1);
  const first = path.store([{ user_id: 'ada' }]);
  await new Promise((resolve) => setImmediate(resolve));
  const waiting = namesFrom('user-', 50).map((user_id) => path.store([{ user_id }]));
  await Promise.all([first, ...waiting]);
  t.equal(await pipelines(path), 3, 'one for the first, one for the fifty');
  t.equal(await eventsOf('s'), 52);
});

t.test('requests of one turn of the event loop leave together', async (t) => {
  const path = await openPath(t);
  await Promise.all(namesFrom('user-', 20).map((user_id) => path.store([{ user_id }])));
  t.equal(await pipelines(path), 1);
});

t.test('a failure meets the requests that had rows in the failed system, and no other', async (t) => {
  const path = await openPath(t);
  await redis.set(systemKey('broken'), 'text');
  const outcomes = await Promise.all(
    [
      [{ system: 'a' }],
      [{ system: 'broken' }],
      [{ system: 'a' }, { system: 'broken' }],
      [{ system: 'b' }, { system: 'a' }],
    ].map((rows) => codeOf(path.store(rows))),
  );
  t.equal(await pipelines(path), 1, 'in one pipeline');
  t.strictSame(outcomes, ['stored', 'ingest_failed', 'ingest_failed', 'stored']);
  t.strictSame([await eventsOf('a'), await eventsOf('b')], [3, 1]);
});

t.test('an event that was not stored is not listed as the last event of its system', async (t) => {
  const path = await openPath(t);
  await path.store([{ system: 'broken', timestamp: '2026-01-31T10:00:00Z' }]);
  await redis.set(sketchKey('broken', 'count', 'events', day), 'text');
  t.equal(
    await codeOf(path.store([{ system: 'broken', timestamp: '2026-01-31T12:00:00Z' }])),
    'ingest_failed',
  );
  await path.directory.flush();
  t.equal(await redis.hget(directoryKeys.last, 'broken'), String(Date.UTC(2026, 0, 31, 10)));
});

t.test(
  'what waits is bounded in bytes; past the bound a request is refused and nothing of it stored',
  async (t) => {
    const path = await openPath(t, { pendingBytesMax: 1_000, pipelinesInFlightMax: 1 });
    const taken = [path.store([{ system: 'a' }], 600), path.store([{ system: 'a' }], 400)];
    t.throws(() => path.store([{ system: 'a' }], 1), { code: 'overloaded' });
    await Promise.all(taken);
    await path.writer.drain();
    await path.store([{ system: 'a' }], 1_000);
    await path.writer.drain();
    await path.store([{ system: 'a' }], 5_000);
    t.equal(await eventsOf('a'), 4, 'alone, even a large one is taken');
  },
);

t.test('bytes that failed make room again', async (t) => {
  const path = await openPath(t, { pendingBytesMax: 1_000 });
  await redis.set(systemKey('broken'), 'text');
  for (let i = 0; i < 3; i++) {
    t.equal(await codeOf(path.store([{ system: 'broken' }], 900)), 'ingest_failed');
    await path.writer.drain();
  }
});

t.test('draining ends after everything that waits is answered', async (t) => {
  const path = await openPath(t, { pipelinesInFlightMax: 1 });
  await path.writer.drain();
  let answered = 0;
  for (let turn = 0; turn < 5; turn++) {
    for (let i = 0; i < 10; i++) void path.store([{ user_id: `${turn} ${i}` }]).then(() => answered++);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await path.writer.drain();
  t.equal(answered, 50);
  t.equal(await eventsOf('s'), 50);
});

t.test('more events than one group holds leave in several groups, all stored', async (t) => {
  const path = await openPath(t);
  const rows = namesFrom('user-', 6_000).map((user_id) => ({ user_id }));
  await Promise.all(Array.from({ length: 5 }, () => path.store(rows)));
  t.equal(await eventsOf('s'), 30_000);
  t.ok(Number(await pipelines(path)) >= 2);
});

t.test('one system too many is refused where it is admitted, and registered ones go on', async (t) => {
  const path = await openPath(t, { systemsMax: 2 });
  await path.store([{ system: 'a' }, { system: 'b' }]);
  t.strictSame(
    ['a', 'b', 'c'].map((system) => path.directory.admit(system)),
    [true, true, false],
  );
});

t.test(
  'all events of a day in one request: every user is found and the filter counts each once',
  async (t) => {
    const path = await openPath(t);
    const users = namesFrom('user-', 600);
    const rows = users.map((user_id, i) => ({
      user_id,
      timestamp: day.start + (i % 13) * HOUR_MS,
    }));
    await path.store(rows);
    const filter = decodeBloom((await redis.getBuffer(sketchKey('s', 'bloom', 'users', day))) as Buffer);
    const missing = users.filter((user) => !bloomHas(filter, user));
    t.strictSame(missing, [], `${missing.length} of 600 users who were there are answered "no"`);
    const counted = decodeBloomHeader(filter).counts.reduce((sum, count) => sum + count, 0);
    t.ok(counted >= 595 && counted <= 600, `counted ${counted}`);
  },
);

t.test('a value that comes back in another hour or day goes to each of their sketches', async (t) => {
  const path = await openPath(t);
  const times = [now, now - HOUR_MS, now - 24 * HOUR_MS, now - 25 * HOUR_MS, now - 40 * 24 * HOUR_MS];
  for (const at of [...times, ...times]) await path.store([{ user_id: 'ada', ip: '::1', timestamp: at }]);
  for (const at of times) {
    for (const grain of ['hour', 'day', 'week', 'month'] as const) {
      t.equal(
        await redis.pfcount(sketchKey('s', 'hll', 'users', bucketAt(grain, at))),
        1,
        `${grain} of ${at}`,
      );
    }
    const key = sketchKey('s', 'bloom', 'users', bucketAt('day', at));
    t.ok(bloomHas(decodeBloom((await redis.getBuffer(key)) as Buffer), 'ada'));
  }
  t.equal(await redis.pfcount(sketchKey('s', 'hll', 'users', bucketAt('minute', now))), 1);
  t.equal(await redis.exists(sketchKey('s', 'hll', 'users', bucketAt('minute', now - 24 * HOUR_MS))), 0);
});

t.test('every key that a mixed load leaves has a lifetime', async (t) => {
  const path = await openPath(t);
  const random = seededRandom(5);
  for (let i = 0; i < 10; i++) await path.store(mixedRows(random, 300));
  await path.directory.flush();
  await path.folder.settle();
  const content = await contentOf(redis);
  t.ok(Object.keys(content).length > 50);
  t.strictSame(
    Object.keys(content).filter((key) => content[key].startsWith('stays')),
    [],
  );
});

const systems = ['alpha', 'beta', 'γ {x}:*'];
function mixedRows(random: Random, count: number): Row[] {
  const pick = (prefix: string, of: number) => `${prefix}${Math.floor(random() ** 2 * of)}`;
  return Array.from({ length: count }, () => ({
    system: systems[Math.floor(random() * systems.length)],
    event_type: random() < 0.3 ? 'user_login' : 'api_access',
    user_id: pick('user-', 800),
    session_id: pick('session-', 3_000),
    timestamp: now - Math.floor(random() * 3 * HOUR_MS),
    metadata: {
      ip: pick('10.0.0.', 200),
      endpoint: pick('/path/', 30),
      status: random() < 0.2 ? 'failed' : 'success',
      latency_ms: Math.round(random() * 1_000),
    },
  }));
}

t.test(
  'four writers at once on the same systems: counts exact, no user unknown, distinct within its error',
  async (t) => {
    const paths = await Promise.all(
      [500_000, 500_000, 2_000, 0].map((filterValuesMax) => openPath(t, { filterValuesMax })),
    );
    const sent: Row[] = [];
    await Promise.all(
      paths.map(async (path, writer) => {
        const random = seededRandom(writer);
        for (let request = 0; request < 25; request++) {
          const rows = mixedRows(random, 150);
          sent.push(...rows);
          await path.store(rows);
        }
        await path.folder.settle();
      }),
    );
    const dayOf = (row: Row) => bucketAt('day', row.timestamp as number).name === day.name;
    for (const system of systems) {
      const rows = sent.filter((row) => row.system === system && dayOf(row));
      const inHour = rows.filter((row) => (row.timestamp as number) >= hour.start);
      t.equal(await eventsOf(system), rows.length, `${system}: counters`);

      const count = new Map<string, number>();
      for (const { user_id } of inHour) count.set(String(user_id), (count.get(String(user_id)) ?? 0) + 1);
      const top = (await redis.call(
        'ZRANGE',
        sketchKey(system, 'top', 'active_users', hour),
        0,
        -1,
        'WITHSCORES',
      )) as string[];
      const stored = new Map(
        top.flatMap((item, i) => (i % 2 === 0 ? [[item, Number(top[i + 1])] as const] : [])),
      );
      t.strictSame([...stored].sort(), [...count].sort(), `${system}: top users`);

      for (const [metric, field] of [
        ['users', 'user_id'],
        ['sessions', 'session_id'],
      ]) {
        const values = new Set(rows.map((row) => String(row[field])));
        const distinct = await redis.pfcount(sketchKey(system, 'hll', metric, day));
        t.ok(
          Math.abs(distinct - values.size) < 4 * 0.0081 * values.size + 2,
          `${distinct} ${metric}, ${values.size}`,
        );
      }
      const users = new Set(rows.map((row) => String(row.user_id)));
      const filter = decodeBloom((await redis.getBuffer(sketchKey(system, 'bloom', 'users', day))) as Buffer);
      t.strictSame(
        [...users].filter((user) => !bloomHas(filter, user)),
        [],
        `${system}: no user is answered "no"`,
      );

      const list = (await redis.lrangeBuffer(
        sketchKey(system, 'digest', 'latency_ms', hour),
        1,
        -1,
      )) as Buffer[];
      const samples = list.map(decodeDigest).reduce((sum, digest) => sum + digest.count, 0);
      t.equal(samples, inHour.length, `${system}: samples`);
    }
  },
);

t.test('what has expired is written again, also after the clock was set back', async (t) => {
  const clocks = { wall: now, elapsed: 0 };
  const { store } = await openPath(t, {
    clock: { now: () => clocks.wall },
    monotonic: { now: () => clocks.elapsed },
  });
  const at = now - 8 * 24 * HOUR_MS; // its hour may go at any time
  const row = { user_id: 'ada', timestamp: at };
  const key = sketchKey('s', 'hll', 'users', bucketAt('hour', at));
  await store([row]);
  t.equal(await redis.pfcount(key), 1);
  await redis.del(key);
  clocks.elapsed += 11 * 60_000;
  clocks.wall += 11 * 60_000 - HOUR_MS;
  await store([row]);
  t.equal(await redis.pfcount(key), 1);
});
