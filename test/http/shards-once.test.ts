/**
 * A request with an `Idempotency-Key` about a system that is spread counts once, also where the process that tries again
 * spreads it over another number of shards: its parts go where those of the first try went.
 */
import t from 'tap';
import { startApp } from '../support/app.js';
import { bodyOf, isCountedOnce, sendUntilStored, stepShas } from '../support/exactly-once.js';
import { post } from '../support/http.js';
import { type Fault, startProxy } from '../support/redis-proxy.js';
import { startRedis } from '../support/redis-server.js';
import { until } from '../support/until.js';

const redis = await startRedis();
const proxy = await startProxy(redis);
const config = { REDIS_INGEST_TIMEOUT_MS: 500 };
const names = Array.from({ length: 20 }, (_, i) => `hot-${i}`);
const settings = (shards: number) => ({
  ...config,
  SYSTEM_SHARDS: names.map((name) => `${name}=${shards}`).join(),
});
const failing = await startApp({
  config: settings(5),
  redis: { ...redis, socket: proxy.socket, url: proxy.socket },
});
const same = await startApp({ config: settings(5), redis });
const fewer = await startApp({ config: settings(2), redis });
const none = await startApp({ config, redis });
t.teardown(async () => {
  for (const { stop } of [failing, same, fewer, none]) await stop();
  await proxy.stop();
  await redis.stop();
});

const steps: [name: string, script: string, fault: Fault][] = [
  ['between script calls of its parts', stepShas.apply, 'tear'],
  ['when all is stored, before that is known', stepShas.apply, 'cut'],
  ['before its answer is kept', stepShas.finish, 'tear'],
];

for (const [name, script, fault] of steps) {
  for (const [again, { base }] of Object.entries({ 'as many': same, fewer, none })) {
    t.test(`cut ${name}, sent again to who spreads over ${again}`, async (t) => {
      await until(async () => (await fetch(`${failing.base}/readyz`)).ok, 'a connection');
      const system = names.pop() ?? '';
      const rows = Array.from({ length: 900 }, (_, i) => ({ system, user_id: `u${i % 40}` }));
      const body = bodyOf(rows, false);
      proxy.arm(script, fault);
      t.equal((await post(failing.base, body.text, body.headers)).status, 503);
      const last = await sendUntilStored([base], body);
      t.match(last?.body, { accepted: rows.length });
      for (const service of [same, none]) await isCountedOnce(t, service.base, rows);
      const repeat = await post(base, body.text, body.headers);
      t.equal(repeat.headers['idempotency-replayed'], 'true');
    });
  }
}
