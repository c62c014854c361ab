/** Walks over the keyspace: complete, in pieces, and never long in one go. */
import { Redis } from 'ioredis';
import t from 'tap';
import { isCursor, scan, scanStart, stepKeys } from '../../src/redis/scan.js';
import { startRedis } from '../support/redis-server.js';

const server = await startRedis(['--slowlog-log-slower-than', '0', '--slowlog-max-len', '10000']);
const redis = new Redis(server.url, { protocol: 2 });
t.teardown(async () => {
  redis.disconnect();
  await server.stop();
});
const keysMax = 20_000;
await redis.mset(Array.from({ length: keysMax }, (_, i) => [`key ${i}`, '']).flat());
await redis.mset(Array.from({ length: 100 }, (_, i) => [`other ${i}`, '']).flat());
const monotonic = { at: 0, now: () => monotonic.at };
const options = { redis, match: 'key *', from: scanStart, budgetMs: 1_000, monotonic, timeoutMs: 5_000 };

t.test('a walk sees every key that matches, a step of bounded size at a time', async (t) => {
  await redis.config('RESETSTAT');
  await redis.slowlog('RESET');
  const seen = new Set<string>();
  const rest = await scan(options, (keys) => {
    for (const key of keys) seen.add(key);
    return undefined;
  });
  t.equal(rest, undefined);
  t.equal(seen.size, keysMax);
  const log = (await redis.slowlog('GET', 10_000)) as [number, number, number, string[]][];
  const commands = log.map(([, , , [name, ...args]]) => ({ name: name.toUpperCase(), args }));
  t.notOk(commands.some(({ name }) => name === 'KEYS'));
  const steps = commands.filter(({ name }) => name === 'SCAN');
  t.ok(steps.length >= keysMax / stepKeys);
  t.ok(steps.every(({ args }) => Number(args.at(-1)) <= stepKeys));
});

t.test('a walk whose time is over goes on where it ended', async (t) => {
  const seen = new Set<string>();
  let walks = 0;
  let from: string | undefined = scanStart;
  while (from !== undefined) {
    walks++;
    from = await scan({ ...options, from, budgetMs: 3 }, (keys) => {
      monotonic.at++;
      for (const key of keys) seen.add(key);
      return undefined;
    });
  }
  t.ok(walks >= 5, `${walks} walks`);
  t.equal(seen.size, keysMax);
});

t.test(
  'a cursor of another run of the server begins anew, since there it means something else',
  async (t) => {
    const from = await scan(options, () => true);
    const all = new Set<string>();
    const rest = await scan({ ...options, from: String(from).replace(/\..*\./, '.0a1b2c.') }, (keys) => {
      for (const key of keys) all.add(key);
      return undefined;
    });
    t.equal(rest, undefined);
    t.equal(all.size, keysMax);
  },
);

t.test('only what a walk can have ended with is a cursor', async (t) => {
  t.ok(isCursor(scanStart) && isCursor(String(await scan(options, () => true))));
  for (const text of ['', '0', '0..x', '0..-1', `0..${2n ** 64n}`, '0..1 MATCH'])
    t.notOk(isCursor(text), text);
});

t.test('a walk ends early where it is told that this is enough', async (t) => {
  let steps = 0;
  const rest = await scan(options, () => ++steps === 2);
  t.equal(steps, 2);
  t.ok(rest);
});

t.test('without Redis a walk is a 503', async (t) => {
  const away = new Redis('/nowhere/redis.sock', {
    lazyConnect: true,
    enableOfflineQueue: false,
    retryStrategy: () => null,
  });
  t.teardown(() => away.disconnect());
  await t.rejects(
    scan({ ...options, redis: away }, () => undefined),
    { code: 'redis_unavailable' },
  );
});
