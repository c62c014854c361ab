/** take-tokens-1: the bucket in Redis that all processes share. */
import { Redis } from 'ioredis';
import t from 'tap';
import { limitKey } from '../../../src/redis/keys.js';
import { callScript, readPipeline } from '../../../src/redis/pipeline.js';
import { scripts } from '../../../src/redis/scripts.js';
import { startRedis } from '../../support/redis-server.js';

const server = await startRedis();
const redis = new Redis(server.url, { protocol: 2 });
t.teardown(async () => {
  redis.disconnect();
  await server.stop();
});

/** So slow that what flows in during a test is a fraction of a token. */
const perSecond = 0.001;
const burst = 1_000;

async function take(key: string, spent: number, wanted: number, rate = perSecond) {
  const call = callScript(scripts['take-tokens-1'], [key], [rate, burst, spent, wanted]);
  const [reply] = (await readPipeline(redis, [call], 5_000)) as [[number, string]];
  return { given: reply[0] === 1, tokens: Math.round(Number(reply[1])) };
}

t.test('an unknown bucket is full, and only looking at it makes no key', async (t) => {
  const key = limitKey('ingest', 'looked at');
  t.strictSame(await take(key, 0, 0), { given: true, tokens: burst });
  t.equal(await redis.exists(key), 0);
});

t.test('all that is wanted is given, or nothing', async (t) => {
  const key = limitKey('ingest', 'all or nothing');
  t.strictSame(await take(key, 0, 600), { given: true, tokens: 400 });
  t.strictSame(await take(key, 0, 401), { given: false, tokens: 400 });
  t.strictSame(await take(key, 0, 400), { given: true, tokens: 0 });
  t.strictSame(await take(key, 0, 1), { given: false, tokens: 0 });
});

t.test('what was spent is paid in any case, before anything is given', async (t) => {
  const key = limitKey('ingest', 'paid');
  t.strictSame(await take(key, 900, 200), { given: false, tokens: 100 });
  t.strictSame(await take(key, 150, 0), { given: false, tokens: -50 });
});

t.test('more than it holds is given by a full bucket only, which then owes the rest', async (t) => {
  const key = limitKey('ingest', 'large');
  t.strictSame(await take(key, 0, 5_000), { given: true, tokens: -4_000 });
  const other = limitKey('ingest', 'not full');
  await take(other, 1, 0);
  t.strictSame(await take(other, 0, 5_000), { given: false, tokens: burst - 1 });
});

t.test(
  'tokens flow in at the rate, by the clock of Redis, and the key is gone when it is full',
  async (t) => {
    const key = limitKey('ingest', 'flow');
    await take(key, 0, 1_000, 2_000);
    const left = await redis.pttl(key);
    t.ok(left > 0 && left <= 502, `${left} ms to live`);
    const started = performance.now();
    await redis.pexpireat(key, Date.now() + 60_000); // it shall not be the lifetime that fills it
    let last = 0;
    while (last < burst) {
      const { tokens } = await take(key, 0, 0, 2_000);
      t.ok(tokens >= last && tokens <= 1 + ((performance.now() - started + 50) * 2_000) / 1_000);
      last = tokens;
    }
    t.ok(performance.now() - started >= 400, 'not before its time');
  },
);

t.test('every key has a lifetime, as long as the bucket takes to fill', async (t) => {
  for (const key of await redis.keys('*')) t.ok((await redis.pttl(key)) > 0, key);
  const key = limitKey('ingest', 'lifetime');
  await take(key, 10, 0);
  const seconds = (await redis.pttl(key)) / 1_000;
  t.ok(seconds > 9_990 && seconds <= 10_001, `${seconds} s`);
});

t.test('a script that Redis has forgotten is loaded again', async (t) => {
  const key = limitKey('ingest', 'forgotten');
  await take(key, 0, 1);
  await redis.script('FLUSH');
  t.strictSame(await take(key, 0, 1), { given: true, tokens: burst - 2 });
});
