/** The top of one list, read in part, is what the whole list says. */
import { Redis } from 'ioredis';
import t from 'tap';
import { askTop } from '../../src/compliance/list-questions.js';
import { placesOf } from '../../src/compliance/place.js';
import { decodeTop } from '../../src/redis/day-lists.js';
import { sketchKey } from '../../src/redis/keys.js';
import { readPipeline } from '../../src/redis/pipeline.js';
import { topItems } from '../../src/sketches/space-saving.js';
import { bucketAt } from '../../src/windows/bucket.js';
import { seededRandom } from '../support/random.js';
import { startRedis } from '../support/redis-server.js';

const server = await startRedis();
const redis = new Redis(server.url, { protocol: 2 });
t.teardown(async () => {
  redis.disconnect();
  await server.stop();
});

const hour = bucketAt('hour', Date.UTC(2026, 0, 31, 13));
const random = seededRandom(7);

async function fill(system: string, items: number, counts: number, floor: number): Promise<void> {
  for (let i = 0; i < items; i++) {
    const count = floor + 1 + Math.floor(random() * counts);
    const item = `${random() < 0.1 ? '\u{1f600}' : 'é'}${i}`;
    await redis.zadd(sketchKey(system, 'top', 'active_users', hour), count, item);
    if (floor > 0 && random() < 0.5) {
      await redis.hset(sketchKey(system, 'over', 'active_users', hour), item, Math.ceil(random() * floor));
    }
  }
  if (floor > 0) await redis.hset(sketchKey(system, 'over', 'active_users', hour), '', String(floor));
}

t.test('for any k, with ties and without, with overcounts and without', async (t) => {
  for (const [items, counts, floor] of [
    [0, 1, 0],
    [1, 1, 0],
    [30, 3, 0],
    [30, 1_000, 0],
    [200, 1, 5],
    [200, 40, 17],
  ] as const) {
    const system = `${items} ${counts} ${floor}`;
    await fill(system, items, counts, floor);
    const pairs = await redis.zrange(sketchKey(system, 'top', 'active_users', hour), '0', '-1', 'WITHSCORES');
    const overs = await redis.hgetall(sketchKey(system, 'over', 'active_users', hour));
    const whole = decodeTop([pairs, Object.entries(overs).flat()]);
    for (const k of [1, 2, 7, 29, 30, 31, 199, 200, 201, 1_000]) {
      const { calls, decode } = askTop('active_users', k, placesOf([system], [hour]));
      const answer = decode(await readPipeline(redis, calls, 5_000));
      t.strictSame({ items: answer.items, floor: answer.floor }, topItems([whole], k), `${system}, ${k}`);
      t.strictSame(answer.exists, [items > 0]);
    }
  }
});
