/**
 * Digest lists stay short: a reader never meets more than `digestElementsMax` elements, however fast and from
 * however many processes samples come, and no sample is lost over it.
 */
import { Redis } from 'ioredis';
import t from 'tap';
import { askSamples } from '../../src/compliance/list-questions.js';
import { placesOf } from '../../src/compliance/place.js';
import { sketchKey, sketchSuffix, systemKey } from '../../src/redis/keys.js';
import { digestElementsMax } from '../../src/redis/scripts.js';
import { bucketAt } from '../../src/windows/bucket.js';
import { MINUTE_MS } from '../../src/windows/civil.js';
import { apply, digestBlob } from '../support/apply-delta.js';
import { seededRandom } from '../support/random.js';
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

const hour = bucketAt('hour', now);

async function samplesIn(system: string, metric: string): Promise<number> {
  const { calls, decode } = askSamples(metric, placesOf([system], [hour]));
  const reply = await redis.callBuffer(calls[0].name, calls[0].args);
  return decode([reply]).digest?.count ?? 0;
}

t.test(
  'an hour of samples from five processes at once: no list is ever too long, no sample is lost',
  async (t) => {
    const paths = await Promise.all(
      Array.from({ length: 5 }, () => createWritePath({ socket: server.socket })),
    );
    const random = seededRandom(11);
    const keys = ['latency_ms', 'bytes'];
    const requestsEach = 400;
    const rowsEach = 6;
    const minutesAgo = (minutes: number) => new Date(now - minutes * MINUTE_MS).toISOString();
    // 13:37 at most 37 minutes back, so all of it is one hour, and every request brings several of its minutes.
    const makeRow = (): Row => ({
      system: random() < 0.9 ? 'busy' : 'quiet',
      timestamp: minutesAgo(Math.floor(random() * 37)),
      metadata: Object.fromEntries(keys.map((key) => [key, Math.floor(random() * 1_000)])),
    });
    const truth = new Map<string, number>();
    let longest = 0;
    let running = true;
    const lists = ['busy', 'quiet'].flatMap((system) =>
      keys.map((key) => sketchKey(system, 'digest', key, hour)),
    );
    async function watch(): Promise<void> {
      while (running) {
        const lengths = await Promise.all(lists.map((list) => redis.llen(list)));
        longest = Math.max(longest, ...lengths);
      }
    }
    const watching = watch();
    await Promise.all(
      paths.map(async (path) => {
        for (let i = 0; i < requestsEach; i++) {
          const rows = Array.from({ length: rowsEach }, makeRow);
          for (const { system } of rows) truth.set(String(system), (truth.get(String(system)) ?? 0) + 1);
          await path.store(rows);
        }
      }),
    );
    running = false;
    await watching;
    t.comment(`the longest list had ${longest} elements`);
    t.ok(longest > 64, 'the lists were folded under load');
    t.ok(longest <= digestElementsMax, `${longest}`);
    for (const system of ['busy', 'quiet']) {
      for (const key of keys) t.equal(await samplesIn(system, key), truth.get(system), `${key} of ${system}`);
    }
    await Promise.all(paths.map((path) => path.close()));
    for (const list of lists) t.ok((await redis.llen(list)) <= 65, 'and once it is quiet they are short');
  },
);

t.test(
  'minutes of one hour that meet a list nobody has folded are stored, and it stays within its limit',
  async (t) => {
    const path = await createWritePath({ socket: server.socket });
    const minutes = 7;
    const rows = Array.from({ length: minutes }, (_, i) => ({
      timestamp: new Date(now - i * MINUTE_MS).toISOString(),
      metadata: { latency_ms: i },
    }));
    const suffix = sketchSuffix('digest', 'latency_ms', bucketAt('hour', now));
    for (let length = digestElementsMax - minutes - 1; length <= digestElementsMax; length++) {
      await redis.del(`${systemKey('s')}:${suffix}`);
      for (let blobs = 1; blobs < length; blobs++) {
        await apply(redis, { digests: [['latency_ms', suffix, 900, 1, digestBlob(1)]] });
      }
      let longest = 0;
      let stored = false;
      const storing = path.store(rows).finally(() => {
        stored = true;
      });
      while (!stored) longest = Math.max(longest, await redis.llen(`${systemKey('s')}:${suffix}`));
      await storing;
      await path.folder.settle();
      t.ok(longest <= digestElementsMax, `${length} elements and ${minutes} blobs: ${longest}`);
    }
    await path.close();
  },
);
