/** A service that starts while Redis refuses writes: it answers what it can, and is of full use as soon as Redis is. */
import { Redis } from 'ioredis';
import t from 'tap';
import { startApp } from '../support/app.js';
import { compliance, event, get, postRows } from '../support/http.js';
import { startRedis } from '../support/redis-server.js';
import { launchServiceProcess } from '../support/service-process.js';
import { until } from '../support/until.js';

const server = await startRedis();
const redis = new Redis(server.url, { protocol: 2 });
const refuseWrites = (is: boolean) => redis.config('SET', 'min-replicas-to-write', is ? '1' : '0');
t.teardown(async () => {
  redis.disconnect();
  await server.stop();
});
t.beforeEach(async () => {
  await refuseWrites(false);
  await redis.flushall();
});

for (const SYSTEM_SHARDS of ['', 'crm=2']) {
  const how = SYSTEM_SHARDS === '' ? 'nothing is spread' : 'a system is spread that was not';
  t.test(`questions are answered at once, and events taken when writes are, where ${how}`, async (t) => {
    const earlier = await startApp({ redis: server });
    await postRows(earlier.base, [event({ user_id: 'alice' }), event({ user_id: 'bob' })]);
    await earlier.stop();
    await refuseWrites(true);
    const { base, kill } = await launchServiceProcess(server, { SYSTEM_SHARDS });
    t.teardown(kill);
    const ask = () => get<{ count: number }>(base, compliance('distinct/users', { system: 'crm' }));
    await until(async () => (await ask()).status === 200, 'an answer');
    t.equal((await ask()).body.count, 2);
    t.equal((await postRows(base, [event({ user_id: 'carol' })])).status, 503);
    await refuseWrites(false);
    await until(async () => (await fetch(`${base}/readyz`)).ok, 'a service that is ready');
    t.equal((await postRows(base, [event({ user_id: 'carol' })])).status, 201);
    t.equal((await ask()).body.count, 3);
  });
}
