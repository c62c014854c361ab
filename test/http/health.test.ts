/** Liveness says that the process answers; readiness that events and questions can be served, and why not. */
import type { FastifyInstance } from 'fastify';
import { pino } from 'pino';
import t, { type Test } from 'tap';
import { buildApp } from '../../src/app.js';
import { loadConfig } from '../../src/config.js';
import { startRedis, type TestRedis } from '../support/redis-server.js';
import { withRedis } from '../support/redis-state.js';
import { until } from '../support/until.js';

async function startOn(test: Test, redis: TestRedis, settings = {}): Promise<FastifyInstance> {
  const config = { ...loadConfig({}), ...settings };
  const app = await buildApp({ config, address: { path: redis.socket }, log: pino({ level: 'silent' }) });
  test.teardown(async () => {
    await app.close();
    await redis.stop();
  });
  return app;
}

const ready = async (app: FastifyInstance) => (await app.inject('/readyz')).statusCode === 200;
/** Every check but the one that is named is ok. */
const onlyBad = async (app: FastifyInstance, name: string) => {
  const { checks } = (await app.inject('/readyz')).json<{ checks: Record<string, string> }>();
  return Object.entries(checks).every(([check, state]) => (state === 'ok') === (check !== name));
};

t.test('with a Redis that keeps everything the service becomes ready', async (t) => {
  const app = await startOn(t, await startRedis());
  await until(() => ready(app), 'readiness');
  t.match((await app.inject('/readyz')).json(), { status: 'ok', checks: { redis: 'ok', eviction: 'ok' } });
  t.match((await app.inject('/metrics')).body, /^papertrail_ready 1$/m);
});

t.test('without Redis it is alive but not ready, and says what is missing', async (t) => {
  const redis = await startRedis();
  const app = await startOn(t, redis);
  await until(() => ready(app), 'readiness');
  await redis.stop();
  await until(async () => !(await ready(app)), 'the loss to be seen');
  const answer = await app.inject('/readyz');
  t.equal(answer.statusCode, 503);
  t.match(answer.headers, { 'retry-after': String });
  t.match(answer.json(), { status: 'unavailable', checks: { service: 'ok', redis: 'not connected' } });
  t.match((await app.inject('/metrics')).body, /^papertrail_ready 0$/m);
  t.match(await app.inject('/livez'), { statusCode: 200 });
  t.match((await app.inject('/api/v1/events/health')).json(), { status: 'unhealthy', redis: 'disconnected' });
});

for (const policy of ['allkeys-lru', 'volatile-lru', 'volatile-ttl']) {
  t.test(`a Redis that may evict keys (${policy}) makes it not ready`, async (t) => {
    const app = await startOn(t, await startRedis(['--maxmemory-policy', policy]));
    await until(() => onlyBad(app, 'eviction'), 'the policy to be looked at');
    const answer = await app.inject('/readyz');
    t.equal(answer.statusCode, 503);
    t.match(answer.json<{ checks: object }>().checks, {
      eviction: `maxmemory-policy is ${policy}: Redis may delete sketches; set noeviction or EVICTION_ALLOWED=true`,
    });
    t.equal((await app.inject('/livez')).statusCode, 200);
  });
}

t.test('unless the setting allows it', async (t) => {
  const redis = await startRedis(['--maxmemory-policy', 'allkeys-lru']);
  const app = await startOn(t, redis, { EVICTION_ALLOWED: true });
  await until(() => ready(app), 'readiness');
  t.match((await app.inject('/readyz')).json(), { checks: { eviction: 'ok' } });
});

t.test('a policy that changes is seen at the latest when the connection comes back', async (t) => {
  const redis = await startRedis();
  const app = await startOn(t, redis);
  await until(() => ready(app), 'readiness');
  await withRedis(redis, async (connection) => {
    await connection.config('SET', 'maxmemory-policy', 'allkeys-lfu');
    await connection.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
  });
  await until(() => onlyBad(app, 'eviction'), 'the policy to be looked at');
  t.notOk(await ready(app));
});
