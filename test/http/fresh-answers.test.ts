/** `Cache-Control: no-cache`: an answer that was computed after the request came, or none. */
import t from 'tap';
import { startApp, type TestApp } from '../support/app.js';
import { compliance, event, get, json, postRows, send } from '../support/http.js';
import { startProxy } from '../support/redis-proxy.js';
import { startRedis } from '../support/redis-server.js';
import { withRedis } from '../support/redis-state.js';
import { until } from '../support/until.js';

const now = Date.UTC(2026, 0, 31, 13, 20);
const clock = { now: () => now };
const redis = await startRedis();
const proxy = await startProxy(redis);
const config = { QUERY_CACHE: 'on', REDIS_QUERY_TIMEOUT_MS: 20_000 } as const;
const other = await startApp({ redis, config, clock });
/** Whose replies can be kept back. */
const slow = await startApp({ redis: { ...redis, socket: proxy.socket }, config, clock });
t.teardown(async () => {
  await other.stop();
  await slow.stop();
  await proxy.stop();
  await redis.stop();
});

interface Body {
  count: number;
  code: string;
  as_of: string;
}
let names = 0;
const row = (system: string) => event({ system, user_id: `user ${names++}`, timestamp: now });
/** A new system with one event. */
async function someSystem(): Promise<string> {
  const system = `system ${names++}`;
  await postRows(other.base, [row(system)]);
  return system;
}
const users = (system: string) => compliance('distinct/users', { system, window: '1h', timestamp: now });
const fresh = (base: string, path: string, headers = { 'cache-control': 'no-cache' }) =>
  send<Body>(base, { path, headers });

const connections = ({ app }: TestApp) =>
  new Promise<number>((resolve) => app.server.getConnections((_, count) => resolve(count)));

/** Begins a question whose replies are kept back, stores an event meanwhile, and asks again. */
async function askMeanwhile(path: string, system: string, first: typeof fresh) {
  proxy.arm('epoch', 'pause');
  const before = first(slow.base, path);
  await proxy.paused();
  await postRows(other.base, [row(system)]);
  const open = await connections(slow);
  const after = fresh(slow.base, path);
  await until(async () => (await connections(slow)) > open, 'the second question to arrive');
  t.equal((await get(slow.base, '/livez')).status, 200);
  proxy.resume();
  return Promise.all([before, after]);
}

t.test('it does not join a computation that began before it', async (t) => {
  const system = await someSystem();
  const [before, after] = await askMeanwhile(users(system), system, (base, path) =>
    send<Body>(base, { path }),
  );
  t.strictSame([before.body.count, after.body.count], [1, 2]);
  t.ok(after.body.as_of > before.body.as_of);
});

t.test('nor that of another request for an answer of now', async (t) => {
  const system = await someSystem();
  const [before, after] = await askMeanwhile(users(system), system, fresh);
  t.strictSame([before.body.count, after.body.count], [1, 2]);
});

for (const headers of [
  { 'cache-control': 'no-cache' },
  { 'cache-control': 'max-age=0' },
  { pragma: 'no-cache' },
]) {
  t.test(
    `${JSON.stringify(headers)}: what was kept does not go out, and what was computed is kept`,
    async (t) => {
      const system = await someSystem();
      for (const { base } of [slow, other]) t.equal((await get<Body>(base, users(system))).body.count, 1);
      await postRows(other.base, [row(system)]);
      t.equal((await get<Body>(slow.base, users(system))).body.count, 1, 'it is kept');
      const answer = await fresh(slow.base, users(system), headers as { 'cache-control': string });
      t.equal(answer.body.count, 2);
      t.match(answer.headers['cache-status'], /^papertrail; fwd=request; stored; ttl=\d+$/);
      const again = await get<Body>(slow.base, users(system));
      t.match(again.headers['cache-status'], /^papertrail; hit;/);
      t.equal(again.body.count, 2);
    },
  );
}

/** How many answers Redis holds. */
const shared = () =>
  withRedis(redis, async (direct) => {
    const keys = await direct.keys('pt:cache:*distinct*');
    return keys.filter((key) => !key.endsWith(':lock')).length;
  });

t.test('what another process has kept does not go out either', async (t) => {
  const system = await someSystem();
  const before = await shared();
  t.match((await get(other.base, users(system))).headers['cache-status'], /stored/);
  await until(async () => (await shared()) > before, 'it to be shared');
  await postRows(other.base, [row(system)]);
  t.equal((await fresh(slow.base, users(system))).body.count, 2);
});

t.test('a "no" that was asked for so is not kept either', async (t) => {
  const system = await someSystem();
  const path = compliance('activity/check', { system, user_id: 'nobody', timestamp: now });
  const { headers } = await fresh(slow.base, path);
  t.match(headers, { 'cache-status': 'papertrail; fwd=request', 'cache-control': 'private, no-cache' });
});

t.test('where Redis is away it gets a 503, though others get the answer of before', async (t) => {
  const system = await someSystem();
  const own = await startRedis();
  const { base, stop } = await startApp({ redis: own, config: { QUERY_CACHE: 'on' }, clock });
  t.teardown(stop);
  await postRows(base, [row(system)]);
  t.equal((await get<Body>(base, users(system))).body.count, 1);
  await own.stop();
  await until(async () => (await get(base, '/readyz')).status === 503, 'the loss to be noticed');
  const answer = await fresh(base, users(system));
  t.match(answer, { status: 503, body: { code: 'redis_unavailable' }, headers: { 'retry-after': /^\d+$/ } });
  t.match(await get(base, users(system)), { status: 200, body: { count: 1 } });
});

t.test('it holds for the summaries of many systems too', async (t) => {
  const system = await someSystem();
  const body = JSON.stringify({ systems: [system], timestamp: new Date(now).toISOString() });
  const ask = async (headers: Record<string, string>) => {
    const message = { method: 'POST', path: compliance('summaries'), body, headers: { ...json, ...headers } };
    const answer = await send<{ summaries: { hourly: { unique_users: number } }[] }>(other.base, message);
    return answer.body.summaries[0]?.hourly.unique_users;
  };
  t.equal(await ask({}), 1);
  await postRows(other.base, [row(system)]);
  t.equal(await ask({}), 1, 'a summary is kept');
  t.equal(await ask({ 'cache-control': 'no-cache' }), 2);
});
