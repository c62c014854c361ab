/** A union made in the process is what PFCOUNT answers, to the integer, for sparse and dense. */
import { Redis } from 'ioredis';
import t from 'tap';
import { createRegisters, decodeHll, estimate, mergeHll } from '../../src/sketches/hyperloglog.js';
import { dataSets, namesOf } from '../support/data-sets.js';
import { seededRandom } from '../support/random.js';
import { startRedis } from '../support/redis-server.js';

const server = await startRedis();
const redis = new Redis(server.url);
t.teardown(async () => {
  redis.disconnect();
  await server.stop();
});

const DENSE = 0;
const SPARSE = 1;

/** Adds `count` values, some of which other keys hold too. */
async function fill(key: string, first: number, count: number): Promise<void> {
  for (let from = first; from < first + count; from += 50_000) {
    const pipeline = redis.pipeline();
    const end = Math.min(from + 50_000, first + count);
    for (let at = from; at < end; at += 5_000) {
      const length = Math.min(5_000, end - at);
      pipeline.pfadd(key, ...Array.from({ length }, (_, i) => `user-${at + i}`));
    }
    await pipeline.exec();
  }
}

async function bytesOf(key: string): Promise<Buffer> {
  const bytes = await redis.getBuffer(key);
  if (!bytes) throw new Error(`${key} is not there.`);
  return bytes;
}

t.test('the estimate is PFCOUNT for sets of any size, sparse and dense', async (t) => {
  const random = seededRandom(1);
  const sizes = [0, 1, 2, 3, 10, 100, 1_000, 1_000_000];
  while (sizes.length < 150) sizes.push(Math.floor(10 ** (random() * 5)));
  const encodings = new Set<number>();
  for (const [i, size] of sizes.entries()) {
    const key = `size-${i}`;
    await redis.pfadd(key);
    await fill(key, Math.floor(random() * 1e9), size);
    const bytes = await bytesOf(key);
    encodings.add(bytes[4]);
    const count = await redis.pfcount(key);
    t.equal(estimate(decodeHll(bytes)), count, `${size} values`);
  }
  t.strictSame(encodings, new Set([DENSE, SPARSE]), 'both forms were met');
});

t.test('a union of any keys is PFCOUNT of the same keys', async (t) => {
  const random = seededRandom(2);
  for (let round = 0; round < 60; round++) {
    const keys = Array.from({ length: 1 + Math.floor(random() * 12) }, (_, i) => `union-${round}-${i}`);
    for (const key of keys)
      await fill(key, Math.floor(random() * 20_000), Math.floor(10 ** (random() * 4.5)));
    const registers = createRegisters();
    for (const key of keys) mergeHll(registers, await bytesOf(key));
    t.equal(estimate(registers), await redis.pfcount(...keys), `${keys.length} keys`);
    await redis.del(...keys);
  }
});

t.test('registers are those of Redis, whether read sparse or dense, on every data set', async (t) => {
  for (const set of dataSets) {
    for (const length of [10, 500, 5_000]) {
      const forms: Buffer[] = [];
      for (const sparseBytesMax of [1_000_000, 0]) {
        await redis.config('SET', 'hll-sparse-max-bytes', sparseBytesMax);
        await redis.del('set');
        await redis.pfadd('set', ...namesOf(set, length, 1));
        forms.push(await bytesOf('set'));
      }
      const [sparse, dense] = forms;
      t.strictSame([sparse[4], dense[4]], [SPARSE, DENSE]);
      t.ok(Buffer.from(decodeHll(sparse)).equals(decodeHll(dense)), `${set} ${length}`);
    }
  }
});
