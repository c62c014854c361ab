/** Keys for some systems only: what they may send and see, and that no cache shows them more. */
import t from 'tap';
import { startApp } from '../support/app.js';
import { type BatchAnswer, compliance, event, json, ndjson, post, send } from '../support/http.js';
import { bearer, environmentOf, makeKey } from '../support/keys.js';

const everywhere = makeKey();
const crm = makeKey({ scopes: ['ingest', 'query'], systems: ['crm', 'not there yet'] });
const both = makeKey({ scopes: ['ingest', 'query'], systems: ['crm', 'erp'] });
const API_KEYS = environmentOf(everywhere, crm, both);
// A key for a system is for all the shards that it is spread over.
const { base, stop } = await startApp({ config: { API_KEYS, QUERY_CACHE: 'on', SYSTEM_SHARDS: 'crm=4' } });
t.teardown(stop);

type Key = typeof crm;
const timestamp = Date.UTC(2026, 0, 31, 13, 20);
const row = (system: string, user_id: string) => event({ system, user_id, timestamp });
const rows = (key: Key, list: readonly unknown[], headers: Record<string, string> = {}) =>
  post<BatchAnswer>(base, JSON.stringify(list), { ...json, ...bearer(key), ...headers });
interface Asked {
  code: string;
  system: string | null;
  systems: string[];
  systems_asked: number;
  count: number;
}
const ask = (key: Key, path: string, headers: Record<string, string> = {}) =>
  send<Asked>(base, { path, headers: { ...bearer(key), ...headers } });
const users = (...systems: string[]) =>
  `${compliance('distinct/users', { window: '1h', timestamp })}${systems.map((one) => `&system=${encodeURIComponent(one)}`).join('')}`;

t.before(async () => {
  const list = [row('crm', 'ada'), row('erp', 'bob'), row('erp', 'cy'), row('hr', 'dee')];
  t.equal((await rows(everywhere, list)).status, 201);
});

t.test('POST events: rows of other systems are row errors, and the others are stored', async (t) => {
  const { status, body } = await rows(crm, [row('crm', 'ada'), row('erp', 'eve'), row('crm', 'ada')]);
  t.equal(status, 201);
  t.match(body, { accepted: 2, rejected: 1 });
  t.match(body.errors, [{ index: 1, code: 'system_forbidden', pointer: '/system' }]);
});

t.test('POST events: a 403 where every row is of another system, and nothing is stored', async (t) => {
  const list = [row('erp', 'eve'), row('other', 'eve')];
  const lines = list.map((one) => JSON.stringify(one)).join('\n');
  for (const answer of [
    await rows(crm, list),
    await post<BatchAnswer>(base, lines, { ...ndjson, ...bearer(crm) }),
    await post<BatchAnswer>(base, JSON.stringify(list[0]), { ...json, ...bearer(crm) }, '/api/v1/events'),
  ]) {
    t.match(answer, { status: 403, body: { code: 'system_forbidden' } });
    t.match(answer.body.errors[0], { index: 0, code: 'system_forbidden', pointer: '/system' });
  }
  t.equal((await ask(both, users('erp'), { 'cache-control': 'no-cache' })).body.count, 2);
  const systems = await send<{ total: number }>(base, {
    path: '/api/v1/systems',
    headers: bearer(everywhere),
  });
  t.equal(systems.body.total, 3, 'no name was taken for a system that must not be written to');
});

t.test('POST events: a 400 where rows are bad in other ways too', async (t) => {
  const answer = await rows(crm, [row('erp', 'eve'), {}]);
  t.match(answer, { status: 400, body: { code: 'events_invalid' } });
});

t.test('POST events: handling=strict stores nothing where one row is of another system', async (t) => {
  const answer = await rows(crm, [row('crm', 'new'), row('erp', 'eve')], { prefer: 'handling=strict' });
  t.match(answer, { status: 403, body: { code: 'system_forbidden' } });
  t.equal((await ask(crm, users('crm'), { 'cache-control': 'no-cache' })).body.count, 1);
});

t.test('a question that names another system is a 403 with the pointer /system, there or not', async (t) => {
  const range = `from=${timestamp}&to=${timestamp + 3_600_000}`;
  for (const path of [
    users('erp'),
    users('crm', 'erp'),
    users('*', 'erp'),
    users('no such system'),
    compliance('summary/erp'),
    compliance('latency/summary/erp'),
    compliance('activity/check', { system: 'erp', user_id: 'bob' }),
    compliance('top/active_users', { system: 'erp' }),
    compliance('frequency/users', { system: 'erp', item: 'bob' }),
    compliance('percentiles/latency_ms', { system: 'erp' }),
    compliance('stats/latency_ms', { system: 'erp' }),
    compliance('sla/check', { system: 'erp', metric: 'latency_ms', threshold: 1 }),
    `${compliance('timeseries/events', { system: 'erp' })}&${range}`,
  ]) {
    const answer = await ask(crm, path);
    t.match(
      answer,
      { status: 403, body: { code: 'system_forbidden', errors: [{ pointer: '/system' }] } },
      path,
    );
  }
  t.equal((await ask(crm, users('crm'))).status, 200);
  t.match(await ask(crm, users('not there yet')), { status: 404, body: { code: 'system_unknown' } });
});

t.test('* means all that the asker may see, each from an answer of its own', async (t) => {
  for (const _ of ['computed', 'from the cache']) {
    const [all, one, two] = await Promise.all([everywhere, crm, both].map((key) => ask(key, users('*'))));
    t.match(all.body, { system: '*', systems: ['crm', 'erp', 'hr'], systems_asked: 3, count: 4 });
    t.match(one.body, { system: '*', systems: null, systems_asked: 1, count: 1 });
    t.match(two.body, { system: '*', systems: ['crm', 'erp'], systems_asked: 2, count: 3 });
  }
});

t.test('an address that was answered to one is not recalled for whoever may see less', async (t) => {
  const path = users('erp');
  for (const key of [both, everywhere]) {
    await ask(key, path);
    t.match((await ask(key, path)).headers['cache-status'], /; hit;/, 'it is held, and recalled');
  }
  for (const _ of [1, 2]) t.equal((await ask(crm, path)).status, 403);
  const summary = compliance('summary/erp', { timestamp });
  for (const key of [both, both, everywhere, everywhere]) t.equal((await ask(key, summary)).status, 200);
  t.equal((await ask(crm, summary)).status, 403);
});

t.test('an invalidation reaches what any key was answered, also about all systems', async (t) => {
  const fresh = (key: Key, path: string) => ask(key, path).then(({ headers }) => headers['cache-status']);
  const paths = [users('*'), users('erp')];
  for (const path of paths) await ask(both, path);
  for (const path of paths) t.match(await fresh(both, path), /; hit;/);
  const body = JSON.stringify({ systems: ['erp'] });
  const path = '/api/v1/admin/cache/invalidate';
  await send(base, { method: 'POST', path, headers: { ...json, ...bearer(everywhere) }, body });
  for (const path of paths) t.match(await fresh(both, path), /fwd=miss; stored/);
});

t.test('POST summaries marks those of other systems, and answers the rest', async (t) => {
  const { status, body } = await send<{ summaries: unknown[]; failed: number }>(base, {
    method: 'POST',
    path: '/api/v1/compliance/summaries',
    headers: { ...json, ...bearer(crm) },
    body: JSON.stringify({ systems: ['erp', 'crm'], timestamp: String(timestamp) }),
  });
  t.equal(status, 200);
  t.match(body, {
    failed: 1,
    summaries: [
      { system: 'erp', error: { code: 'system_forbidden', status: 403 } },
      { system: 'crm', hourly: { unique_users: 1 } },
    ],
  });
});

t.test('questions and bodies that are refused for their systems are counted', async (t) => {
  const name = 'papertrail_access_refused_total{reason="system_forbidden"}';
  const counted = async () => {
    const { text } = await send(base, { path: '/metrics' });
    return Number(
      text
        .split('\n')
        .find((line) => line.startsWith(name))
        ?.split(' ')[1] ?? 0,
    );
  };
  const before = await counted();
  await ask(crm, users('erp'));
  await rows(crm, [row('erp', 'eve')]);
  t.equal(await counted(), before + 2);
});

t.test('GET systems lists only its own that there are, page by page', async (t) => {
  interface Page {
    systems: { system: string; last_event: string }[];
    total: number;
    next: string | null;
  }
  const list = (key: Key, parameters: string) =>
    send<Page>(base, { path: `/api/v1/systems?${parameters}`, headers: bearer(key) }).then(
      ({ body }) => body,
    );
  const last_event = new Date(timestamp).toISOString();
  t.strictSame(await list(crm, ''), { systems: [{ system: 'crm', last_event }], total: 1, next: null });
  const first = await list(both, 'limit=1');
  t.match(first, { systems: [{ system: 'crm' }], total: 2 });
  const second = await list(both, `limit=1&cursor=${first.next}`);
  t.match(second, { systems: [{ system: 'erp', last_event }], total: 2, next: null });
  t.match(await list(both, `limit=1&cursor=${Buffer.from('zzz').toString('base64url')}`), {
    systems: [],
    next: null,
  });
});
