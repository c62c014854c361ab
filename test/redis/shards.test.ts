/** Notes of how systems are spread: noted before anything is written, kept while it can be there, then gone. */
import { Redis } from 'ioredis';
import t from 'tap';
import { directoryKeys } from '../../src/redis/keys.js';
import { shardNames } from '../../src/redis/shard-names.js';
import { createShards } from '../../src/redis/shards.js';
import { startRedis } from '../support/redis-server.js';

const server = await startRedis();
const redis = new Redis(server.url, { protocol: 2 });
const keptSeconds = 1_000_000;
const claimsKeptSeconds = 1_000;
t.teardown(async () => {
  redis.disconnect();
  await server.stop();
});
t.beforeEach(() => redis.flushall());

const shardsWith = (spread: Record<string, number>) =>
  createShards({
    redis,
    spread: new Map(Object.entries(spread)),
    keptSeconds,
    claimsKeptSeconds,
    timeoutMs: 5_000,
  });
/** Moves the end of every note closer, as if time had passed by the clock of Redis. */
async function letPass(seconds: number): Promise<void> {
  const found = await redis.zrange(directoryKeys.shards, '0', '-1');
  for (const note of found) await redis.zincrby(directoryKeys.shards, -seconds, note);
  const left = await redis.ttl(directoryKeys.shards);
  await redis.expire(directoryKeys.shards, Math.max(1, left - seconds));
}
const seconds = async () => Number((await redis.time())[0]);
const notes = async () => redis.zrange(directoryKeys.shards, '0', '-1', 'WITHSCORES');
const counts = ({ shardsOf }: ReturnType<typeof shardsWith>, ...systems: string[]) =>
  systems.map((system) => shardsOf(system).length);

t.test('before the first look it is not known how a system is spread, and that is said', async (t) => {
  const shards = shardsWith({});
  t.throws(() => shards.shardsOf('a'), { code: 'redis_unavailable' });
  await shards.look();
  t.strictSame(shards.shardsOf('a'), ['a']);
  t.strictSame(await notes(), [], 'and where nothing is spread nothing is noted');
  t.equal(await redis.exists(directoryKeys.shards), 0);
});

t.test('the largest number that anybody noted is the one to read', async (t) => {
  const [many, few, none] = [shardsWith({ a: 8, 'b:c': 3 }), shardsWith({ a: 2 }), shardsWith({})];
  for (const shards of [many, few, none]) await shards.look();
  for (const shards of [many, few, none]) t.strictSame(counts(shards, 'a', 'b:c', 'd'), [8, 3, 1]);
  t.strictSame(none.shardsOf('a'), shardNames('a', 8));
  const later = shardsWith({ a: 16 });
  await later.look();
  t.strictSame(counts(none, 'a'), [8]);
  await none.look();
  t.strictSame(counts(none, 'a'), [16]);
});

t.test('a note lives as long as what was written under it, and is renewed while it is in use', async (t) => {
  const shards = shardsWith({ a: 4 });
  await shards.look();
  const until = async () => Number((await notes())[1]);
  const first = await until();
  t.ok(first >= (await seconds()) - 1 + keptSeconds);
  t.ok((await redis.ttl(directoryKeys.shards)) >= keptSeconds);
  await letPass(60);
  await shards.look();
  t.equal(await until(), first - 60, 'not with every look');
  await letPass(2 * 3_600);
  await shards.look();
  t.ok((await until()) >= (await seconds()) - 1 + keptSeconds);
  const other = shardsWith({});
  await letPass(keptSeconds);
  await other.look();
  t.strictSame(counts(other, 'a'), [4]);
  await letPass(3_601);
  await other.look();
  t.strictSame(counts(other, 'a'), [1]);
  t.strictSame(await notes(), []);
});

t.test('what was noted is noted again where Redis has lost it', async (t) => {
  const shards = shardsWith({ a: 4 });
  await shards.look();
  await redis.flushall();
  await shards.look();
  t.equal((await notes())[0], '4:a');
  t.strictSame(counts(shards, 'a'), [4]);
});

t.test('notes of a system that is gone end with the requests that may still come back', async (t) => {
  await shardsWith({ a: 8, b: 8 }).look();
  const shards = shardsWith({ a: 2 });
  await shards.look();
  await shards.forget(['a', 'c']);
  await shards.look();
  t.strictSame(counts(shards, 'a', 'b', 'c'), [8, 8, 1], 'not before');
  await letPass(claimsKeptSeconds + 1);
  await shards.look();
  t.strictSame(counts(shards, 'a', 'b'), [2, 8], 'and what is set here stays');
  t.strictSame(await redis.zrange(directoryKeys.shards, '0', '-1'), ['2:a', '8:b']);
});
