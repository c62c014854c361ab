/** Folding a day on a real Redis: what readers are told before, between and after, and what late events do. */
import { Redis } from 'ioredis';
import t from 'tap';
import { sketchKey, systemKey } from '../../../src/redis/keys.js';
import { digestElementsMax } from '../../../src/redis/scripts.js';
import { topItemsMax } from '../../../src/sketches/registry.js';
import { quantile } from '../../../src/sketches/t-digest.js';
import { DAY_MS, HOUR_MS, MINUTE_MS } from '../../../src/windows/civil.js';
import { seededRandom } from '../../support/random.js';
import { startRedis } from '../../support/redis-server.js';
import {
  atHour,
  countsOf,
  createRollupProcess,
  createTravel,
  day,
  dayBytes,
  readDigest,
  readTop,
  tally,
} from '../../support/rollups.js';
import { createWritePath, type Row, retention } from '../../support/write-path.js';

const server = await startRedis();
const redis = new Redis(server.url, { protocol: 2 });
const travel = createTravel(redis);
const { clock } = travel;
const writer = await createWritePath({ socket: server.socket, clock });
const rollups = await createRollupProcess({ socket: server.socket, holderId: 'one', clock });
t.teardown(async () => {
  rollups.close();
  await writer.close();
  redis.disconnect();
  await server.stop();
});
t.beforeEach(async () => {
  await redis.flushall();
  writer.filter.forgetAll();
  await writer.directory.load();
  travel.reset();
});

const nextMorning = day.end + HOUR_MS;
/** The first hour was written at noon, so it expires a retention after that. */
const sealing = day.start + 12 * HOUR_MS + retention.hour - 12 * HOUR_MS;
const settle = 6 * MINUTE_MS;

const random = seededRandom(5);
/** Rows over the hours of a morning, of few users. */
const makeRows = (count: number, system = 's'): Row[] =>
  Array.from({ length: count }, (_, i) => ({
    system,
    user_id: `user-${Math.floor(50 * random() ** 2)}`,
    timestamp: atHour(i % 12),
    metadata: { ip: `10.0.0.${i % 7}`, latency_ms: Math.floor(random() * 100), rows: i },
  }));

t.test('below the size of the lists the day says exactly what its hours say together', async (t) => {
  const rows = makeRows(600);
  await writer.store(rows);
  await travel.to(nextMorning);
  const before = await readTop(redis, 's', 'active_users');
  t.equal(before.source, 'hours');
  t.strictSame(countsOf(before.top), tally(rows, 'user_id'));
  const hours = await readDigest(redis, 's', 'rows');
  await rollups.round();
  const after = await readTop(redis, 's', 'active_users');
  t.match(after, { source: 'day', isPartial: false });
  t.strictSame(countsOf(after.top), tally(rows, 'user_id'));
  t.strictSame([after.top.floor, after.top.overcounts.size], [0, 0]);
  t.strictSame(countsOf((await readTop(redis, 's', 'event_types')).top), { api_access: 600 });
  t.strictSame(await readTop(redis, 's', 'failed_logins'), {
    source: 'day',
    isPartial: false,
    top: { counts: new Map(), overcounts: new Map(), floor: 0 },
  });
  for (const metric of ['latency_ms', 'rows']) {
    const { source, digest } = await readDigest(redis, 's', metric);
    t.strictSame([source, digest.count], ['day', 600]);
  }
  t.strictSame((await readDigest(redis, 's', 'rows')).digest, hours.digest);
  for (const key of await redis.keys('*')) t.ok((await redis.pttl(key)) > 0, `${key} expires`);
});

t.test('above the size of the lists the bounds hold, and the list keeps its size', async (t) => {
  const rows = Array.from({ length: 9_000 }, (_, i) => ({
    user_id: `user-${Math.floor(3_000 * random() ** 2)}`,
    timestamp: atHour(i % 6),
  }));
  await writer.store(rows);
  await travel.to(nextMorning);
  await rollups.round();
  const { source, top } = await readTop(redis, 's', 'active_users');
  t.equal(source, 'day');
  t.equal(top.counts.size, topItemsMax);
  const truth = tally(rows, 'user_id');
  const wrong = Object.entries(truth).filter(([user, count]) => {
    const upper = top.counts.get(user) ?? top.floor;
    const lower = top.counts.has(user) ? upper - (top.overcounts.get(user) ?? 0) : 0;
    return count < lower || count > upper;
  });
  t.strictSame(wrong, []);
  t.ok(top.floor > 0 && top.floor <= rows.length / topItemsMax, `floor ${top.floor}`);
});

t.test('folding again changes nothing, and lists keep the lifetime of the first time', async (t) => {
  await writer.store(makeRows(300));
  await travel.to(nextMorning);
  await rollups.round();
  const bytes = await dayBytes(redis, 's');
  t.ok(Object.keys(bytes).length >= 5);
  await travel.to(nextMorning + HOUR_MS);
  await redis.hset(systemKey('s'), `d:roll:all:day:${day.name}`, 0);
  await redis.hset(sketchKey('s', 'roll', 'all', day), 'rolled', 'never');
  await rollups.round();
  t.strictSame(await dayBytes(redis, 's'), bytes);
  const left = await redis.pttl(sketchKey('s', 'top', 'active_users', day));
  t.ok(left <= retention.day - HOUR_MS, `${left} ms left`);
  t.ok(left > retention.day - 3 * HOUR_MS);
});

t.test('the day of today and one just over are left to their hours', async (t) => {
  await writer.store(makeRows(20));
  await rollups.round();
  await travel.to(day.end + 5 * MINUTE_MS);
  await rollups.round();
  t.equal((await readTop(redis, 's', 'active_users')).source, 'hours');
  t.strictSame(await dayBytes(redis, 's'), {});
  t.equal(await redis.exists(sketchKey('s', 'roll', 'all', day)), 0, 'and cost nothing but a note');
});

t.test('a late event is in the answer at once, and in the day when it is folded again', async (t) => {
  const rows = makeRows(100);
  await writer.store(rows);
  await travel.to(nextMorning);
  await rollups.round();
  const late = makeRows(30);
  await writer.store(late);
  const truth = tally([...rows, ...late], 'user_id');
  const marked = await readTop(redis, 's', 'active_users');
  t.strictSame([marked.source, countsOf(marked.top)], ['hours', truth]);
  t.equal((await readDigest(redis, 's', 'rows')).digest.count, 130);
  await rollups.round();
  t.equal((await readTop(redis, 's', 'active_users')).source, 'hours', 'not at once: more may be coming');
  await travel.to(nextMorning + settle);
  await rollups.round();
  const folded = await readTop(redis, 's', 'active_users');
  t.strictSame([folded.source, countsOf(folded.top)], ['day', truth]);
  t.equal((await readDigest(redis, 's', 'rows')).digest.count, 130);
});

t.test('a day that goes on changing is folded again now and then all the same', async (t) => {
  await writer.store(makeRows(10));
  await travel.to(nextMorning);
  await rollups.round();
  const { rolled: before } = await rollups.outcomes();
  for (let minute = 1; minute <= 12; minute++) {
    await travel.to(nextMorning + minute * MINUTE_MS);
    await writer.store(makeRows(5));
    await rollups.round();
  }
  t.equal((await rollups.outcomes()).rolled - before, 2, 'every five minutes or so');
});

t.test('sealed before its first hour expires, a day keeps what it says, late events included', async (t) => {
  const rows = makeRows(200);
  await writer.store(rows);
  await travel.to(nextMorning);
  await rollups.round();
  await travel.to(sealing + HOUR_MS);
  await rollups.round();
  const state = sketchKey('s', 'roll', 'all', day);
  t.equal(await redis.hget(state, 'sealed'), '1');
  t.equal(await redis.hexists(systemKey('s'), `d:roll:all:day:${day.name}`), 0, 'nothing is left to be done');
  const late = makeRows(40);
  await writer.store(late);
  const check = async (name: string, all: readonly Row[]) => {
    const { source, top } = await readTop(redis, 's', 'active_users');
    t.strictSame([source, countsOf(top)], ['day', tally(all, 'user_id')], name);
    t.equal((await readDigest(redis, 's', 'rows')).digest.count, all.length, name);
  };
  await check('before hours expire', [...rows, ...late]);
  await travel.to(day.end + 10 * DAY_MS);
  await rollups.round();
  await check('after hours have expired', [...rows, ...late]);
  const later = makeRows(40).map((row) => ({ ...row, metadata: { ...(row.metadata as Row), fresh: 1 } }));
  await writer.store(later);
  await check('and for later ones', [...rows, ...late, ...later]);
  t.equal((await readDigest(redis, 's', 'fresh')).digest.count, 40, 'a new numeric key begins a list');
  await rollups.round();
  await check('which nobody folds again', [...rows, ...late, ...later]);
  for (const key of await redis.keys('*')) t.ok((await redis.pttl(key)) > 0, `${key} expires`);
});

t.test('a sealed list above its size keeps the Space-Saving rules', async (t) => {
  const users = (from: number, count: number) =>
    Array.from({ length: count }, (_, i) => ({ user_id: `user-${from + i}`, timestamp: atHour(i % 3) }));
  const rows = [...users(0, 900), ...users(0, 900)];
  await writer.store(rows);
  await travel.to(sealing + HOUR_MS);
  await rollups.round();
  const late = users(800, 400);
  await writer.store(late);
  await writer.store(late);
  const { source, top } = await readTop(redis, 's', 'active_users');
  t.equal(source, 'day');
  t.equal(top.counts.size, topItemsMax);
  const wrong = Object.entries(tally([...rows, ...late, ...late], 'user_id')).filter(([user, count]) => {
    const upper = top.counts.get(user) ?? top.floor;
    const lower = top.counts.has(user) ? upper - (top.overcounts.get(user) ?? 0) : 0;
    return count < lower || count > upper;
  });
  t.strictSame(wrong, []);
});

t.test(
  'the digest list of a sealed day is folded when it grows long, and never passes its limit',
  async (t) => {
    await writer.store(makeRows(24));
    await travel.to(sealing + HOUR_MS);
    await rollups.round();
    const key = sketchKey('s', 'digest', 'latency_ms', day);
    let longest = 0;
    for (let i = 0; i < 40; i++) {
      await writer.store(makeRows(24));
      longest = Math.max(longest, await redis.llen(key));
    }
    await writer.folder.settle();
    t.ok(longest > 20 && longest <= digestElementsMax, `${longest} elements`);
    t.ok((await redis.llen(key)) < longest);
    t.equal((await readDigest(redis, 's', 'latency_ms')).digest.count, 41 * 24);
  },
);

t.test('a day whose hours are gone before it was folded says that it is partial', async (t) => {
  await writer.store(makeRows(24));
  await travel.to(day.end + 8 * DAY_MS);
  const late = makeRows(5);
  await writer.store(late);
  await rollups.round();
  const { source, isPartial, top } = await readTop(redis, 's', 'active_users');
  t.strictSame([source, isPartial, countsOf(top)], ['day', true, tally(late, 'user_id')]);
});

t.test('a day that was folded keeps its lists when nobody led until its hours were gone', async (t) => {
  const rows = makeRows(24);
  await writer.store(rows);
  await travel.to(nextMorning);
  await rollups.round();
  await travel.to(day.end + 8 * DAY_MS);
  await rollups.round();
  const { source, isPartial, top } = await readTop(redis, 's', 'active_users');
  t.strictSame([source, isPartial, countsOf(top)], ['day', false, tally(rows, 'user_id')]);
});

t.test('an old log is folded like the days of today, and open as long', async (t) => {
  const rows = makeRows(60).map((row) => ({ ...row, timestamp: '2019-01-01T10:00:00Z' }));
  await writer.store(rows);
  await rollups.round();
  const key = 'pt:{s}:roll:all:day:2019-01-01';
  t.match(await redis.hgetall(key), { rolled: '1', changes: '1' });
  t.equal(await redis.hexists(key, 'sealed'), 0);
  t.equal(await redis.zcard('pt:{s}:top:active_ips:day:2019-01-01'), 7);
});

t.test('scripts that Redis has forgotten make no difference', async (t) => {
  const rows = makeRows(50);
  await writer.store(rows);
  await travel.to(nextMorning);
  await redis.script('FLUSH');
  await rollups.round();
  await redis.script('FLUSH');
  const { source, digest } = await readDigest(redis, 's', 'latency_ms');
  t.strictSame([source, digest.count], ['day', 50]);
  t.ok(quantile(digest, 1) < 100);
});

t.test('what is wrong with one system is counted, and keeps no other waiting', async (t) => {
  await writer.store([...makeRows(10, 'a'), ...makeRows(10, 'b')]);
  await travel.to(nextMorning);
  await redis.rpush(
    sketchKey('a', 'digest', 'latency_ms', { grain: 'hour', name: `${day.name}T03`, start: 0, end: 0 }),
    'x',
  );
  const { failed = 0 } = await rollups.outcomes();
  await rollups.round();
  t.equal((await rollups.outcomes()).failed, failed + 1);
  t.equal((await readTop(redis, 'b', 'active_users')).source, 'day');
  t.equal((await readTop(redis, 'a', 'active_users')).source, 'hours');
  const [{ value }] = (await rollups.metrics.rollupLagSeconds.get()).values;
  t.equal(value, (nextMorning - day.end - 10 * MINUTE_MS) / 1_000, 'and shows as lag');
});
