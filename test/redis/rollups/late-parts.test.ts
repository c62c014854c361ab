/** Parts with late events: stored whole or not at all, in hours and sealed days alike; and what a sealed day refuses. */
import { Redis } from 'ioredis';
import t from 'tap';
import { encodePayload } from '../../../src/redis/payload.js';
import { callScript } from '../../../src/redis/pipeline.js';
import { digestElementsMax, rollSettleSeconds, scripts } from '../../../src/redis/scripts.js';
import { reservedNumericKey, topItemsMax } from '../../../src/sketches/registry.js';
import { apply, contentOf, digestBlob, namesFrom, runCall } from '../../support/apply-delta.js';
import { rootKey } from '../../support/deltas.js';
import { startRedis } from '../../support/redis-server.js';

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

const nowSeconds = 1_700_000_000;
const topHead = (hour: string, ttl = 904) => [
  ...[`top-${hour}`, `over-${hour}`, ttl],
  ...['roll', 950, 'top-day', 'over-day', 951],
];
const digestHead = (hour: string) => [
  ...[reservedNumericKey, `digest-${hour}`, 905],
  ...['roll', 950, 'digest-day', 952],
];

/** A part with counts and samples for some hours of one day that is over. */
function latePart(hours: readonly string[], items: readonly string[] = ['ada', 'bob']): Buffer {
  const heads = hours.flatMap((hour) => [topHead(hour), digestHead(hour)]);
  const tops = hours.map((_, i) => [2 * i + 1, items, items.map((_, rank) => rank + 1)]);
  const digests = hours.map((_, i) => [2 * i + 2, 2, digestBlob(1, 2)]);
  return encodePayload([heads, [['', 'e1', [], [], tops, digests, [], [], []]]]);
}
const late = (hours: readonly string[], items?: readonly string[]) => apply(redis, latePart(hours, items));

async function seal(): Promise<void> {
  await redis.hset(`${rootKey}:roll`, { rolled: '0', sealed: '1' });
  await redis.expire(`${rootKey}:roll`, 900);
}
const errorOf = (payload: Buffer) =>
  apply(redis, payload).then(
    () => undefined,
    (error: Error) => error.message,
  );

t.test('a part marks a day once, and notes when to look at it, unless that is to be sooner', async (t) => {
  const noted = () => redis.hget(rootKey, 'd:roll');
  await late(['01', '02']);
  t.strictSame(await redis.hgetall(`${rootKey}:roll`), { changes: '1' });
  t.equal(await noted(), String(nowSeconds + rollSettleSeconds));
  t.equal(await redis.exists(`${rootKey}:top-day`, `${rootKey}:digest-day`), 0);
  await redis.hset(rootKey, 'd:roll', nowSeconds + 7);
  await late(['01']);
  t.equal(await noted(), String(nowSeconds + 7));
  t.equal(await redis.hget(`${rootKey}:roll`, 'changes'), '2');
});

t.test('of a sealed day hours and day are written, each list once, with its lifetime', async (t) => {
  await late(['01']);
  await redis.hdel(rootKey, 'd:roll');
  await seal();
  await late(['01', '02', '03']);
  t.strictSame(await redis.zrange(`${rootKey}:top-01`, '0', '-1', 'WITHSCORES'), ['ada', '2', 'bob', '4']);
  t.strictSame(await redis.zrange(`${rootKey}:top-day`, '0', '-1', 'WITHSCORES'), ['ada', '3', 'bob', '6']);
  t.equal(await redis.llen(`${rootKey}:digest-day`), 4);
  t.equal(await redis.hexists(rootKey, 'd:roll'), 0, 'there is nothing to fold');
  for (const [suffix, seconds] of Object.entries({ 'top-day': 951, 'digest-day': 952, roll: 950 })) {
    const left = await redis.pttl(`${rootKey}:${suffix}`);
    t.ok(left > (seconds - 60) * 1_000 && left <= seconds * 1_000, `${suffix}: ${left} ms`);
  }
  await late(['01'], namesFrom('item', topItemsMax));
  t.equal(await redis.zcard(`${rootKey}:top-day`), topItemsMax);
  t.ok((await redis.pttl(`${rootKey}:over-day`)) > 0);
});

t.test('a full list of a sealed day refuses the part, as long as it takes to fold it', async (t) => {
  await seal();
  const hours = namesFrom('h', 24);
  const blobs = Array.from({ length: digestElementsMax - 24 }, () => digestBlob(5));
  await late(['01']);
  await redis.rpush(`${rootKey}:digest-day`, ...blobs);
  const before = await contentOf(redis);
  const reply = (await late(hours)) as string[];
  t.equal(reply[0], 'fold');
  t.strictSame([...new Set(reply.slice(1))], ['digest-day']);
  t.strictSame(await contentOf(redis), before);
  await redis.ltrim(`${rootKey}:digest-day`, 0, digestElementsMax - 25);
  t.equal(((await late(hours)) as string[])[0], 'ok');
  t.equal(await redis.llen(`${rootKey}:digest-day`), digestElementsMax);
});

t.test('a key of the wrong type fails the part before anything is written', async (t) => {
  await seal();
  await late(['01'], namesFrom('item', topItemsMax + 1));
  const whole = await redis.keys('*');
  const keys = [`${rootKey}:roll`, `${rootKey}:top-day`, `${rootKey}:over-day`, `${rootKey}:digest-day`];
  for (const key of keys) {
    t.ok(whole.includes(key), key);
    await redis.flushall();
    await seal();
    await late(['01'], namesFrom('item', topItemsMax + 1));
    await redis.set(key, 'text');
    const before = await contentOf(redis);
    t.match(await errorOf(latePart(['01', '02'])), /WRONGTYPE/, key);
    t.strictSame(await contentOf(redis), before, `${key}: nothing written`);
  }
  for (const changes of ['abc', '-1', '1.5', '1e3', '9999999999999999999']) {
    await redis.flushall();
    await redis.hset(`${rootKey}:roll`, 'changes', changes);
    const before = await contentOf(redis);
    t.match(await errorOf(latePart(['01'])), /WRONGTYPE/, changes);
    t.strictSame(await contentOf(redis), before, `${changes}: nothing written`);
  }
});

t.test('without memory a late part is stored whole or not at all, and a fold too', async (t) => {
  await seal();
  await late(['01']);
  const before = await contentOf(redis);
  await redis.config('SET', 'maxmemory', '1');
  t.match(await errorOf(latePart(['01', '02'])), /OOM/);
  t.strictSame(await contentOf(redis), before);
  await redis.hdel(`${rootKey}:roll`, 'sealed');
  const open = await contentOf(redis);
  await t.rejects(runCall(redis, storeCall('1')), /OOM/);
  t.strictSame(await contentOf(redis), open);
});

/** A fold of one list, as the leader with token 1 stores it. */
function storeCall(changes: string, outcome = '') {
  const lists = encodePayload([[['top-day', 'over-day', 951, ['cyd'], [1], [], []]], []]);
  const terms = ['roll', 950, 1, 'e1', changes, lists, outcome, nowSeconds, 0, nowSeconds];
  return callScript(scripts['store-day-1'], [rootKey], terms);
}

t.test('a sealed day takes no list any more, and is not looked at again', async (t) => {
  await late(['01']);
  t.strictSame(await runCall(redis, storeCall('1', 'sealed')), ['ok']);
  await redis.hset(rootKey, 'd:roll', 1);
  const before = await redis.dumpBuffer(`${rootKey}:top-day`);
  t.strictSame(await runCall(redis, storeCall('1')), ['sealed']);
  t.strictSame(await redis.dumpBuffer(`${rootKey}:top-day`), before);
  t.equal(await redis.hexists(rootKey, 'd:roll'), 0);
});
