/** What Lua writes is what the TypeScript models say: Bloom filters byte for byte, top lists item for item. */
import { Redis } from 'ioredis';
import t from 'tap';
import { placesOf } from '../../src/compliance/place.js';
import { askMembership } from '../../src/compliance/set-questions.js';
import { readPipeline } from '../../src/redis/pipeline.js';
import {
  addToBloom,
  bloomHas,
  createBloom,
  decodeBloom,
  decodeBloomHeader,
} from '../../src/sketches/bloom.js';
import { topItemsMax } from '../../src/sketches/registry.js';
import { addToTop, createTop, type TopSummary } from '../../src/sketches/space-saving.js';
import { bucketAt } from '../../src/windows/bucket.js';
import { apply, bloomKeys, namesFrom, replyDeadlineMs } from '../support/apply-delta.js';
import { type Random, seededRandom } from '../support/random.js';
import { startRedis } from '../support/redis-server.js';

const server = await startRedis();
const redis = new Redis(server.url, { protocol: 2 });
t.teardown(async () => {
  redis.disconnect();
  await server.stop();
});
t.beforeEach(async () => {
  await redis.flushall();
});

const day = bucketAt('day', 0);
const suffix = `bloom:users:day:${day.name}`;

/** Adds values to both, in calls of uneven size; returns the model. */
async function addToBoth(values: readonly string[], random: Random): Promise<Buffer> {
  let model: Buffer = createBloom();
  for (let from = 0; from < values.length; ) {
    const part = values.slice(from, from + 1 + Math.floor(random() * 4_000));
    await apply(redis, { membership: [[suffix, 900, bloomKeys(part)]] });
    for (const value of part) model = addToBloom(model, value);
    from += part.length;
  }
  return model;
}

t.test('filters grow to the bytes of the model, through six layers', async (t) => {
  const random = seededRandom(1);
  const values = namesFrom('user-', 100_000);
  // Repeats, near and far.
  for (let i = 0; i < 20_000; i++) values.push(values[Math.floor(random() * values.length)]);
  const model = await addToBoth(values, random);
  const stored = decodeBloom((await redis.getBuffer(`pt:{s}:${suffix}`)) as Buffer);
  t.strictSame(decodeBloomHeader(stored), decodeBloomHeader(model));
  t.equal(decodeBloomHeader(model).layers, 6);
  t.ok(stored.equals(model), 'byte for byte');

  const asked = [...namesFrom('user-', 2_000), ...namesFrom('foreign-', 2_000), ...values.slice(-1_000)];
  const questions = asked.map((value) => askMembership('users', value, placesOf(['s'], [day])));
  const replies = await readPipeline(
    redis,
    questions.flatMap((question) => question.calls),
    replyDeadlineMs,
  );
  const wrong = asked.filter(
    (value, i) => questions[i].decode([replies[i]]).found !== bloomHas(model, value),
  );
  t.strictSame(wrong, [], 'the script that asks agrees with the model');
});

t.test('every size around the end of a layer gives the bytes of the model', async (t) => {
  for (const size of [1, 98, 99, 100, 101, 680, 700, 1_000]) {
    await redis.flushall();
    const model = await addToBoth(namesFrom('v', size), seededRandom(size));
    t.ok(model.equals((await redis.getBuffer(`pt:{s}:${suffix}`)) as Buffer), `${size} values`);
  }
});

t.test('one value a call gives the bytes of all values in one call', async (t) => {
  const values = namesFrom('', 400);
  for (const value of values) await apply(redis, { membership: [['one', 900, bloomKeys([value])]] });
  await apply(redis, { membership: [['all', 900, bloomKeys(values)]] });
  t.ok(
    ((await redis.getBuffer('pt:{s}:one')) as Buffer).equals((await redis.getBuffer('pt:{s}:all')) as Buffer),
  );
});

t.test(
  'a value in any of several filters is found, in none it is not, and missing filters are told',
  async (t) => {
    await apply(redis, { membership: [[suffix, 900, bloomKeys(['ada'])]] });
    const days = [bucketAt('day', 86_400_000), day];
    const ask = async (value: string) => {
      const question = askMembership('users', value, placesOf(['s'], days));
      return question.decode(await readPipeline(redis, question.calls, replyDeadlineMs));
    };
    t.match(await ask('ada'), { found: true, exists: [false, true], saturated: false });
    t.match(await ask('bob'), { found: false, exists: [false, true], saturated: false });
  },
);

async function storedTop(): Promise<TopSummary> {
  const pairs = (await redis.call('ZRANGE', 'pt:{s}:top', 0, -1, 'WITHSCORES')) as string[];
  const { '': floor = '0', ...overs } = await redis.hgetall('pt:{s}:over');
  const counts = new Map<string, number>();
  for (let i = 0; i < pairs.length; i += 2) counts.set(pairs[i], Number(pairs[i + 1]));
  return {
    counts,
    overcounts: new Map(Object.entries(overs).map(([item, over]) => [item, Number(over)])),
    floor: Number(floor),
  };
}

const plain = ({ counts, overcounts, floor }: TopSummary) => ({
  counts: [...counts].sort(),
  overcounts: [...overcounts].sort(),
  floor,
});

/** Streams of names; the numbers in them are skewed, uniform or new every time. */
const streams: Record<string, (random: Random, i: number) => string> = {
  zipf: (random) => `user-${Math.floor(1 / (1 - random()) ** 2)}`,
  uniform: (random) => `user-${Math.floor(random() * 5_000)}`,
  'always new': (_, i) => `user-${i}`,
  'equal counts in every script, for the order of bytes': (random) =>
    String.fromCodePoint([0x41, 0xe9, 0x4e00, 0xe000, 0xfffd, 0x1f600][Math.floor(random() * 6)]) +
    Math.floor(random() * 700),
};

for (const [name, stream] of Object.entries(streams)) {
  t.test(`top lists are those of the model: ${name}`, async (t) => {
    const random = seededRandom(7);
    let model = createTop();
    for (let batch = 0, i = 0; batch < 40; batch++) {
      const increments = new Map<string, number>();
      // Every fourth call may bring more than a list holds.
      for (const end = i + Math.floor(random() * (batch % 4 === 3 ? 2_500 : 700)); i < end; i++) {
        const item = stream(random, i);
        increments.set(item, (increments.get(item) ?? 0) + 1 + Math.floor(random() * 3));
      }
      model = addToTop(model, increments, topItemsMax);
      await apply(redis, { tops: [['top', 'over', 900, ...[...increments].flat()]] });
      if (batch % 8 === 7) t.strictSame(plain(await storedTop()), plain(model), `after ${i} events`);
    }
    if (name !== 'zipf') t.ok(model.floor > 0, 'items were evicted');
  });
}
