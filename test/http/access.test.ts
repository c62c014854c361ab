/** Who may enter: keys, scopes and refusals, as the routes answer them. */
import { join } from 'node:path';
import Fastify from 'fastify';
import { pino } from 'pino';
import t, { type Test } from 'tap';
import { attemptsMax, createAttempts } from '../../src/access/attempts.js';
import { openKeys } from '../../src/access/keys.js';
import { systemClock } from '../../src/clock.js';
import { createMetrics } from '../../src/metrics.js';
import access, { requires } from '../../src/plugins/access.js';
import { createClientAddresses } from '../../src/plugins/client-address.js';
import { startApp } from '../support/app.js';
import { compliance, event, get, json, postRows, send } from '../support/http.js';
import { bearer, environmentOf, makeKey } from '../support/keys.js';

const all = makeKey();
const ingest = makeKey({ scopes: ['ingest'] });
const query = makeKey({ scopes: ['query'] });
const admin = makeKey({ scopes: ['admin'] });
const none = makeKey({ scopes: [] });
const expired = makeKey({ expires: '2026-01-31T00:00:01Z' });
const API_KEYS = environmentOf(all, ingest, query, admin, none, expired);
const service = await startApp({ config: { API_KEYS, OPERATIONS_ACCESS: 'key' } });
t.teardown(service.stop);

/** Refused attempts are counted by address and app, so what refuses many has an app of its own. */
async function freshApp(test: Test, config = {}) {
  const app = await startApp({ config: { API_KEYS, ...config }, redis: service.redis });
  test.teardown(app.stop);
  return app.base;
}

interface Refusal {
  code: string;
  status: number;
  detail: string;
}

const send1 = { method: 'POST', path: '/api/v1/events', headers: json, body: JSON.stringify(event()) };
const ask1 = { path: compliance('distinct/users', { system: 'crm' }) };
const many = {
  method: 'POST',
  path: '/api/v1/compliance/summaries',
  headers: json,
  body: JSON.stringify({ systems: ['crm'] }),
};
const invalidate = { method: 'POST', path: '/api/v1/admin/cache/invalidate', headers: json, body: '{}' };
const requests = {
  ingest: [send1, { ...send1, path: '/api/v1/events/batch' }, { method: 'HEAD', path: '/api/v1/events' }],
  query: [
    ask1,
    many,
    { path: '/api/v1/systems' },
    { method: 'HEAD', path: '/api/v1/systems' },
    { path: compliance('summary/crm') },
  ],
  admin: [invalidate],
  key: ['/metrics', '/openapi.json', '/openapi.yaml', '/docs/', '/api/v1/events/stats'].map((path) => ({
    path,
  })),
  open: ['/livez', '/readyz', '/api/v1/events/health', '/problems/key_missing'].map((path) => ({ path })),
};
const keys = { all, ingest, query, admin, none };
type Request = { method?: string; path: string; headers?: Record<string, string>; body?: string };
const sendAs = (base: string, request: Request, headers?: Record<string, string>) =>
  send<Refusal>(base, { ...request, headers: { ...request.headers, ...headers } });

t.test('a route is for whoever has its scope, and for nobody else', async (t) => {
  for (const [scope, list] of Object.entries(requests)) {
    for (const request of list as Request[]) {
      const base = await freshApp(t, { OPERATIONS_ACCESS: 'key' });
      const label = `${request.method ?? 'GET'} ${request.path}`;
      const missing = await sendAs(base, request, {});
      t.equal(missing.status, scope === 'open' ? 200 : 401, `${label} without a key`);
      for (const [name, key] of Object.entries(keys)) {
        const { status } = await sendAs(base, request, bearer(key));
        const may = ['open', 'key'].includes(scope) || name === 'all' || name === scope;
        if (may) t.ok(status < 300, `${label} with ${name}: ${status}`);
        else t.equal(status, 403, `${label} with ${name}`);
      }
    }
  }
});

t.test('401 says what is wrong with the key, and how to present one', async (t) => {
  const base = await freshApp(t);
  for (const [headers, code] of [
    [{}, 'key_missing'],
    [{ authorization: 'Bearer pt_wrong' }, 'key_unknown'],
    [{ 'x-api-key': all.record.sha256 }, 'key_unknown'],
    [bearer(expired), 'key_expired'],
  ] as const) {
    const answer = await sendAs(base, ask1, headers);
    t.match(answer, { status: 401, body: { code, status: 401 } }, code);
    t.equal(answer.headers['content-type'], 'application/problem+json');
    t.equal(answer.headers['www-authenticate'], 'Bearer realm="papertrail"');
    t.ok(answer.headers['x-request-id']);
  }
});

t.test('403 names the scope that is missing, and asks for no other key', async (t) => {
  const answer = await sendAs(service.base, invalidate, bearer(query));
  t.match(answer, { status: 403, body: { code: 'scope_missing', detail: /the scope admin/ } });
  t.equal(answer.headers['www-authenticate'], undefined);
});

t.test('a key may come as Bearer, as the password of Basic, or as X-API-Key', async (t) => {
  const password = Buffer.from(`shipper:${query.key}`).toString('base64');
  for (const headers of [bearer(query), { authorization: `Basic ${password}` }, { 'x-api-key': query.key }]) {
    t.equal((await sendAs(service.base, ask1, headers)).status, 200, Object.keys(headers)[0]);
  }
});

t.test('where browsers open pages, Basic is offered, so that they ask for a key', async (t) => {
  const answer = await get(service.base, '/docs/');
  t.match(answer, { status: 401, headers: { 'www-authenticate': /Basic realm="papertrail"/ } });
});

t.test('figures and the description are open unless a setting asks for a key', async (t) => {
  const base = await freshApp(t);
  for (const { path } of requests.key) t.equal((await get(base, path)).status, 200, path);
});

t.test('a body that nobody may send is not read', async (t) => {
  const body = '{"this is": not JSON';
  const answer = await sendAs(service.base, { ...send1, body }, {});
  t.match(answer, { status: 401, body: { code: 'key_missing' } });
  const large = await sendAs(service.base, { ...send1, body: 'x'.repeat(17 * 1024 ** 2) }, bearer(query));
  t.equal(large.status, 403);
});

t.test('paths and methods that are not there answer as ever', async (t) => {
  t.equal((await get(service.base, '/nowhere')).status, 404);
  t.equal((await send(service.base, { method: 'DELETE', path: '/api/v1/systems' })).status, 405);
});

t.test(
  'what one address is refused too often is a 429 with Retry-After, and a valid key still enters',
  async (t) => {
    const base = await freshApp(t);
    for (let i = 0; i < attemptsMax; i++) {
      t.equal((await sendAs(base, ask1, i % 2 ? {} : { 'x-api-key': 'wrong' })).status, 401);
    }
    for (const headers of [undefined, { 'x-api-key': 'wrong' }, bearer(ingest)]) {
      const answer = await sendAs(base, ask1, headers);
      t.match(answer, { status: 429, body: { code: 'too_many_attempts' } });
      t.equal(answer.headers['retry-after'], '60');
    }
    t.equal((await sendAs(base, ask1, bearer(query))).status, 200);
    t.equal((await get(base, '/livez')).status, 200, 'what is open stays open');
  },
);

t.test('what one client behind a proxy is refused too often is a 429, whatever its port is', async (t) => {
  const base = await freshApp(t, { TRUST_PROXY: '127.0.0.1' });
  const statusFrom = async (address: string) =>
    (await sendAs(base, ask1, { 'x-api-key': 'wrong', 'x-forwarded-for': address })).status;
  for (const [one, other] of [
    ['203.0.113.8', '203.0.113.9:4000'],
    ['[2001:db8:1:2::8]', '2001:db8:1:3::8'],
  ]) {
    for (let i = 0; i < attemptsMax; i++) t.equal(await statusFrom(`${one}:${4_000 + i}`), 401);
    t.equal(await statusFrom(`${one}:5000`), 429);
    t.equal(await statusFrom(one), 429, 'and where it has none');
    t.equal(await statusFrom(other), 401, 'another client is not');
  }
});

t.test('refusals are counted by reason', async (t) => {
  const base = await freshApp(t);
  await sendAs(base, ask1, {});
  await sendAs(base, ask1, { 'x-api-key': 'wrong' });
  await sendAs(base, ask1, { 'x-api-key': 'wrong' });
  await sendAs(base, ask1, bearer(expired));
  await sendAs(base, ask1, bearer(ingest));
  const { text } = await get(base, '/metrics');
  const counts = [...text.matchAll(/^papertrail_access_refused_total\{reason="(\w+)"\} (\d+)$/gm)];
  t.strictSame(Object.fromEntries(counts.map(([, reason, count]) => [reason, Number(count)])), {
    key_missing: 1,
    key_unknown: 2,
    key_expired: 1,
    scope_missing: 1,
  });
});

t.test('a route that nobody has decided about ends the start', async (t) => {
  const file = join(service.redis.dir, 'keys.json');
  const log = pino({ level: 'silent' });
  const keys = await openKeys({ file, isFileNamed: true, environment: '', clock: systemClock, log });
  const app = Fastify();
  t.teardown(() => app.close());
  await app.register(access, {
    keys,
    attempts: createAttempts(systemClock),
    addressOf: createClientAddresses(),
    metrics: createMetrics(),
  });
  await app.register(requires('open', async (scope) => void scope.get('/decided', async () => 'yes')));
  app.get('/forgotten', async () => 'no');
  await t.rejects(async () => app.ready(), { message: 'GET /forgotten does not say who may enter' });
});

t.test('without keys everybody may do everything, whatever they present', async (t) => {
  const app = await startApp();
  t.teardown(app.stop);
  for (const headers of [undefined, { 'x-api-key': 'wrong' }]) {
    t.equal((await postRows(app.base, [event()], headers)).status, 201);
    t.equal((await sendAs(app.base, ask1, headers)).status, 200);
    t.equal((await sendAs(app.base, invalidate, headers)).status, 200);
  }
});
