/** Questions through the cache: each is computed once, says how old it is, and is told apart from every other. */
import { Redis } from 'ioredis';
import t from 'tap';
import { startApp } from '../support/app.js';
import { event, get, json, postRows, send } from '../support/http.js';
import { untilLateFlushes } from '../support/late-events.js';

let now = Date.UTC(2026, 0, 31, 13, 20);
const clock = { now: () => now };
const { app, base, redis, stop } = await startApp({ clock, monotonic: clock, config: { QUERY_CACHE: 'on' } });
const direct = new Redis(redis.url, { protocol: 2 });
await untilLateFlushes(redis, 1);
t.teardown(async () => {
  direct.disconnect();
  await stop();
});

const root = '/api/v1/compliance';
interface Counted {
  count: number;
  as_of: string;
}
const row = (user_id: string, fields: object = {}) =>
  event({ user_id, timestamp: now, metadata: { ip: `ip-${user_id}`, latency_ms: 5 }, ...fields });
const status = (headers: object) => String((headers as Record<string, unknown>)['cache-status']);
/** New names, so that no test finds the answers of another. */
let names = 0;
const someSystem = () => `system-${names++}`;

/** Lets answers become older than they are of any use. */
const forget = () => {
  now += 3 * 86_400_000;
};

t.test('the second answer is the first, says so, and how old it is', async (t) => {
  const system = someSystem();
  await postRows(base, [row('ada', { system })]);
  const path = `${root}/distinct/users?system=${system}&window=1h`;
  const first = await get<Counted>(base, path);
  t.match(first.headers, {
    'cache-status': /^papertrail; fwd=miss; stored/,
    age: '0',
    vary: 'Accept-Encoding',
  });
  t.match(
    first.headers['cache-control'],
    /^private, max-age=30, stale-while-revalidate=30, stale-if-error=3600$/,
  );
  await postRows(base, [row('bob', { system })]);
  now += 10_000;
  const second = await get<Counted>(base, path);
  t.equal(second.text, first.text);
  t.match(second.headers, { 'cache-status': 'papertrail; hit; ttl=20', age: '10' });
  const same = await send(base, { path, headers: { 'if-none-match': String(first.headers.etag) } });
  t.match({ status: same.status, text: same.text }, { status: 304, text: '' });
  const fresh = await send<Counted>(base, { path, headers: { 'cache-control': 'no-cache' } });
  t.equal(fresh.body.count, 2);
  t.ok(fresh.body.as_of > first.body.as_of);
});

t.test('the order of parameters and of systems does not matter', async (t) => {
  const [a, b] = [someSystem(), someSystem()];
  await postRows(base, [row('ada', { system: a }), row('bob', { system: b })]);
  await get(base, `${root}/distinct/users?system=${a}&system=${b}&window=1d`);
  for (const path of [
    `${root}/distinct/users?window=1d&system=${b}&system=${a}`,
    `${root}/distinct/users?system=${a}&window=1d&system=${b}&system=${a}`,
  ]) {
    t.match(status((await get(base, path)).headers), /^papertrail; hit/, path);
  }
});

t.test('what differs in anything is another question', async (t) => {
  const system = someSystem();
  const other = someSystem();
  const from = new Date(now).toISOString();
  const rows = () =>
    [system, other].map((name) => row('x', { system: name, metadata: { ip: 'x', latency_ms: 5 } }));
  await postRows(base, rows());
  now += 7_200_000;
  await postRows(base, rows());
  const paths = [
    `${root}/distinct/users?system=${system}`,
    `${root}/distinct/ips?system=${system}`,
    `${root}/distinct/users?system=${other}`,
    `${root}/distinct/users?system=${system}&system=${other}`,
    `${root}/distinct/users?system=*`,
    `${root}/distinct/users?system=${system}&window=1d`,
    `${root}/distinct/users?system=${system}&window=1d&tz=Europe/Berlin`,
    `${root}/distinct/users?system=${system}&window=1d&rolling=true`,
    `${root}/distinct/users?system=${system}&timestamp=${from}`,
    `${root}/distinct/users?system=${system}&from=${from}`,
    `${root}/top/active_users?system=${system}`,
    `${root}/top/active_users?system=${system}&k=3`,
    `${root}/activity/check?system=${system}&user_id=x`,
    `${root}/activity/check?system=${system}&ip=x`,
    `${root}/percentiles/latency_ms?system=${system}`,
    `${root}/percentiles/latency_ms?system=${system}&percentiles=1`,
    `${root}/stats/latency_ms?system=${system}`,
    `${root}/latency/summary/${system}?metric=latency_ms`,
    `${root}/latency/summary/${system}`,
    `${root}/summary/${system}`,
    `${root}/timeseries/users?system=${system}&from=${from}`,
    `${root}/timeseries/users?system=${system}&from=${from}&step=1m`,
    `${root}/timeseries/active_users?system=${system}&from=${from}&item=x`,
  ];
  for (const path of paths) t.match(status((await get(base, path)).headers), /fwd=miss/, path);
  for (const path of paths) t.match(status((await get(base, path)).headers), /hit/, path);
});

t.test('names that look like separators never share an answer', async (t) => {
  const odd = ['a', 'a,b', 'a:b', 'a}:x{b', 'a&k=1', '%2C', 'a\nb', '__proto__'].map(
    (name) => `${name}${names++}`,
  );
  for (const system of odd) await postRows(base, [row(`user of ${system}`, { system })]);
  for (const again of [false, true]) {
    for (const system of odd) {
      const path = `${root}/top/active_users?system=${encodeURIComponent(system)}`;
      const { body, headers } = await get<{ items: { item: string }[] }>(base, path);
      t.match(status(headers), again ? /hit/ : /miss/);
      t.strictSame(
        body.items.map(({ item }) => item),
        [`user of ${system}`],
      );
    }
  }
});

t.test('an hour that begins is a new question', async (t) => {
  const system = someSystem();
  now = Date.UTC(2026, 1, 3, 13, 59, 55);
  await postRows(base, [row('ada', { system })]);
  const path = `${root}/distinct/users?system=${system}&window=1h`;
  t.equal((await get<Counted>(base, path)).body.count, 1);
  now += 10_000;
  t.match(await get<Counted>(base, path), { body: { count: 0, from: '2026-02-03T14:00:00.000Z' } });
});

t.test('summaries of many systems share their answers with those asked for alone', async (t) => {
  const [a, b] = [someSystem(), someSystem()];
  await postRows(base, [row('ada', { system: a }), row('bob', { system: b })]);
  const alone = await get(base, `${root}/summary/${a}`);
  const body = JSON.stringify({ systems: [a, b] });
  const both = await send<{ summaries: object[]; failed: number }>(base, {
    method: 'POST',
    path: `${root}/summaries`,
    headers: json,
    body,
  });
  t.equal(both.body.failed, 0);
  t.strictSame(both.body.summaries[0], alone.body);
  t.match(both.body.summaries[1], { system: b, daily: { unique_users: 1 } });
  t.match(status((await get(base, `${root}/summary/${b}`)).headers), /hit/);
});

t.test('all systems are those that there are', async (t) => {
  forget();
  await postRows(base, [row('ada', { system: someSystem() })]);
  const system = someSystem();
  const path = `${root}/distinct/users?system=*&window=1d`;
  const before = (await get<Counted & { systems_asked: number }>(base, path)).body;
  await postRows(base, [row('a new user', { system })]);
  const fresh = { path, headers: { 'cache-control': 'no-cache' } };
  const after = (await send<Counted & { systems_asked: number }>(base, fresh)).body;
  t.match(after, { count: before.count + 1, systems_asked: before.systems_asked + 1, system: '*' });
});

t.test('Redis is not asked for an answer that is fresh in memory', async (t) => {
  const system = someSystem();
  await postRows(base, [row('ada', { system })]);
  const path = `${root}/summary/${system}`;
  await get(base, path);
  const commands = async () => Number(/total_commands_processed:(\d+)/.exec(await direct.info('stats'))?.[1]);
  await app.inject(path);
  const before = await commands();
  for (let i = 0; i < 200; i++) await get(base, path);
  t.ok((await commands()) - before < 50, 'jobs and this look apart');
});

t.test(
  'an address asked again is answered as the first time: headers, compression, 304, HEAD, ids',
  async (t) => {
    const system = someSystem();
    const users = Array.from({ length: 40 }, (_, i) => row(`user ${i} of this system`, { system }));
    await postRows(base, users);
    const path = `${root}/top/active_users?system=${system}&k=40`;
    await get(base, path);
    const asked = (headers: Record<string, string>, method = 'GET') => send(base, { method, path, headers });
    for (const encoding of ['identity', 'gzip', 'br']) {
      const own = { 'accept-encoding': encoding, 'x-request-id': 'mine' };
      const [first, again] = [await asked({ ...own, 'if-none-match': '"other"' }), await asked(own)];
      t.strictSame(again.bytes, first.bytes, encoding);
      t.equal(again.headers['x-request-id'], 'mine');
      const names = [
        'etag',
        'cache-control',
        'cache-status',
        'vary',
        'age',
        'content-type',
        'content-encoding',
        'content-length',
      ];
      for (const name of names) t.equal(again.headers[name], first.headers[name], `${encoding} ${name}`);
      const known = await asked({ ...own, 'if-none-match': String(first.headers.etag) });
      t.match({ status: known.status, text: known.text }, { status: 304, text: '' });
    }
    const head = await asked({}, 'HEAD');
    t.match({ status: head.status, text: head.text }, { status: 200, text: '' });
  },
);

t.test('metrics tell where answers came from', async (t) => {
  const { text } = await get(base, '/metrics');
  t.match(text, /papertrail_cache_answers_total\{endpoint="distinct",state="miss"\} [1-9]/);
  t.match(text, /papertrail_cache_answers_total\{endpoint="summary",state="hit_l1"\} [1-9]/);
});
