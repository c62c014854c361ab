/** Count-min sketches in Redis: what Lua writes and answers is what the TypeScript model says. */
import { Redis } from 'ioredis';
import t from 'tap';
import { encodePayload } from '../../src/redis/payload.js';
import { callScript, readPipeline } from '../../src/redis/pipeline.js';
import { scripts } from '../../src/redis/scripts.js';
import {
  addToCountMin,
  type CountMin,
  countMinLayers,
  countRecordBytes,
  countWaiting,
  createCountMin,
  decodeCountMin,
  encodeCountMin,
  packCountRecords,
} from '../../src/sketches/count-min.js';
import {
  countHashOf,
  decodeCountReading,
  estimateCount,
  readCount,
} from '../../src/sketches/count-min-estimate.js';
import { apply, countRecords, namesFrom, replyDeadlineMs } from '../support/apply-delta.js';
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

const bytesAt = async (suffix: string) => (await redis.getBuffer(`pt:{s}:${suffix}`)) as Buffer;
const add = (suffix: string, records: Buffer) => apply(redis, { frequency: [[suffix, 900, records]] });

type Stream = (random: Random, i: number) => [value: string, count: number];
const streams: Record<string, Stream> = {
  zipf: (random) => [`user-${Math.floor(1 / (1 - random()) ** 2)}`, 1 + Math.floor(random() * 5)],
  uniform: (random) => [`user-${Math.floor(random() * 5_000)}`, 1 + Math.floor(random() * 300)],
  'always new': (_, i) => [`user-${i}`, 1],
  'two users': (random) => [`user-${Math.floor(random() * 2)}`, 3],
  'counts up to the end and of 0': (random) => [
    `user-${Math.floor(random() * 400)}`,
    random() < 0.2 ? 0 : Math.floor(random() * 2 ** 32),
  ],
};

/** Adds a stream to both, in calls of uneven size; returns the model. */
async function addToBoth(stream: Stream, random: Random, length: number): Promise<CountMin> {
  const model = createCountMin();
  for (let i = 0; i < length; ) {
    const end = Math.min(length, i + 1 + Math.floor(10 ** (random() * 3.3)));
    const pairs: [string, number][] = [];
    for (; i < end; i++) pairs.push(stream(random, i));
    await add('cm', countRecords(...pairs));
    addToCountMin(model, countRecords(...pairs));
  }
  return model;
}

for (const [name, stream] of Object.entries(streams)) {
  t.test(`sketches are those of the model to the byte: ${name}`, async (t) => {
    for (const length of [1, 64, 65, 900, 20_000]) {
      await redis.flushall();
      const model = await addToBoth(stream, seededRandom(length), length);
      t.ok((await bytesAt('cm')).equals(encodeCountMin(model)), `${length} values`);
    }
  });
}

/** What `read-frequency-n` answers for a value. */
async function ask(value: string, suffixes: readonly string[]) {
  const keys = suffixes.map((suffix) => `pt:{s}:${suffix}`);
  const question = callScript(scripts['read-frequency-n'], keys, [countHashOf(value)], true);
  const [reply] = (await readPipeline(redis, [question], replyDeadlineMs)) as [[Buffer, Buffer, number][]];
  return reply.map((one) => (Array.isArray(one) ? decodeCountReading(one) : undefined));
}

t.test(
  'a question is answered from a few bytes as from the whole sketch, and missing ones are told',
  async (t) => {
    const model = await addToBoth(streams.zipf, seededRandom(3), 6_000);
    await add('other', countRecords(['user-1', 4]));
    for (const value of ['', 'user-1', 'user-2', 'user-77', ...namesFrom('stranger-', 50)]) {
      const [first, absent, other] = await ask(value, ['cm', 'absent', 'other']);
      t.strictSame(first, readCount(model, value), value);
      t.equal(absent, undefined);
      t.equal(other?.waiting, value === 'user-1' ? 4 : 0);
    }
    const readings = (await ask('user-1', ['cm', 'other'])).flatMap((reading) => reading ?? []);
    t.equal(estimateCount(readings).count, estimateCount([readCount(model, 'user-1')]).count + 4);
  },
);

t.test('a value is found among those that wait only where its record begins', async (t) => {
  // The second half of this record and the first of the next look like the hash of another value.
  const records = Buffer.concat([countRecords(['ada', 7]), countRecords(['bob', 9])]);
  await add('cm', records);
  const shifted = records.subarray(6, 14);
  const question = callScript(scripts['read-frequency-n'], ['pt:{s}:cm'], [shifted], true);
  const [[[, , waiting]]] = (await readPipeline(redis, [question], replyDeadlineMs)) as [[[0, 0, number]]];
  t.equal(waiting, 0);
  t.equal((await ask('bob', ['cm']))[0]?.waiting, 9);
});

t.test('the lifetime is that of the creation, through every rewrite', async (t) => {
  await add('cm', countRecords(['ada', 1]));
  await redis.pexpire('pt:{s}:cm', 500_000);
  for (let i = 0; i < 20; i++) {
    await add('cm', packCountRecords(namesFrom(`v${i}-`, 100), Array(100).fill(1)));
  }
  t.ok(decodeCountMin(await bytesAt('cm')).layers.length > 1);
  const left = await redis.pttl('pt:{s}:cm');
  t.ok(left > 0 && left <= 500_000);
});

t.test('one call rewrites few large sketches: the others wait, up to twice as much', async (t) => {
  const systems = ['a', 'b', 'c'];
  const { width } = countMinLayers[3];
  const filler = packCountRecords(namesFrom('v', 6_000), Array(6_000).fill(1));
  const addToAll = async (records: Buffer) => {
    const heads = [['cm', 900]];
    const part = ['', 'e1', [], [], [], [], [], [], [[1, records]]];
    const payload = encodePayload([heads, systems.map(() => part)]);
    const keys = systems.map((system) => `pt:{${system}}`);
    await readPipeline(redis, [callScript(scripts['apply-delta-n'], keys, [1, 1, payload])], replyDeadlineMs);
  };
  const waiting = async () => {
    const all = await Promise.all(systems.map((system) => redis.getBuffer(`pt:{${system}}:cm`)));
    return all.map((bytes) => decodeCountMin(bytes as Buffer).waiting.length / countRecordBytes);
  };
  for (let i = 0; i < 3; i++) await addToAll(filler);
  const piece = packCountRecords(namesFrom('w', 1_000), Array(1_000).fill(1));
  const seen: number[][] = [];
  for (let i = 0; i < 30; i++) {
    await addToAll(piece);
    seen.push(await waiting());
  }
  t.ok(
    seen.flat().some((count) => count > width),
    'some waited for their turn',
  );
  t.ok(
    seen.flat().every((count) => count <= 2 * width),
    'but not for ever',
  );
  const rewrites = seen
    .slice(1)
    .map((now, i) => now.filter((count, system) => count < seen[i][system]).length);
  t.ok(
    rewrites.every((count) => count <= 1),
    `one at a time: ${rewrites}`,
  );
  const model = createCountMin();
  for (let i = 0; i < 3; i++) addToCountMin(model, filler);
  for (let i = 0; i < 30; i++) addToCountMin(model, piece);
  countWaiting(model);
  for (const system of systems) {
    const stored = decodeCountMin((await redis.getBuffer(`pt:{${system}}:cm`)) as Buffer);
    countWaiting(stored);
    t.strictSame(encodeCountMin(stored).equals(encodeCountMin(model)), true, `${system}: nothing is lost`);
  }
});
