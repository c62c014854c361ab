/** An invalidation that comes while a question is under way: what it is answered with is not given to those who ask after it. */
import t from 'tap';
import { scripts } from '../../src/redis/scripts.js';
import { startApp } from '../support/app.js';
import { compliance, event, get, json, post, postRows } from '../support/http.js';
import { startProxy } from '../support/redis-proxy.js';
import { startRedis } from '../support/redis-server.js';
import { until } from '../support/until.js';

const now = Date.UTC(2026, 0, 31, 13, 20);
/** It stands still: nothing is ever too old. */
const clock = { now: () => now };
const redis = await startRedis();
const proxy = await startProxy(redis);
const config = { QUERY_CACHE: 'on', REDIS_QUERY_TIMEOUT_MS: 20_000 } as const;
const { base, stop } = await startApp({ redis: { ...redis, socket: proxy.socket }, config, clock });
t.teardown(async () => {
  await stop();
  await proxy.stop();
  await redis.stop();
});

const row = (user_id: string) => event({ system: 'crm', user_id, timestamp: now });

t.test('the address is not remembered for an answer of before the invalidation', async (t) => {
  await postRows(base, [row('ann')]);
  const path = compliance('distinct/users', { system: 'crm', window: '1h' });
  proxy.arm(scripts['claim-answer-2'].sha, 'pause');
  const first = get<{ count: number }>(base, path);
  await proxy.paused();
  const raised = scripts['raise-generations-1'].sha;
  const before = proxy.seen(raised);
  const invalidated = post(
    base,
    JSON.stringify({ systems: ['crm'] }),
    json,
    '/api/v1/admin/cache/invalidate',
  );
  await until(() => proxy.seen(raised) > before, 'the invalidation to be sent');
  proxy.resume();
  t.equal((await first).body.count, 1);
  t.equal((await invalidated).status, 200);
  await postRows(base, [row('bob')]);
  const { body, headers } = await get<{ count: number }>(base, path);
  t.match(headers['cache-status'], /fwd=miss/);
  t.equal(body.count, 2);
});
