/** Reading days: several at once in one round trip, whatever happens between the calls of one of them. */
import { Redis } from 'ioredis';
import t from 'tap';
import { decodeTop, readTopDays } from '../../../src/redis/day-lists.js';
import { sketchKey, systemKey } from '../../../src/redis/keys.js';
import { readPipeline } from '../../../src/redis/pipeline.js';
import { mergeTops } from '../../../src/sketches/space-saving.js';
import { bucketAt, bucketsIn } from '../../../src/windows/bucket.js';
import { DAY_MS, HOUR_MS } from '../../../src/windows/civil.js';
import { replyDeadlineMs } from '../../support/apply-delta.js';
import { startRedis } from '../../support/redis-server.js';
import { countsOf, createRollupProcess, createTravel, day } from '../../support/rollups.js';
import { createWritePath, type Row } from '../../support/write-path.js';

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

/** One row an hour of the day that begins at `start`. */
const dayOfRows = (start: number): Row[] =>
  bucketsIn('hour', start, start + DAY_MS).map((hour, i) => ({
    user_id: `user-${i % 5}`,
    timestamp: new Date(hour.start).toISOString(),
  }));
const counts = { 'user-0': 5, 'user-1': 5, 'user-2': 5, 'user-3': 5, 'user-4': 4 };

t.test(
  'a week is one round trip: folded days, days that changed since, and the hours of today',
  async (t) => {
    const days = bucketsIn('day', day.start - 4 * DAY_MS, day.end + DAY_MS);
    for (const { start } of days.slice(0, -1)) await writer.store(dayOfRows(start));
    await travel.to(day.end + HOUR_MS);
    await rollups.round();
    await writer.store(dayOfRows(days[1].start));
    await writer.store([{ user_id: 'today', timestamp: new Date(day.end).toISOString() }]);
    const { calls, decode } = readTopDays('s', 'active_users', days);
    const found = decode(await readPipeline(redis, calls, replyDeadlineMs));
    t.strictSame(
      found.map(({ source }) => source),
      ['day', 'hours', 'day', 'day', 'day', 'hours'],
    );
    const twice = Object.fromEntries(Object.entries(counts).map(([user, count]) => [user, 2 * count]));
    t.strictSame(
      found.map(({ lists }) => countsOf(mergeTops(lists.map(decodeTop)))),
      [counts, twice, counts, counts, counts, { today: 1 }],
    );
  },
);

t.test('a day that is folded, or changes, between its calls is told whole and once', async (t) => {
  const { calls, decode } = readTopDays('s', 'active_users', [day]);
  t.ok(calls.length > 1);
  for (const change of ['folded', 'changed']) {
    for (let before = 1; before < calls.length; before++) {
      await redis.flushall();
      writer.filter.forgetAll();
      await writer.directory.load();
      travel.reset();
      await writer.store(dayOfRows(day.start));
      await travel.to(day.end + HOUR_MS);
      if (change === 'changed') await rollups.round();
      const first = await readPipeline(redis, calls.slice(0, before), replyDeadlineMs);
      if (change === 'folded') await rollups.round();
      else await writer.store([{ user_id: 'late', timestamp: new Date(day.start).toISOString() }]);
      const rest = await readPipeline(redis, calls.slice(before), replyDeadlineMs);
      const [{ source, lists }] = decode([...first, ...rest]);
      t.strictSame(
        [source, countsOf(mergeTops(lists.map(decodeTop)))],
        ['day', counts],
        `${change}, ${before}`,
      );
    }
  }
});

t.test('of a folded day no hour is read, and of what is not there nothing is made', async (t) => {
  await writer.store(dayOfRows(day.start));
  await travel.to(day.end + HOUR_MS);
  await rollups.round();
  const hours = bucketsIn('hour', day.start, day.end);
  await redis.del(hours.map((hour) => sketchKey('s', 'top', 'active_users', hour)));
  const before = await redis.keys('*');
  const { calls, decode } = readTopDays('s', 'active_users', [day, bucketAt('day', 0)]);
  const found = decode(await readPipeline(redis, calls, replyDeadlineMs));
  t.strictSame(countsOf(mergeTops(found[0].lists.map(decodeTop))), counts);
  t.match(found[1], { source: 'hours', isPartial: false });
  t.ok(found[1].lists.every(([pairs, overs]) => pairs.length + overs.length === 0));
  t.strictSame(await redis.keys('*'), before);
  t.ok(
    calls.every(({ args }) => args[2] === systemKey('s')),
    'every call names one key, which has the tag',
  );
});
