/** Invalidation: what was asked before is not found again, in any process, whatever becomes of the counters. */
import { randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import t from 'tap';
import { createGenerations } from '../../../src/cache/generations.js';
import { generationsKey } from '../../../src/redis/keys.js';
import { counted, keyOf, question, startCache } from '../../support/answer-cache.js';
import { startRedis } from '../../support/redis-server.js';

const server = await startRedis();
const redis = new Redis(server.url);
t.teardown(async () => {
  redis.disconnect();
  await server.stop();
});
t.beforeEach(async () => {
  await redis.flushall();
});

const create = () => createGenerations({ redis, timeoutMs: 5_000, randomId: () => randomUUID() });
async function two() {
  const [one, other] = [create(), create()];
  await one.look();
  await other.look();
  return { one, other };
}

t.test('an invalidation changes the generations of what it names, and of nothing else', async (t) => {
  const cases = [
    { what: { systems: ['crm'] }, hits: ['crm top', 'crm distinct', 'both top', 'all top'] },
    { what: { endpoint: 'top' }, hits: ['crm top', 'erp top', 'both top', 'all top'] },
    { what: { systems: ['crm'], endpoint: 'top' }, hits: ['crm top', 'both top', 'all top'] },
    { what: {}, hits: ['crm top', 'crm distinct', 'erp top', 'both top', 'all top'] },
    { what: { systems: [] }, hits: [] },
  ];
  for (const { what, hits } of cases) {
    const { one, other } = await two();
    const generations = (from: typeof one) => ({
      'crm top': from.generationOf(['crm'], 'top'),
      'crm distinct': from.generationOf(['crm'], 'distinct'),
      'erp top': from.generationOf(['erp'], 'top'),
      'both top': from.generationOf(['crm', 'erp'], 'top'),
      'all top': from.generationOf(['*'], 'top'),
    });
    const before = generations(one);
    t.strictSame(generations(other), before, 'all processes agree');
    await one.invalidate(what);
    const after = generations(one);
    const changed = Object.keys(after).filter(
      (name) => Reflect.get(after, name) !== Reflect.get(before, name),
    );
    t.strictSame(changed.sort(), [...hits].sort(), JSON.stringify(what));
    t.strictSame(generations(other), before, 'others have not looked yet');
    await other.look();
    t.strictSame(generations(other), after, 'and then agree again');
  }
});

t.test('late events change the generations of what is over, and of nothing else', async (t) => {
  const { one, other } = await two();
  const generations = (from: typeof one) => ({
    'crm over': from.generationOf(['crm'], 'top', true),
    'crm open': from.generationOf(['crm'], 'top'),
    'erp over': from.generationOf(['erp'], 'top', true),
    'both over': from.generationOf(['crm', 'erp'], 'top', true),
    'all over': from.generationOf(['*'], 'top', true),
    'all open': from.generationOf(['*'], 'top'),
  });
  await one.invalidate({ systems: ['another'] });
  await other.look();
  for (const [systems, hits] of [
    [['crm'], ['crm over', 'both over', 'all over']],
    [undefined, ['crm over', 'erp over', 'both over', 'all over']],
  ] as const) {
    const before = generations(one);
    await one.invalidateClosed(systems);
    const after = generations(one);
    const names = Object.keys(after).filter((name) => Reflect.get(after, name) !== Reflect.get(before, name));
    t.strictSame(names.sort(), [...hits].sort(), String(systems));
    await other.look();
    t.strictSame(generations(other), after, 'and so they do in other processes');
  }
});

t.test('late events of ever so many systems keep the hash of counters small', async (t) => {
  const { one } = await two();
  const base = one.version.split('.')[0];
  for (let i = 0; i < 5; i++) {
    await one.invalidateClosed(Array.from({ length: 2_000 }, (_, n) => `system ${i} ${n}`));
  }
  t.ok((await redis.hlen(generationsKey)) < 300);
  t.equal(one.version.split('.')[0], base, 'it did not have to begin anew');
});

t.test('a generation never comes back, even where the counters are lost', async (t) => {
  const { one } = await two();
  const seen = new Set([one.generationOf(['crm'], 'top')]);
  for (let i = 0; i < 10; i++) {
    if (i % 3 === 0) await redis.flushall();
    await one.invalidate({ systems: ['crm'] });
    seen.add(one.generationOf(['crm'], 'top'));
  }
  t.equal(seen.size, 11);
  await redis.flushall();
  await one.look();
  t.notOk(seen.has(one.generationOf(['crm'], 'top')), 'nor that of a time without counters');
});

t.test('names are what they are', async (t) => {
  const { one } = await two();
  const before = one.generationOf(['crm'], 'top');
  await one.invalidate({ systems: ['base', 'total', '', ':', 'crm:top', '*:*'], endpoint: 'base' });
  t.equal(one.generationOf(['crm'], 'top'), before);
});

t.test('the hash stays small, expires, and begins anew where it would grow too large', async (t) => {
  const { one, other } = await two();
  const names = Array.from({ length: 1_500 }, (_, i) => `system ${i}`);
  const before = one.generationOf(['untouched'], 'top');
  await one.invalidate({ systems: names });
  t.equal(one.generationOf(['untouched'], 'top'), before);
  await one.invalidate({ systems: names.map((name) => `another ${name}`) });
  t.ok((await redis.hlen(generationsKey)) <= 2_000);
  t.not(one.generationOf(['untouched'], 'top'), before, 'everything is invalid then');
  t.ok((await redis.ttl(generationsKey)) > 86_400);
  await other.look();
  t.equal(other.generationOf(names, 'top'), one.generationOf(names, 'top'));
});

t.test('before Redis was asked for the first time, nothing is shared', async (t) => {
  t.not(create().generationOf(['crm'], 'top'), create().generationOf(['crm'], 'top'));
});

t.test('a look that finds nothing new brings nothing', async (t) => {
  const { one } = await two();
  await one.invalidate({ systems: ['crm'] });
  const before = one.generationOf(['crm'], 'top');
  const monitored = await redis.info('commandstats');
  await one.look();
  t.equal(one.generationOf(['crm'], 'top'), before);
  const calls = (info: string) => /cmdstat_hgetall:calls=(\d+)/.exec(info)?.[1];
  t.equal(calls(await redis.info('commandstats')), calls(monitored));
});

t.test('an answer of before an invalidation is not found after it', async (t) => {
  const { cache, stop } = await startCache(server.socket);
  t.teardown(stop);
  await cache.look();
  const compute = counted();
  const ask = () =>
    cache.get(question('crm', { key: keyOf('crm', cache.generationOf(['crm'], 'test')) }), compute);
  await ask();
  await cache.invalidate({ systems: ['erp'] });
  t.equal((await ask()).state, 'hit_l1');
  await cache.invalidate({ systems: ['crm'] });
  t.equal((await ask()).state, 'miss');
  t.equal(compute.runs, 2);
});
