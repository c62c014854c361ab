/**
 * What a purge rests on: that the keys which can have been written are known, that its scripts refuse what they have
 * to, that no system comes back into the directory by itself, and that the rollups keep away meanwhile.
 */
import { Redis } from 'ioredis';
import t from 'tap';
import { createFinish } from '../../src/admin/finish-purge.js';
import { createPurge } from '../../src/admin/purge.js';
import { createTickets } from '../../src/admin/purge-tickets.js';
import { createSystemWrites } from '../../src/events/system-writes.js';
import { directoryKeys, markerSuffix, purgeKey, suffixOf, systemKey } from '../../src/redis/keys.js';
import { knownIdsSuffixes } from '../../src/redis/known-ids.js';
import { encodePayload } from '../../src/redis/payload.js';
import { callScript, type Outcome, readPipeline, runPipeline, type Send } from '../../src/redis/pipeline.js';
import { type ScriptName, scripts } from '../../src/redis/scripts.js';
import { parseRecord } from '../../src/redis/system-record.js';
import { suffixesWritten } from '../../src/redis/written-keys.js';
import { reservedNumericKey } from '../../src/sketches/registry.js';
import { bucketAt } from '../../src/windows/bucket.js';
import { DAY_MS, HOUR_MS } from '../../src/windows/civil.js';
import { startRedis } from '../support/redis-server.js';
import { createRollupProcess } from '../support/rollups.js';
import { createWritePath, deltaOf, now, type Row, retention } from '../support/write-path.js';

const server = await startRedis();
const redis = new Redis(server.url, { protocol: 2 });
const clock = { at: now, now: () => clock.at };
t.teardown(async () => {
  redis.disconnect();
  await server.stop();
});
t.beforeEach(async () => {
  await redis.flushall();
  clock.at = now;
});

let ids = 0;
const randomId = () => `purge-${ids++}`;
const admin = { redis, shardsOf: (system: string) => [system], clock, monotonic: clock, timeoutMs: 5_000 };
const purge = createPurge({
  ...admin,
  tickets: createTickets(admin, randomId),
  retention,
  claimsKeptMs: DAY_MS,
  idsKnownSeconds: 240,
  randomId,
  forgetShards: async () => undefined,
  invalidate: async () => undefined,
  removedKeys: () => undefined,
});

async function purgeAll(system: string): Promise<void> {
  const { confirm } = await purge.preview({ system });
  if (!(await purge.proceed(String(confirm))).done) throw new Error('it takes more than one request');
}

async function run(name: ScriptName, keys: string[], args: (string | number | Buffer)[]): Promise<unknown> {
  const [reply] = await readPipeline(redis, [callScript(scripts[name], keys, args)], 5_000);
  return reply;
}

const root = systemKey('s');
/** Fields and values of a hash, in turn. */
const pairsOf = async (key: string) => Object.entries(await redis.hgetall(key)).flat();
const metadata = { ip: '192.0.2.1', endpoint: '/a', latency_ms: 1, 'odd:key}': 2, status: 'failed' };
const rowsAt = (at: number, count = 3): Row[] =>
  Array.from({ length: count }, (_, i) => ({
    event_type: 'user_login',
    user_id: `user ${i}`,
    session_id: `session ${i}`,
    timestamp: at,
    metadata: { ...metadata, endpoint: `/${i}` },
  }));

t.test('every key that events and rollups write is among those that follow from the record', async (t) => {
  const path = await createWritePath({ socket: server.socket, clock });
  t.teardown(() => path.close());
  const times = [now, now - 30 * 60_000, now - 5 * HOUR_MS, now + 3 * HOUR_MS, now - 40 * DAY_MS];
  await path.store(times.flatMap((at) => rowsAt(at, 1_200)));
  const rollups = await createRollupProcess({ socket: server.socket, holderId: 'one', clock });
  t.teardown(() => rollups.close());
  await rollups.round();
  t.match(await rollups.outcomes(), { rolled: 1 }, 'a day was folded, full lists among it');

  const { days, numericKeys } = parseRecord(await pairsOf(root));
  t.strictSame([...numericKeys].sort(), [reservedNumericKey, 'odd:key}'].sort());
  const minutesFrom = now - retention.minute;
  const known = new Set<string>();
  for (const { day } of days) {
    const hours = (await redis.hkeys(`${root}:written:all:day:${day.name}`)).map(Number);
    for (const suffix of suffixesWritten({ day, hours, numericKeys, minutesFrom })) known.add(suffix);
  }
  const suffixes = (await redis.keys(`${root}:*`)).map((key) => suffixOf('s', key));
  t.ok(suffixes.length > 50 && suffixes.some((suffix) => suffix.startsWith('over:')));
  t.strictSame(
    suffixes.filter((suffix) => !known.has(suffix)),
    [],
  );
});

t.test(
  'a marker or an id that was stored while its system was purged goes with what it stands for',
  async (t) => {
    const path = await createWritePath({ socket: server.socket, clock });
    t.teardown(() => path.close());
    await path.store(rowsAt(now));
    const finish = createFinish({ ...admin, retention, claimsKeptMs: DAY_MS, idsKnownSeconds: 240 });
    const markers = [now, now - DAY_MS].map((at) => `${root}:${markerSuffix(bucketAt('hour', at))}`);
    for (const key of markers) await redis.hset(key, 'part', '');
    const ids = knownIdsSuffixes(now, 240, 0).map((suffix) => `${root}:${suffix}`);
    for (const key of ids) await redis.sadd(key, 'id');
    await finish('s', (await redis.hget(root, 'epoch')) ?? '');
    t.strictSame(await redis.keys(`${root}*`), []);
  },
);

t.test('what was stored under an earlier epoch is sent again in full', async (t) => {
  const [one, two] = await Promise.all([1, 2].map(() => createWritePath({ socket: server.socket, clock })));
  t.teardown(() => Promise.all([one.close(), two.close()]));
  await one.store(rowsAt(now));
  await two.store(rowsAt(now));
  await purgeAll('s');
  t.strictSame(await redis.keys(`${root}*`), []);
  await two.store(rowsAt(now));
  await one.store(rowsAt(now));
  const day = bucketAt('day', now).name;
  t.equal(await redis.pfcount(`${root}:hll:users:day:${day}`), 3);
  t.equal(
    await redis.zscore(`${root}:top:event_types:hour:${bucketAt('hour', now).name}`, 'user_login'),
    '6',
  );
});

for (const sharing of ['any', 'none'] as const) {
  const what = `calls shared by ${sharing}`;
  t.test(
    `what a request has stored before a purge is sent again, where the rest came after (${what})`,
    async (t) => {
      const path = await createWritePath({ socket: server.socket, clock });
      t.teardown(() => path.close());
      const { metrics, filter, folder } = path;
      const send: Send = (calls) => runPipeline(redis, calls, 5_000);
      const writes = createSystemWrites({
        send,
        sharing,
        filter,
        folder,
        retention,
        clock,
        monotonic: clock,
        metrics,
        randomId,
      });
      const { systems } = deltaOf(rowsAt(now, 4_000));
      const planned = writes.plan([...systems.values()]);
      t.ok(planned.calls.length > 2, `${planned.calls.length} calls`);
      const outcomes: Outcome[] = [];
      for (const [place, { call }] of planned.calls.entries()) {
        if (place === planned.calls.length - 1) await redis.del(await redis.keys(`${root}*`));
        outcomes.push(...(await send([call])));
      }
      t.strictSame(await writes.settle(planned, outcomes, new Map()), []);
      const [day, hour] = [bucketAt('day', now).name, bucketAt('hour', now).name];
      t.strictSame(await redis.hvals(`${root}:count:events:day:${day}`), ['4000']);
      t.equal(await redis.zscore(`${root}:top:event_types:hour:${hour}`, 'user_login'), '4000');
      const users = await redis.pfcount(`${root}:hll:users:hour:${hour}`);
      t.ok(Math.abs(users - 4_000) < 150, `${users} users`);
      t.equal(filter.epochOf('s'), await redis.hget(root, 'epoch'), 'and is remembered');
    },
  );
}

t.test(
  'the last step is refused where more was written than it knows of, or under another epoch',
  async (t) => {
    const path = await createWritePath({ socket: server.socket, clock });
    t.teardown(() => path.close());
    await path.store(rowsAt(now));
    const epoch = String(await redis.hget(root, 'epoch'));
    const fields = await redis.hlen(root);
    const day = `written:all:day:${bucketAt('day', now).name}`;
    const before = (await redis.keys('*')).sort();
    const finish = (given: string, record: number, hours: number) =>
      run('finish-purge-1', [root], [given, record, encodePayload([[day], [hours], ['a', 'b']])]);
    t.strictSame(await finish('another', fields, 1), ['epoch']);
    t.strictSame(await finish(epoch, fields - 1, 1), ['changed'], 'a day or a numeric key has come');
    t.strictSame(await finish(epoch, fields, 0), ['changed'], 'an hour has come');
    t.strictSame((await redis.keys('*')).sort(), before);
    t.strictSame(await finish(epoch, fields, 1), ['done', 1]);
  },
);

t.test('deleting keys', async (t) => {
  const put = async () => {
    await redis.hset(root, 'epoch', 'e', 'd:roll:all:day:2026-01-31', 1);
    for (const suffix of [
      'top:a:hour:1',
      'over:a:hour:1',
      'written:all:day:2026-01-31',
      'written:all:day:2026-01-30',
    ])
      await redis.set(`${root}:${suffix}`, 1);
  };
  const unlink = (epoch: string, ...suffixes: string[]) => run('unlink-keys-1', [root], [epoch, ...suffixes]);
  await put();
  t.equal(await unlink('another', 'top:a:hour:1'), -1, 'is refused under another epoch');
  t.equal(await unlink('e', 'over:a:hour:1'), 2, 'takes a list and its overcounts together');
  await put();
  t.equal(await unlink('e', 'top:a:hour:1'), 2, 'whichever is named');
  const days = ['written:all:day:2026-01-31', 'written:all:day:2026-01-30'];
  t.equal(await unlink('e', ...days), 1, 'keeps the hours of a day that is noted');
  t.equal(await redis.exists(`${root}:${days[0]}`), 1);
});

t.test('every key that a purge creates lives for a time', async (t) => {
  await run('renew-epoch-1', [root], ['e', 1, 500, 0, 1]);
  const { names, last, purged } = directoryKeys;
  await run('forget-systems-3', [names, last, purged], [600, 10, encodePayload(['a', 'b'])]);
  const { confirm } = await purge.preview({ system: 's' });
  t.ok((await redis.keys('*')).length === 3);
  t.ok((await redis.ttl(root)) > 0 && (await redis.ttl(root)) <= 500);
  t.ok((await redis.ttl(purged)) > 0 && (await redis.ttl(purged)) <= 600);
  t.ok((await redis.ttl(purgeKey(String(confirm)))) > 0);
});

t.test('the notes of purges are bounded, and their numbers only grow', async (t) => {
  const { names, last, purged } = directoryKeys;
  const seen: number[] = [];
  for (const name of ['a', 'b', 'c', 'a', 'd']) {
    await run('forget-systems-3', [names, last, purged], [600, 3, encodePayload([name])]);
    seen.push(Number(await redis.zscore(purged, name)));
  }
  t.strictSame(
    [...new Set(seen)].sort((a, b) => a - b),
    seen,
  );
  t.strictSame(await redis.zrange(purged, '0', '-1'), ['c', 'a', 'd']);
});

t.test('a process that has not heard of a purge does not put the system back', async (t) => {
  const path = await createWritePath({ socket: server.socket, clock });
  t.teardown(() => path.close());
  await path.store(rowsAt(now - 1_000));
  await path.store(rowsAt(now)); // to be written down with the next flush
  await purgeAll('s');
  await path.directory.flush();
  t.equal(await redis.zscore(directoryKeys.names, 's'), null);
  await path.directory.learnPurges();
  await path.directory.flush();
  t.equal(await redis.zscore(directoryKeys.names, 's'), null);
  await path.store(rowsAt(now - 2_000));
  t.equal(await redis.zscore(directoryKeys.names, 's'), '0', 'its next event does, at once');
});

t.test('events between the purge and the news of it bring the system back with the news', async (t) => {
  const path = await createWritePath({ socket: server.socket, clock });
  t.teardown(() => path.close());
  await path.store(rowsAt(now));
  await purgeAll('s');
  await path.store(rowsAt(now - 1_000));
  t.equal(await redis.zscore(directoryKeys.names, 's'), null);
  await path.directory.learnPurges();
  await path.directory.flush();
  t.equal(await redis.zscore(directoryKeys.names, 's'), '0');
});

t.test(
  'a day is not folded while its system is being purged by the clock of Redis, and is afterwards',
  async (t) => {
    const path = await createWritePath({ socket: server.socket, clock });
    t.teardown(() => path.close());
    await path.store(rowsAt(now));
    clock.at = now + DAY_MS;
    const rollups = await createRollupProcess({ socket: server.socket, holderId: 'one', clock });
    t.teardown(() => rollups.close());
    await run('renew-epoch-1', [root], ['e', Math.floor(clock.at / 1_000), 5_000, 3_600, 0]);
    for (const step of [0, 2 * HOUR_MS]) {
      clock.at += step; // the clock of the process, which is another's
      await rollups.round();
      t.strictSame(await rollups.outcomes(), {});
    }
    await redis.hset(root, 'purging', (await redis.time())[0]);
    await rollups.round();
    t.strictSame(await rollups.outcomes(), { rolled: 1 });
  },
);

t.test('a system that gets events of too many days at once is a 503, in the end', async (t) => {
  const path = await createWritePath({ socket: server.socket, clock });
  t.teardown(() => path.close());
  // Whenever the record has begun anew, a year of days comes in before the last step.
  const days = Array.from(
    { length: 365 },
    (_, i) => `d:roll:all:day:${bucketAt('day', now - i * DAY_MS).name}`,
  );
  const busy = new Proxy(redis, {
    get(target, property) {
      if (property !== 'call') return Reflect.get(target, property, target);
      return async (name: string, args: (string | number | Buffer)[]) => {
        if ((await target.hlen(root)) === 4)
          await target.hset(root, Object.fromEntries(days.map((day) => [day, 1])));
        return target.call(name, args);
      };
    },
  });
  const tickets = createTickets(admin, randomId);
  const tried = createPurge({
    ...admin,
    redis: busy,
    tickets,
    retention,
    claimsKeptMs: DAY_MS,
    idsKnownSeconds: 240,
    randomId,
    forgetShards: async () => undefined,
    invalidate: async () => undefined,
    removedKeys: () => undefined,
  });
  await path.store(rowsAt(now));
  const { confirm } = await tried.preview({ system: 's' });
  await t.rejects(tried.proceed(String(confirm)), { code: 'purge_busy' });
});
