/** Known ids on a real Redis: a part that brings one is not stored, for as long as it is known, and says which. */
import { Redis } from 'ioredis';
import t from 'tap';
import { knownIdsHead, knownIdsSuffixes } from '../../src/redis/known-ids.js';
import { idHashBytes, writeIdHash } from '../../src/sketches/hash.js';
import { apply, contentOf, type Delta } from '../support/apply-delta.js';
import { everything, more, rootKey } from '../support/deltas.js';
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

/** So long a slice that no test meets the end of one. */
const SLICE = 1_000_000;
const KNOWN = 4 * SLICE;
const keyOf = (slice: number) => `${rootKey}:ids.${slice}`;
const sliceNow = async () => Math.floor(Number((await redis.time())[0]) / SLICE);

function hashesOf(...ids: string[]): Buffer {
  const hashes = Buffer.alloc(ids.length * idHashBytes);
  ids.forEach((id, i) => {
    writeIdHash(id, hashes, i * idHashBytes);
  });
  return hashes;
}
const withIds = (delta: Delta, ...ids: string[]): Delta => ({
  ...delta,
  ids: ['ids.', KNOWN, SLICE, hashesOf(...ids)],
});
const errorOf = (delta: Delta) =>
  apply(redis, delta).then(
    () => undefined,
    (error: Error) => error.message,
  );

t.test('a part that brings a known id changes nothing and says which', async (t) => {
  t.match(await apply(redis, withIds(everything, 'a', 'b', 'c')), ['ok', 'e1']);
  const before = await contentOf(redis);
  t.strictSame(await apply(redis, withIds(more, 'x', 'c', 'y', 'a')), ['known', 2, 4]);
  t.strictSame(await contentOf(redis), before);
  t.match(await apply(redis, withIds(more, 'x', 'y')), ['ok', 'e1'], 'the rest is stored');
  t.strictSame(await apply(redis, withIds(more, 'y')), ['known', 1]);
  t.match(await apply(redis, withIds(more, 'y'), { system: 'other' }), ['ok'], 'another system knows others');
});

t.test('beside its ids it writes what it writes without', async (t) => {
  await apply(redis, everything);
  const without = await contentOf(redis);
  await redis.flushall();
  await apply(redis, withIds(everything, 'a'));
  const key = keyOf(await sliceNow());
  t.strictSame(await redis.smembersBuffer(key), [hashesOf('a')]);
  await redis.del(key);
  t.strictSame(await contentOf(redis), without);
});

t.test('an id is known for its time and up to a slice more, also where the clock was put back', async (t) => {
  const now = await sliceNow();
  for (let slice = now - 4; slice <= now + 1; slice++) {
    await redis.flushall();
    await redis.sadd(keyOf(slice), hashesOf('a'));
    t.strictSame(await apply(redis, withIds(everything, 'a')), ['known', 1], `${slice - now}`);
  }
  await redis.flushall();
  await redis.sadd(keyOf(now - 5), hashesOf('a'));
  t.match(await apply(redis, withIds(everything, 'a')), ['ok']);
});

t.test('a slice gets its TTL with its first id, and those that are out of time go then', async (t) => {
  const now = await sliceNow();
  for (let slice = now - 7; slice < now; slice++) await redis.sadd(keyOf(slice), 'old');
  await apply(redis, withIds(everything, 'a'));
  const slices = (await redis.keys(`${rootKey}:ids.*`)).map((key) => Number(key.split('.')[1]) - now);
  t.strictSame(
    slices.sort((a, b) => a - b),
    [-4, -3, -2, -1, 0],
  );
  const ttl = await redis.ttl(keyOf(now));
  t.ok(ttl > KNOWN + 2 * SLICE - 60 && ttl <= KNOWN + 2 * SLICE, `${ttl} s`);
  await redis.expire(keyOf(now), 500);
  await apply(redis, withIds(everything, 'b'));
  t.ok((await redis.ttl(keyOf(now))) <= 500, 'and keeps it');
});

t.test(
  'a part that is not stored leaves no id: another epoch, a full list, an error, a marker',
  async (t) => {
    const key = keyOf(await sliceNow());
    await apply(redis, everything);
    t.strictSame(await apply(redis, withIds(more, 'a'), { epoch: 'other' }), ['epoch', 'e1']);
    await apply(redis, { ...everything, marker: ['idem', 909, 'a:0:0'] });
    t.strictSame(await apply(redis, { ...withIds(more, 'a'), marker: ['idem', 909, 'a:0:0'] }), ['done', '']);
    for (let length = 3; length < 256; length++) await apply(redis, { digests: everything.digests });
    t.match(await apply(redis, withIds(everything, 'a')), ['fold']);
    await redis.set(`${rootKey}:count`, 'text');
    t.match(await errorOf(withIds({ counters: everything.counters }, 'a')), /WRONGTYPE/);
    t.equal(await redis.exists(key), 0);
  },
);

t.test('ids that cannot be looked up or kept fail the part before anything is written', async (t) => {
  await redis.set(keyOf(await sliceNow()), 'text');
  const before = await contentOf(redis);
  t.match(await errorOf(withIds(everything, 'a')), /WRONGTYPE/);
  const broken: Delta['ids'][] = [
    ['ids.', KNOWN, SLICE, hashesOf('a').subarray(1)],
    ['ids.', KNOWN, SLICE, ''],
    ['ids.', 'long', SLICE, hashesOf('a')],
  ];
  for (const ids of broken) t.type(await errorOf({ ...everything, ids }), 'string');
  t.strictSame(await contentOf(redis), before);
});

t.test('the script writes the slices that others expect, whatever the setting', async (t) => {
  for (const seconds of [1, 60, 240, 1_000, 86_400]) {
    await redis.flushall();
    const now = Number((await redis.time())[0]) * 1_000;
    const [prefix, known, slice] = knownIdsHead(seconds);
    t.ok(Number(slice) >= 60 && Number(slice) * 4 >= seconds);
    await apply(redis, { ...everything, ids: [String(prefix), known, slice, hashesOf('a')] });
    const [key = ''] = await redis.keys(`${rootKey}:ids:*`);
    t.ok(knownIdsSuffixes(now, seconds, 60_000).includes(key.slice(rootKey.length + 1)), key);
  }
  t.strictSame(knownIdsSuffixes(Date.UTC(2026, 0, 1), 0, 60_000), []);
});
