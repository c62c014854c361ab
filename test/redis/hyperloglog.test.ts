/** Redis's HyperLogLog against the error that the service claims for it, and the laws it is chosen for. */
import { Redis } from 'ioredis';
import t from 'tap';
import { distinctBounds, relativeStandardError } from '../../src/sketches/hyperloglog.js';
import { dataSets, namesOf } from '../support/data-sets.js';
import { startRedis } from '../support/redis-server.js';

const valuesPerCommand = 1_000;

const server = await startRedis();
const redis = new Redis(server.url);
t.teardown(async () => {
  redis.disconnect();
  await server.stop();
});

async function add(key: string, values: readonly string[]): Promise<void> {
  const pipeline = redis.pipeline();
  for (let at = 0; at < values.length; at += valuesPerCommand) {
    pipeline.pfadd(key, ...values.slice(at, at + valuesPerCommand));
  }
  await pipeline.exec();
}

/** What PFCOUNT answers for each of `sizes` distinct values, counted into one key on the way. */
async function estimates(key: string, sizes: readonly number[]): Promise<number[]> {
  const answers: number[] = [];
  let added = 0;
  for (const size of sizes) {
    while (added < size) {
      const length = Math.min(100_000, size - added);
      await add(
        key,
        Array.from({ length }, (_, i) => `${key}-${added + i}`),
      );
      added += length;
    }
    answers.push(await redis.pfcount(key));
  }
  return answers;
}

t.test('the error is within 4 standard errors always, and as a whole as large as claimed', async (t) => {
  const runs = [
    { seeds: 200, sizes: [1, 10, 50, 100, 300, 1_000, 3_000] },
    { seeds: 40, sizes: [10_000, 20_000, 40_000] },
    { seeds: 4, sizes: [100_000, 300_000, 1_000_000] },
  ];
  for (const { seeds, sizes } of runs) {
    const squares = sizes.map(() => 0);
    const covered = sizes.map(() => 0);
    for (let seed = 0; seed < seeds; seed++) {
      const answers = await estimates(`run-${sizes[0]}-${seed}`, sizes);
      answers.forEach((answer, i) => {
        // An answer is a whole number, so half of one is no error.
        const miss = Math.max(Math.abs(answer - sizes[i]) - 0.5, 0);
        const inErrors = miss / sizes[i] / relativeStandardError(sizes[i]);
        // Few values miss by whole collisions, a Poisson number, whose tail is longer than a normal one.
        const collisions = sizes[i] < 1_000 ? 2 : 0;
        if (miss > collisions + 4 * relativeStandardError(sizes[i]) * sizes[i])
          t.fail(`${sizes[i]} counted as ${answer}`);
        squares[i] += inErrors ** 2 / seeds;
        const { lower, upper } = distinctBounds(answer);
        if (lower <= sizes[i] && sizes[i] <= upper) covered[i] += 1 / seeds;
      });
    }
    sizes.forEach((size, i) => {
      const rms = Math.sqrt(squares[i]);
      t.comment(
        `${size}: ${rms.toFixed(2)} of the claimed error, interval right in ${covered[i].toFixed(2)}`,
      );
      t.ok(rms <= 1.3, `${size}: not larger than claimed`);
      if (seeds >= 100) t.ok(covered[i] >= 0.9, `${size}: the 95% interval holds`);
    });
  }
});

t.test('a union is the sketch of both, in any order, and adding again changes nothing', async (t) => {
  for (const set of dataSets) {
    const [a, b] = [1, 2].map((seed) => namesOf(set, 2_000, seed));
    const keys = ['a', 'b', 'both', 'ab', 'ba'].map((name) => `${set}-${name}`);
    const [keyA, keyB, both, ab, ba] = keys;
    await add(keyA, a);
    await add(keyB, b);
    await add(both, [...a, ...b]);
    await redis.pfmerge(ab, keyA, keyB);
    await redis.pfmerge(ba, keyB, keyA, keyA);
    const count = await redis.pfcount(both);
    t.strictSame([await redis.pfcount(ab), await redis.pfcount(ba)], [count, count], set);
    t.equal(await redis.pfcount(keyA, keyB), count, set);
    t.equal(await redis.pfadd(ab, ...a, ...b), 0, `${set}: nothing new`);
  }
});

t.test('merging has an identity and associates, and the bytes are read back as they were', async (t) => {
  for (const set of dataSets) {
    const keys = ['a', 'b', 'c'].map((name) => `laws-${set}-${name}`);
    const [a, b, c] = keys;
    for (const [i, key] of keys.entries()) await add(key, namesOf(set, 1_500, i + 1));
    const [left, right, alone, copy] = ['left', 'right', 'alone', 'copy'].map(
      (name) => `laws-${set}-${name}`,
    );
    await redis.pfmerge(left, a, b);
    await redis.pfmerge(left, c);
    await redis.pfmerge(right, b, c);
    await redis.pfmerge(right, a);
    await redis.pfmerge(alone, a, 'never-written');
    const registersOf = async (key: string) => {
      // A merge always writes the dense form; of it, all but the cached count in the header.
      await redis.pfmerge(`dense-${key}`, key);
      return (await redis.getBuffer(`dense-${key}`))?.subarray(16).toString('base64');
    };
    t.equal(await registersOf(left), await registersOf(right), `${set}: associates`);
    t.equal(await registersOf(alone), await registersOf(a), `${set}: identity`);
    await redis.set(copy, (await redis.getBuffer(left)) as Buffer);
    t.equal(await redis.pfcount(copy), await redis.pfcount(left), `${set}: round trip`);
    t.equal(await redis.pfadd(copy, ...namesOf(set, 1_500, 2)), 0, `${set}: nothing new in the copy`);
  }
});
