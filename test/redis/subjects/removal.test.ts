/**
 * Removal: a person is in no list afterwards, and every bound still holds the truth of all that was ever counted: at
 * once, after further events, and in the days that are folded later.
 */
import { Redis } from 'ioredis';
import t, { type Test } from 'tap';
import { rollSuffix, sealedKey, sketchKey, sketchSuffix, systemKey } from '../../../src/redis/keys.js';
import { encodePayload } from '../../../src/redis/payload.js';
import { callScript } from '../../../src/redis/pipeline.js';
import { scripts } from '../../../src/redis/scripts.js';
import { topItemsMax } from '../../../src/sketches/registry.js';
import { mergeTops, type TopSummary } from '../../../src/sketches/space-saving.js';
import { createRemoval } from '../../../src/subjects/removal.js';
import { bucketAt } from '../../../src/windows/bucket.js';
import { DAY_MS, HOUR_MS } from '../../../src/windows/civil.js';
import { contentOf, replyDeadlineMs, runCall } from '../../support/apply-delta.js';
import { pick, seededRandom } from '../../support/random.js';
import { startRedis } from '../../support/redis-server.js';
import { atHour, createRollupProcess, createTravel, day, readTop } from '../../support/rollups.js';
import { createWritePath, type Row, retention } from '../../support/write-path.js';

const server = await startRedis();
const redis = new Redis(server.url, { protocol: 2 });
const travel = createTravel(redis);
const { clock } = travel;
const writer = await createWritePath({ socket: server.socket, clock });
const rollups = await createRollupProcess({ socket: server.socket, holderId: 'one', clock });
const shardsOf = (system: string) => [system];
const remove = createRemoval({
  redis,
  shardsOf,
  retention,
  clock,
  monotonic: clock,
  timeoutMs: replyDeadlineMs,
});
t.teardown(async () => {
  rollups.close();
  await writer.close();
  redis.disconnect();
  await server.stop();
});
t.beforeEach(async () => {
  await redis.flushall();
  travel.reset();
  writer.filter.forgetAll();
  await writer.directory.load();
});

const visit = (user: string, hour: number, fields: Row = {}): Row => ({
  user_id: user,
  timestamp: atHour(hour),
  ...fields,
});
const removeAll = (kind: 'user' | 'ip', ...forms: string[]) =>
  remove({ kind, forms, after: '', within: undefined });
const remove1 = (user: string) => removeAll('user', user);
const isOver = day.end + HOUR_MS;
/** Hours of the day are gone after this, and it is sealed before. */
const isSealed = day.start + 7 * DAY_MS;

/** Every count is within the bounds of a list; who is not listed was counted at most as often as the floor says. */
function holds(t: Test, top: TopSummary, truth: ReadonlyMap<string, number>, label: string): void {
  const wrong = [...truth].filter(([item, count]) => {
    const upper = top.counts.get(item);
    if (upper === undefined) return count > top.floor;
    return count > upper || count < upper - (top.overcounts.get(item) ?? 0);
  });
  t.ok(wrong.length === 0, `${label}: all bounds hold`, { wrong: wrong.slice(0, 5), floor: top.floor });
}
t.test(
  'a removed person is in no list, the others stay as they are, and the floor is his count',
  async (t) => {
    await writer.store([...Array(5).fill(visit('alice', 9)), visit('bob', 9), visit('bob', 10)]);
    const ips = visit('bob', 9, { metadata: { ip: 'alice' } });
    await writer.store([ips]);
    t.strictSame(await remove1('alice'), {
      systems: 1,
      lists: 1,
      removed: 1,
      touched: ['s'],
      next: undefined,
    });
    const { top } = await readTop(redis, 's', 'active_users');
    t.strictSame(top, { counts: new Map([['bob', 3]]), overcounts: new Map(), floor: 5 });
    const { top: active } = await readTop(redis, 's', 'active_ips');
    t.strictSame([...active.counts], [['alice', 1]], 'an IP of the same text is somebody else');
  },
);

t.test('an IP goes from active IPs and from failed logins', async (t) => {
  const failed = { event_type: 'user_login', metadata: { ip: '192.0.2.1', status: 'failed' } };
  await writer.store([visit('bob', 9, failed)]);
  const { lists, removed } = await removeAll('ip', '192.0.2.1');
  t.strictSame({ lists, removed }, { lists: 2, removed: 2 });
  for (const metric of ['active_ips', 'failed_logins']) {
    t.equal((await readTop(redis, 's', metric)).top.counts.size, 0, metric);
  }
});

t.test('every form of an id goes, and removing again changes nothing', async (t) => {
  await writer.store([visit('alice', 9), visit('alice', 9), visit('u_1', 9), visit('bob', 9)]);
  t.equal((await removeAll('user', 'u_1', 'alice', 'u_2')).removed, 2);
  const before = await contentOf(redis);
  t.strictSame(await removeAll('user', 'u_1', 'alice', 'u_2'), {
    systems: 1,
    lists: 0,
    removed: 0,
    touched: [],
    next: undefined,
  });
  t.strictSame(await contentOf(redis), before);
});

t.test('a list that lost all its items keeps its floor, also when it fills again', async (t) => {
  await writer.store(Array(3).fill(visit('alice', 9)));
  const hour = bucketAt('hour', day.start + 9 * HOUR_MS);
  const [list, overs] = (['top', 'over'] as const).map((kind) => sketchKey('s', kind, 'active_users', hour));
  const left = await redis.pttl(list);
  await remove1('alice');
  t.equal(await redis.exists(list), 0);
  t.ok(Math.abs((await redis.pttl(overs)) - left) < 1_000, 'it lives as long as the list would have');
  await travel.to(clock.now() + 2 * HOUR_MS);
  await writer.store([visit('bob', 9)]);
  t.ok((await redis.pttl(overs)) >= (await redis.pttl(list)) - 1_000, 'and as long as the new one');
  const { top } = await readTop(redis, 's', 'active_users');
  t.strictSame(top, { counts: new Map([['bob', 4]]), overcounts: new Map([['bob', 3]]), floor: 3 });
});

t.test('a floor without items is folded into the day', async (t) => {
  await writer.store([...Array(3).fill(visit('alice', 9)), visit('bob', 10)]);
  await remove1('alice');
  await travel.to(isOver);
  await rollups.round();
  const { top, source } = await readTop(redis, 's', 'active_users');
  t.equal(source, 'day');
  t.strictSame(top, { counts: new Map([['bob', 4]]), overcounts: new Map([['bob', 3]]), floor: 3 });
});

t.test('a folded day loses the person and stays folded', async (t) => {
  await writer.store([...Array(3).fill(visit('alice', 9)), visit('bob', 9)]);
  await travel.to(isOver);
  await rollups.round();
  t.equal((await remove1('alice')).lists, 2, 'the hour and the day');
  const { top, source } = await readTop(redis, 's', 'active_users');
  t.equal(source, 'day');
  t.strictSame(top, { counts: new Map([['bob', 1]]), overcounts: new Map(), floor: 3 });
});

t.test('a fold that has read the hours before cannot bring the person back', async (t) => {
  await writer.store([...Array(3).fill(visit('alice', 9)), visit('bob', 9)]);
  await travel.to(isOver);
  await remove1('alice');
  const suffixes = (['top', 'over'] as const).map((kind) => sketchSuffix(kind, 'active_users', day));
  const lists = encodePayload([[[...suffixes, 900, ['alice', 'bob'], [3, 1], [], []]], []]);
  const epoch = String(await redis.hget(systemKey('s'), 'epoch'));
  const terms = [rollSuffix(day), 900, 1, epoch, '0', lists, 'rolled', 0, 0, 0];
  t.strictSame(await runCall(redis, callScript(scripts['store-day-1'], [systemKey('s')], terms)), [
    'changed',
  ]);
  await rollups.round();
  const { top, source } = await readTop(redis, 's', 'active_users');
  t.equal(source, 'day', 'the next fold reads them again');
  t.strictSame([...top.counts.keys()], ['bob']);
});

t.test(
  'a sealed day is found, an old one that was replayed too, and events that come late to it',
  async (t) => {
    await writer.store([visit('alice', 9), visit('bob', 9)]);
    await travel.to(isOver);
    await rollups.round();
    await travel.to(isSealed);
    await rollups.round();
    t.strictSame(await redis.zrange(sealedKey('s'), '0', '-1'), [`roll:all:day:${day.name}`]);
    t.equal((await remove1('alice')).removed, 2, 'of the hour, and of the day itself');
    await writer.store([visit('alice', 9)]);
    t.equal((await remove1('alice')).removed, 2, 'of the hour, and of the day itself');
    const old = new Date(day.start - 400 * DAY_MS).toISOString();
    await writer.store([{ user_id: 'alice', timestamp: old }]);
    t.equal((await remove1('alice')).removed, 1);
  },
);

t.test('sealed days are noted for as long as they have lists, and no longer', async (t) => {
  await writer.store([visit('alice', 9)]);
  await travel.to(isOver);
  await rollups.round();
  await travel.to(isSealed);
  await rollups.round();
  const own = sketchKey('s', 'top', 'active_users', day);
  const until = Number(await redis.zscore(sealedKey('s'), `roll:all:day:${day.name}`)) * 1_000;
  t.ok(until >= clock.now() + (await redis.pttl(own)), 'it is noted at least as long as its list lives');
  t.ok((await redis.ttl(sealedKey('s'))) > 0);
  await travel.to(until + DAY_MS);
  await writer.store([{ user_id: 'alice', timestamp: new Date(day.start - 5 * DAY_MS).toISOString() }]);
  await travel.to(clock.now() + 8 * DAY_MS);
  await rollups.round();
  const noted = await redis.zrange(sealedKey('s'), '0', '-1');
  t.equal(noted.length, 1, 'the day that was sealed now');
  t.notOk(noted.includes(`roll:all:day:${day.name}`));
});

t.test('systems are walked by the directory, and a cursor goes on where it stopped', async (t) => {
  const systems = Array.from({ length: 7 }, (_, i) => `system ${i}`);
  await writer.store(systems.map((system) => visit('alice', 9, { system })));
  let at = 0;
  // Each look at the clock takes two seconds of the five that one request has.
  const monotonic = { now: () => (at += 2_000) };
  const inParts = createRemoval({
    redis,
    shardsOf,
    retention,
    clock,
    monotonic,
    timeoutMs: replyDeadlineMs,
  });
  const from = (after: string) => inParts({ kind: 'user', forms: ['alice'], after, within: undefined });
  const parts = [await from('')];
  for (let next = parts[0].next; next !== undefined; next = parts.at(-1)?.next) parts.push(await from(next));
  t.ok(parts.length > 1, `${parts.length} parts`);
  t.strictSame(
    parts.flatMap(({ touched }) => touched),
    systems,
  );
});

t.test('everything that a removal leaves behind expires', async (t) => {
  await writer.store([visit('alice', 9), visit('bob', 9)]);
  await remove1('alice');
  const keys = await redis.keys('pt:{s}*');
  t.ok(keys.some((key) => key.includes(':over:')) && keys.some((key) => key.includes(':roll:')));
  for (const key of keys) t.ok((await redis.pttl(key)) > 0, key);
});

t.test('without memory nothing is removed', async (t) => {
  await writer.store([visit('alice', 9), visit('bob', 9)]);
  const before = await contentOf(redis);
  await redis.config('SET', 'maxmemory', '1');
  t.teardown(() => redis.config('SET', 'maxmemory', '0'));
  await t.rejects(remove1('alice'), /OOM/);
  t.strictSame(await contentOf(redis), before);
});

t.test('whoever may touch some systems only removes from those only', async (t) => {
  await writer.store(['a', 'b', 'c'].map((system) => visit('alice', 9, { system })));
  const within = new Set(['b', 'other']);
  const { systems, touched, next } = await remove({ kind: 'user', forms: ['alice'], after: '', within });
  t.strictSame({ systems, touched, next }, { systems: 1, touched: ['b'], next: undefined });
  t.strictSame((await remove1('alice')).touched, ['a', 'c']);
});

for (const seed of [1, 2, 3]) {
  t.test(`whoever is removed when, all bounds hold the truth (seed ${seed})`, async (t) => {
    const random = seededRandom(seed);
    const below = (limit: number) => Math.floor(random() * limit);
    const truth = new Map<string, number>();
    const people = 2 * topItemsMax;
    /** Few are frequent, most are rare: lists are cut all the time. */
    const somebody = () => `u${Math.floor(people * random() ** 2)}`;
    async function write(): Promise<void> {
      const rows = Array.from({ length: 4_000 }, () => visit(somebody(), pick([3, 4], random)));
      await writer.store(rows);
      for (const { user_id } of rows) truth.set(String(user_id), (truth.get(String(user_id)) ?? 0) + 1);
    }
    async function check(label: string, ...gone: string[]): Promise<void> {
      const { top } = await readTop(redis, 's', 'active_users');
      holds(t, top, truth, label);
      for (const item of gone) t.notOk(top.counts.has(item), `${label}: ${item} is gone`);
    }
    for (let i = 0; i < 3; i++) {
      await write();
      const gone = [somebody(), somebody()];
      for (const user of gone) await remove1(user);
      await check(`hours ${i}`, ...gone);
    }
    const hour = bucketAt('hour', day.start + 3 * HOUR_MS);
    t.ok((await redis.hlen(sketchKey('s', 'over', 'active_users', hour))) > 100, 'lists were cut');
    await travel.to(isOver + below(HOUR_MS));
    await rollups.round();
    await check('folded');
    const gone = somebody();
    await remove1(gone);
    await check('folded and removed', gone);
    await write();
    await travel.to(clock.now() + HOUR_MS);
    await rollups.round();
    await check('folded again');
    await travel.to(isSealed);
    await rollups.round();
    await check('sealed');
    await remove1('u1');
    await check('sealed and removed', 'u1');
    await write();
    await check('late');
    const { top } = await readTop(redis, 's', 'active_users');
    holds(t, mergeTops([top, top]), new Map([...truth].map(([item, count]) => [item, 2 * count])), 'merged');
  });
}
