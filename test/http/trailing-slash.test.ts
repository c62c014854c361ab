/** A slash at the end of a path reaches the same route, and every rule of that route holds. */
import t from 'tap';
import { startApp } from '../support/app.js';
import { event, get, json, post, send } from '../support/http.js';
import { bearer, environmentOf, makeKey } from '../support/keys.js';

const { base, stop } = await startApp();
t.teardown(stop);

t.test('events are stored and questions are answered', async (t) => {
  const stored = await post(base, JSON.stringify(event({ system: 'slash' })), json, '/api/v1/events/');
  t.equal(stored.status, 201);
  t.equal((await post(base, JSON.stringify([event()]), json, '/api/v1/events/batch/')).status, 201);
  for (const path of [
    'distinct/users/?system=slash',
    'summary/slash/',
    'summary/slash/?timestamp=1700000000',
  ]) {
    t.equal((await get(base, `/api/v1/compliance/${path}`)).status, 200, path);
  }
  const { body } = await get<{ count: number }>(base, '/api/v1/compliance/distinct/users/?system=slash');
  t.equal(body.count, 1);
  t.equal((await get(base, '/livez/')).status, 200);
  t.equal((await send(base, { method: 'HEAD', path: '/api/v1/events/' })).status, 200);
});

t.test(
  'other methods are 405 with Allow, other paths 404, and a coded slash belongs to the name',
  async (t) => {
    const refused = await send(base, { method: 'PUT', path: '/api/v1/events/' });
    t.match(refused, { status: 405, headers: { allow: 'HEAD, POST' } });
    t.equal((await get(base, '/nothing/')).status, 404);
    await post(base, JSON.stringify(event({ system: 'slash/' })));
    t.match(await get(base, '/api/v1/compliance/summary/slash%2F'), {
      status: 200,
      body: { system: 'slash/' },
    });
  },
);

t.test('an idempotency key means the same request', async (t) => {
  const headers = { ...json, 'idempotency-key': '"slash"' };
  const body = JSON.stringify([event({ system: 'once' })]);
  await post(base, body, headers, '/api/v1/events/batch');
  const again = await post(base, body, headers, '/api/v1/events/batch/');
  t.match(again, { status: 201, headers: { 'idempotency-replayed': 'true' } });
});

t.test('metrics count it under the same route', async (t) => {
  const { text } = await get(base, '/metrics/');
  t.match(text, 'route="/api/v1/compliance/summary/:system"');
  t.notMatch(text, /route="[^"]+\/"/);
});

t.test('access and rate limits hold as without it', async (t) => {
  const [ingest, query] = [makeKey({ scopes: ['ingest'] }), makeKey({ scopes: ['query'] })];
  const service = await startApp({
    config: {
      API_KEYS: environmentOf(ingest, query),
      OPERATIONS_ACCESS: 'key',
      LIMIT_QUERIES_PER_SECOND: 1,
      LIMIT_REQUESTS_PER_SECOND_PER_ADDRESS: 1_000,
    },
  });
  t.teardown(service.stop);
  const path = '/api/v1/compliance/distinct/users/?system=crm';
  for (const closed of [path, '/metrics/', '/api/v1/admin/settings/']) {
    t.equal((await get(service.base, closed)).status, 401, closed);
  }
  t.equal((await send(service.base, { path, headers: bearer(ingest) })).status, 403);
  const statuses: number[] = [];
  while (!statuses.includes(429)) {
    const { status, headers } = await send(service.base, { path, headers: bearer(query) });
    t.ok(headers['ratelimit-policy']?.includes('"queries"'), 'it is charged as a question');
    statuses.push(status);
  }
  const open = await get(service.base, '/livez/');
  t.equal(open.status, 200);
  t.equal(open.headers['ratelimit-policy'], undefined, 'what is open stays free');
});

t.test('an answer remembered for a path with a slash is for those who may see it only', async (t) => {
  const all = makeKey({ scopes: ['query', 'ingest'] });
  const some = makeKey({ name: 'some', scopes: ['query'], systems: ['other'] });
  const service = await startApp({ config: { API_KEYS: environmentOf(all, some), QUERY_CACHE: 'on' } });
  t.teardown(service.stop);
  await post(service.base, JSON.stringify(event()), { ...json, ...bearer(all) });
  const path = '/api/v1/compliance/summary/crm/';
  for (const _ of [1, 2]) {
    t.equal((await send(service.base, { path, headers: bearer(all) })).status, 200);
    t.equal((await send(service.base, { path, headers: bearer(some) })).status, 403);
  }
});
