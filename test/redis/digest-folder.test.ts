/** Folding of digest lists: whoever races, no sample is lost, and the list keeps its bound and lifetime. */
import { Redis } from 'ioredis';
import { pino } from 'pino';
import t from 'tap';
import { createDigestFolder } from '../../src/events/digest-folder.js';
import { createMetrics } from '../../src/metrics.js';
import { callScript } from '../../src/redis/pipeline.js';
import { digestElementsMax, scripts } from '../../src/redis/scripts.js';
import { reservedNumericKey } from '../../src/sketches/registry.js';
import { decodeDigest, decodeDigestHeader, encodeDigestHeader } from '../../src/sketches/t-digest.js';
import { apply, digestBlob, replyDeadlineMs, runCall } from '../support/apply-delta.js';
import { startRedis } from '../support/redis-server.js';

const server = await startRedis();
const clients = Array.from({ length: 3 }, () => new Redis(server.url, { protocol: 2 }));
const [redis] = clients;
const log = pino({ level: 'silent' });
t.teardown(async () => {
  for (const client of clients) client.disconnect();
  await server.stop();
});
t.beforeEach(async () => {
  await redis.flushall();
});

const key = 'pt:{s}:digest';
const createFolder = (client: Redis) => {
  const metrics = createMetrics();
  return { metrics, ...createDigestFolder({ redis: client, timeoutMs: replyDeadlineMs, metrics, log }) };
};
const append = (...samples: number[]) =>
  apply(redis, { digests: [[reservedNumericKey, 'digest', 900, samples.length, digestBlob(...samples)]] });

async function stored() {
  const [header, ...blobs] = (await redis.lrangeBuffer(key, 0, -1)) as Buffer[];
  const digests = blobs.map(decodeDigest);
  return {
    generation: decodeDigestHeader(header).generation,
    digests,
    samples: digests.reduce((sum, digest) => sum + digest.count, 0),
  };
}
const outcomesOf = async ({ metrics }: ReturnType<typeof createFolder>) =>
  Object.fromEntries(
    (await metrics.digestFolds.get()).values.map(({ labels, value }) => [labels.outcome, value]),
  );

t.test('a fold leaves one digest of all samples, the next generation and the same lifetime', async (t) => {
  for (let i = 0; i < 70; i++) await append(i, i + 0.5);
  await redis.expire(key, 500);
  const folder = createFolder(redis);
  await folder.fold(key);
  const { generation, digests, samples } = await stored();
  t.strictSame([generation, digests.length, samples], [1, 1, 140]);
  t.match(digests[0], { min: 0, max: 69.5 });
  const left = await redis.pttl(key);
  t.ok(left > 440_000 && left <= 500_000, `${left} ms left`);
  t.strictSame(await outcomesOf(folder), { folded: 1 });
});

t.test('lists of none or one blob, and keys that are not there, are left alone', async (t) => {
  const folder = createFolder(redis);
  await folder.fold(key);
  t.equal(await redis.exists(key), 0);
  await append(1);
  await folder.fold(key);
  t.match(await stored(), { generation: 0, samples: 1 });
});

t.test('calls for a list that is being folded share one fold', async (t) => {
  for (let i = 0; i < 10; i++) await append(i);
  const folder = createFolder(redis);
  const first = folder.fold(key);
  t.equal(folder.fold(key), first);
  await folder.settle();
  t.strictSame(await outcomesOf(folder), { folded: 1 });
});

t.test(
  'of lists that grow long together two are folded, and another one when it is asked for again',
  async (t) => {
    for (let i = 0; i < 3; i++) await append(i);
    const keys = [key, 'pt:{s}:second', 'pt:{s}:third'];
    for (const copy of keys.slice(1)) await redis.copy(key, copy);
    const lengths = () => Promise.all(keys.map((list) => redis.llen(list)));
    const folder = createFolder(redis);
    for (const list of keys) folder.foldLong(list);
    await folder.settle();
    t.strictSame(await lengths(), [2, 2, 4]);
    folder.foldLong(keys[2]);
    await folder.settle();
    t.strictSame(await lengths(), [2, 2, 2]);
  },
);

t.test('a full list is folded however many others are', async (t) => {
  for (let i = 0; i < 3; i++) await append(i);
  const keys = ['pt:{s}:first', 'pt:{s}:second'];
  for (const copy of keys) await redis.copy(key, copy);
  const folder = createFolder(redis);
  for (const list of keys) folder.foldLong(list);
  await folder.fold(key);
  t.equal(await redis.llen(key), 2);
});

t.test('of two that read the same list one wins; blobs appended meanwhile stay', async (t) => {
  for (let i = 0; i < 5; i++) await append(i);
  const blobs = (await redis.lrangeBuffer(key, 1, -1)) as Buffer[];
  const swap = (digest: Buffer) =>
    runCall(
      redis,
      callScript(
        scripts['fold-digests-1'],
        [key],
        [encodeDigestHeader(0, 'e1'), blobs.length, encodeDigestHeader(1, 'e1'), digest],
      ),
    );
  await append(5);
  t.equal(await swap(digestBlob(0, 1, 2, 3, 4)), 1);
  await append(6);
  t.equal(await swap(digestBlob(0, 1, 2, 3, 4)), 0, 'the other one comes too late');
  const { digests, generation, samples } = await stored();
  t.strictSame([generation, samples, digests.map((digest) => digest.count)], [1, 7, [5, 1, 1]]);
});

t.test('a list that was deleted and begun anew is not folded into what the old one held', async (t) => {
  for (let i = 0; i < 5; i++) await append(1_000 + i);
  const [header] = (await redis.lrangeBuffer(key, 0, -1)) as Buffer[];
  await redis.del('pt:{s}', key); // a purge, after which the system gets a new epoch
  for (let i = 0; i < 5; i++) {
    await apply(redis, { digests: [[reservedNumericKey, 'digest', 900, 1, digestBlob(i)]] }, { fresh: 'e2' });
  }
  const digest = digestBlob(1_000, 1_001, 1_002, 1_003, 1_004);
  const swap = callScript(scripts['fold-digests-1'], [key], [header, 5, encodeDigestHeader(1, 'e1'), digest]);
  t.equal(await runCall(redis, swap), 0, 'the list has changed hands');
  t.ok(
    (await stored()).digests.every(({ max }) => max < 1_000),
    'what was purged stays purged',
  );
});

t.test('a blob that cannot be read keeps nobody from folding the others, and stays', async (t) => {
  const later = Buffer.from('PTD\x63what a later version wrote');
  for (let i = 0; i < 5; i++) await append(i);
  await redis.linsert(key, 'BEFORE', (await redis.lindexBuffer(key, 3)) as Buffer, later);
  const folder = createFolder(redis);
  await folder.fold(key);
  await append(5);
  await folder.fold(key);
  const [, digest, kept, ...others] = (await redis.lrangeBuffer(key, 0, -1)) as Buffer[];
  t.match(decodeDigest(digest), { count: 6, min: 0, max: 5 });
  t.strictSame([kept, others], [later, []]);
});

t.test('with two folders and many appends at once every sample is counted once', async (t) => {
  const folders = clients.map(createFolder);
  let longest = 0;
  let appended = 0;
  const appendMany = async (seed: number) => {
    for (let i = 0; i < 300; ) {
      const reply = (await append(seed + i)) as (string | number)[];
      if (reply[0] === 'fold') await folders[seed % 3].fold(key);
      else {
        i++;
        appended++;
        longest = Math.max(longest, Number(reply[4] ?? 0));
        if (reply.length > 3) for (const folder of folders) void folder.fold(key);
      }
    }
  };
  await Promise.all([0, 1, 2, 3].map(appendMany));
  await Promise.all(folders.map((folder) => folder.settle()));
  t.equal((await stored()).samples, appended);
  t.equal(appended, 1_200);
  t.ok(longest <= digestElementsMax, `longest ${longest}`);
  t.ok((await redis.pttl(key)) > 0, 'it still expires');
  const outcomes = await Promise.all(folders.map(outcomesOf));
  t.ok(outcomes.some(({ folded }) => folded > 0));
  t.notOk(outcomes.some(({ failed }) => failed));
});

t.test('a list that cannot be read is left as it is', async (t) => {
  for (let i = 0; i < 5; i++) await append(i);
  await redis.lset(key, 0, 'no header');
  const before = await redis.dumpBuffer(key);
  const folder = createFolder(redis);
  await folder.fold(key);
  t.strictSame(await redis.dumpBuffer(key), before);
  t.strictSame(await outcomesOf(folder), { failed: 1 });
});
