/**
 * Days in any life: events of some days come in any order over three weeks, while rounds fold, seal and hours expire.
 * Whenever a day is asked about, the answer is that of all events acknowledged so far.
 */
import { Redis } from 'ioredis';
import t from 'tap';
import { decodeTop, readDigestDays, readTopDays } from '../../../src/redis/day-lists.js';
import { sketchKey } from '../../../src/redis/keys.js';
import { readPipeline } from '../../../src/redis/pipeline.js';
import { mergeTops } from '../../../src/sketches/space-saving.js';
import { decodeDigest, mergeDigests } from '../../../src/sketches/t-digest.js';
import { bucketsIn } from '../../../src/windows/bucket.js';
import { DAY_MS, HOUR_MS } from '../../../src/windows/civil.js';
import { replyDeadlineMs } from '../../support/apply-delta.js';
import { seededRandom } from '../../support/random.js';
import { startRedis } from '../../support/redis-server.js';
import { countsOf, createRollupProcess, createTravel, day, tally } from '../../support/rollups.js';
import { createWritePath, type Row } from '../../support/write-path.js';

const server = await startRedis();
const redis = new Redis(server.url, { protocol: 2 });
const travel = createTravel(redis);
const { clock } = travel;
const writers = [
  await createWritePath({ socket: server.socket, clock }),
  await createWritePath({ socket: server.socket, clock, writer: 'plain' }),
];
const processes = [
  await createRollupProcess({ socket: server.socket, holderId: 'one', clock }),
  await createRollupProcess({ socket: server.socket, holderId: 'two', clock }),
];
t.teardown(async () => {
  for (const one of processes) one.close();
  for (const one of writers) await one.close();
  redis.disconnect();
  await server.stop();
});

const days = bucketsIn('day', day.start - 3 * DAY_MS, day.end);

/** What is said of each day: users with their counts, and how many samples. */
async function said() {
  const tops = readTopDays('s', 'active_users', days);
  const digests = readDigestDays('s', 'latency_ms', days);
  const replies = await readPipeline(redis, [...tops.calls, ...digests.calls], replyDeadlineMs);
  const found = digests.decode(replies.slice(tops.calls.length));
  return tops.decode(replies.slice(0, tops.calls.length)).map(({ lists, isPartial }, i) => ({
    isPartial,
    users: countsOf(mergeTops(lists.map(decodeTop))),
    samples: mergeDigests(found[i].lists.flatMap(([, ...blobs]) => blobs.map(decodeDigest))).count,
  }));
}

for (const seed of [1, 2, 3, 4]) {
  t.test(`no event is lost or counted twice in any life of a day (seed ${seed})`, async (t) => {
    const random = seededRandom(seed);
    const below = (limit: number) => Math.floor(random() * limit);
    await redis.flushall();
    travel.reset();
    for (const { filter, directory } of writers) {
      filter.forgetAll();
      await directory.load();
    }
    const rows: Row[][] = days.map(() => []);
    async function write(): Promise<void> {
      const more = Array.from({ length: 1 + below(20) }, () => {
        const which = below(days.length);
        const at = Math.min(days[which].start + below(DAY_MS), clock.now());
        const row = {
          user_id: `u${below(9)}`,
          timestamp: new Date(at).toISOString(),
          metadata: { latency_ms: 1 },
        };
        rows[days.findIndex(({ start, end }) => at >= start && at < end)].push(row);
        return row;
      });
      await writers[below(2)].store(more);
    }
    for (let at = clock.now(); at < day.end + 18 * DAY_MS; at += below(12 * HOUR_MS)) {
      await travel.to(at);
      if (random() < 0.6) await write();
      await processes[below(2)].round();
      if (random() < 0.3) await Promise.all([write(), processes[below(2)].round()]);
      const expected = rows.map((all) => ({
        isPartial: false,
        users: tally(all, 'user_id'),
        samples: all.length,
      }));
      const found = await said();
      if (JSON.stringify(found) !== JSON.stringify(expected))
        t.strictSame(found, expected, new Date(at).toISOString());
    }
    const sealed = days.map((one) => redis.hget(sketchKey('s', 'roll', 'all', one), 'sealed'));
    t.strictSame(await Promise.all(sealed), ['1', '1', '1', '1'], 'all are sealed by now');
    t.strictSame(
      (await said()).map(({ samples }) => samples),
      rows.map(({ length }) => length),
    );
  });
}
