/**
 * Large Bloom filters as Lua writes them: at the end of every layer and past the last one they are the model's
 * bytes, so what is measured on the model up to a million values holds for what is stored.
 */
import { Redis } from 'ioredis';
import t from 'tap';
import { placesOf } from '../../src/compliance/place.js';
import { askMembership } from '../../src/compliance/set-questions.js';
import { readPipeline } from '../../src/redis/pipeline.js';
import {
  addToBloom,
  bloomHeaderBytes,
  createBloom,
  decodeBloomHeader,
  layerCapacities,
} from '../../src/sketches/bloom.js';
import { bloomStartBytes, falsePositiveRate } from '../../src/sketches/bloom-rate.js';
import { bucketAt } from '../../src/windows/bucket.js';
import { apply, bloomKeys, namesFrom, replyDeadlineMs } from '../support/apply-delta.js';
import { startRedis } from '../support/redis-server.js';

const server = await startRedis();
const redis = new Redis(server.url, { protocol: 2 });
t.teardown(async () => {
  redis.disconnect();
  await server.stop();
});

const day = bucketAt('day', 0);
const suffix = `bloom:users:day:${day.name}`;
const key = `pt:{s}:${suffix}`;
const stored = async () => (await redis.getBuffer(key)) as Buffer;
/** How many values on each side of the end of a layer Lua adds itself. */
const margin = 1_500;

/** Adds values both ways and returns the model. */
async function addToBoth(model: Buffer, values: readonly string[]): Promise<Buffer> {
  await redis.set(key, model);
  await apply(redis, { membership: [[suffix, 900, bloomKeys(values)]] });
  return values.reduce(addToBloom, model);
}

/** Asks about all of some values, in one pipeline. */
async function membership(
  values: readonly string[],
): Promise<{ found: boolean; falsePositiveRate: number }[]> {
  const questions = values.map((value) => askMembership('users', value, placesOf(['s'], [day])));
  const calls = questions.flatMap((question) => question.calls);
  const replies = await readPipeline(redis, calls, replyDeadlineMs);
  return questions.map(({ decode }, i) => decode([replies[i]]));
}

t.test('from layer to layer, up to a million values, Lua and the model write the same bytes', async (t) => {
  let model: Buffer = createBloom();
  let added = 0;
  const next = (count: number) => Array.from({ length: count }, () => `user-${added++}`);
  for (const layers of [5, 6, 7]) {
    for (;;) {
      const { counts } = decodeBloomHeader(model);
      if (counts.length === layers && counts[layers - 1] >= layerCapacities[layers - 1] - margin) break;
      model = addToBloom(model, `user-${added++}`);
    }
    model = await addToBoth(model, next(2 * margin));
    t.equal(decodeBloomHeader(model).layers, layers + 1, 'a layer was added on the way');
    t.ok((await stored()).equals(model), `${added} values, byte for byte`);
  }
  while (added < 1_000_000) model = addToBloom(model, `user-${added++}`);
  model = await addToBoth(model, next(margin));
  t.ok((await stored()).equals(model), `${added} values, byte for byte`);

  const stated = falsePositiveRate(model.subarray(0, bloomStartBytes(1)));
  t.ok(stated < 0.001 && stated > falsePositiveRate(model), `${stated}`);
  const strangers = await membership(namesFrom('stranger-', 20_000));
  const wrong = strangers.filter(({ found }) => found).length / strangers.length;
  t.ok(wrong < 0.001, `${wrong} of strangers found, ${stated} stated`);
  t.equal(strangers[0].falsePositiveRate, stated, 'and the answer says so');
  const old = await membership(Array.from({ length: 5_000 }, (_, i) => `user-${i * 200}`));
  t.ok(
    old.every(({ found }) => found),
    'nobody is denied',
  );
});

t.test('past its last layer a filter takes on and the answered rate rises', async (t) => {
  const full = createBloom();
  const last = layerCapacities.length;
  // A filter of all layers, none of which holds a bit yet, whose counts say that it is full.
  const header = Buffer.alloc(bloomHeaderBytes);
  full.copy(header, 0, 0, 4);
  header[4] = last;
  layerCapacities.forEach((count, layer) => {
    header.writeUInt32LE(count, 8 + 4 * layer);
  });
  await redis.set(key, header);
  const blocks = 16 * ((4 ** last - 1) / 3);
  await redis.setrange(key, bloomHeaderBytes + 32 * blocks - 1, '\0');
  const [unread] = await membership(['ada']);
  const values = namesFrom('late-', 3_000);
  await apply(redis, { membership: [[suffix, 900, bloomKeys(values)]] });
  const { counts, saturated, layers } = decodeBloomHeader(await stored());
  t.ok(saturated);
  t.equal(layers, last);
  t.equal(counts[last - 1], layerCapacities[last - 1] + values.length);
  const answers = await membership(values);
  t.ok(answers.every(({ found }) => found));
  t.ok(answers[0].falsePositiveRate > unread.falsePositiveRate);
});
