/** Markers on a real Redis: a part that has one is stored whole and once, or not at all. */
import { Redis } from 'ioredis';
import t from 'tap';
import { apply, contentOf, type Delta } from '../support/apply-delta.js';
import { everything, fullTop, more, rootKey } from '../support/deltas.js';
import { startRedis } from '../support/redis-server.js';

const server = await startRedis();
const redis = new Redis(server.url, { protocol: 2 });
t.teardown(async () => {
  redis.disconnect();
  await server.stop();
});
t.beforeEach(async () => {
  await redis.config('SET', 'maxmemory', '0');
  await redis.flushall();
});

const key = `${rootKey}:idem`;
const withMarker = (delta: Delta, field = 'a:0:0'): Delta => ({ ...delta, marker: ['idem', 909, field] });
const errorOf = (delta: Delta) =>
  apply(redis, delta).then(
    () => undefined,
    (error: Error) => error.message,
  );

t.test('a part whose marker is there changes nothing and says so', async (t) => {
  t.match(await apply(redis, withMarker(everything)), ['ok', 'e1']);
  const before = await contentOf(redis);
  t.strictSame(await apply(redis, withMarker(everything)), ['done', '']);
  t.strictSame(await apply(redis, withMarker(more)), ['done', ''], 'whatever it holds');
  t.strictSame(
    await apply(redis, withMarker(more), { epoch: 'other' }),
    ['done', ''],
    'and whatever it relies on',
  );
  t.strictSame(await contentOf(redis), before);
  t.match(await apply(redis, withMarker(more, 'a:0:1')), ['ok', 'e1'], 'another one is stored');
});

t.test('beside its marker it writes what it writes without', async (t) => {
  await apply(redis, everything);
  await apply(redis, fullTop);
  const without = await contentOf(redis);
  await redis.flushall();
  await apply(redis, withMarker(everything));
  await apply(redis, withMarker(fullTop, 'b:0:0'));
  t.strictSame(await redis.hgetall(key), { 'a:0:0': '', 'b:0:0': '' });
  await redis.del(key);
  t.strictSame(await contentOf(redis), without);
});

t.test('the hash of markers gets its TTL with the first one', async (t) => {
  await apply(redis, withMarker(everything));
  const ttl = await redis.ttl(key);
  t.ok(ttl > 900 && ttl <= 909, `${ttl} s`);
  await redis.expire(key, 500);
  await apply(redis, withMarker(everything, 'a:0:1'));
  t.ok((await redis.ttl(key)) <= 500, 'and keeps it');
});

t.test('a part that is not stored leaves no marker: another epoch, a full list, an error', async (t) => {
  await apply(redis, everything);
  t.strictSame(await apply(redis, withMarker(more), { epoch: 'other' }), ['epoch', 'e1']);
  t.equal(await redis.exists(key), 0);
  for (let length = 2; length < 256; length++) await apply(redis, { digests: everything.digests });
  t.match(await apply(redis, withMarker(everything)), ['fold']);
  t.equal(await redis.exists(key), 0);
  await redis.set(`${rootKey}:count`, 'text');
  t.match(await errorOf(withMarker({ counters: everything.counters })), /WRONGTYPE/);
  t.equal(await redis.exists(key), 0);
});

t.test('a marker that cannot be left fails the part before anything is written', async (t) => {
  await redis.set(key, 'text');
  const before = await contentOf(redis);
  t.match(await errorOf(withMarker(everything)), /WRONGTYPE/);
  const broken: Delta['marker'][] = [
    ['idem2', 'soon', 'a:0:0'],
    ['idem2', 909, ''],
    ['idem2', 909, []],
  ];
  for (const marker of broken) t.type(await errorOf({ ...everything, marker }), 'string');
  t.strictSame(await contentOf(redis), before);
});

t.test('without memory a part and its marker are stored, or neither', async (t) => {
  for (const delta of [everything, { counters: everything.counters }]) {
    await redis.flushall();
    await redis.config('SET', 'maxmemory', '1');
    const error = await errorOf(withMarker(delta));
    const counted = await redis.hget(`${rootKey}:count`, '630:0');
    t.equal(await redis.exists(key), counted === null ? 0 : 1);
    t.equal(counted, error === undefined ? '3' : null);
    await redis.config('SET', 'maxmemory', '0');
  }
});
