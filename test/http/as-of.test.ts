/** Every answer says as of when it holds: by the clock of Redis, read before anything else, whatever the service's own says. */
import t from 'tap';
import { startApp } from '../support/app.js';
import { compliance, event, get, json, post, postRows } from '../support/http.js';
import { withRedis } from '../support/redis-state.js';

const now = Date.UTC(2026, 0, 31, 13, 20);
const { base, redis, stop } = await startApp({ clock: { now: () => now } });
t.teardown(stop);
await postRows(base, [
  event({ system: 'crm', user_id: 'ann', timestamp: now, metadata: { ip: '192.0.2.1', latency_ms: 5 } }),
]);

interface AsOf {
  as_of: string;
  computed_at: string;
}
const redisNow = () =>
  withRedis(redis, async (direct) => {
    const [seconds, microseconds] = (await direct.time()).map(Number);
    return seconds * 1_000 + Math.floor(microseconds / 1_000);
  });

const system = 'crm';
const from = now - 3_600_000;
for (const path of [
  compliance('distinct/users', { system }),
  compliance('activity/check', { system, user_id: 'ann' }),
  compliance('top/active_users', { system }),
  compliance('frequency/users', { system, item: 'ann' }),
  compliance('summary/crm'),
  compliance('percentiles/latency_ms', { system }),
  compliance('stats/latency_ms', { system }),
  compliance('sla/check', { system, metric: 'latency_ms', threshold: 1 }),
  compliance('latency/summary/crm'),
  compliance('timeseries/events', { system, from }),
  compliance('timeseries/latency_ms', { system, from }),
  compliance('distinct/users', { system: '*' }),
]) {
  t.test(path, async (t) => {
    const before = await redisNow();
    const { body } = await get<AsOf>(base, path);
    const asOf = Date.parse(body.as_of);
    t.ok(before <= asOf && asOf <= (await redisNow()), body.as_of);
    t.equal(body.computed_at, body.as_of);
  });
}

t.test('each of several summaries says so too', async (t) => {
  const before = await redisNow();
  const path = '/api/v1/compliance/summaries';
  const { body } = await post<{ summaries: AsOf[] }>(base, '{"systems":["crm"]}', json, path);
  t.ok(before <= Date.parse(body.summaries[0].as_of));
});
