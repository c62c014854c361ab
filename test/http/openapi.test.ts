/**
 * The API description and the API are the same thing: every route is described and every description is a
 * route, and what the service really answers is what the description says, field for field.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { encode } from '@msgpack/msgpack';
import type { FastifyInstance, RouteOptions } from 'fastify';
import t from 'tap';
import { Check, Errors, type XSchema } from 'typebox/schema';
import { parse } from 'yaml';
import { contentTypes } from '../../src/events/body.js';
import { sketchKey, systemKey } from '../../src/redis/keys.js';
import { bucketAt } from '../../src/windows/bucket.js';
import { startApp } from '../support/app.js';
import { event, json, msgpack, ndjson, send } from '../support/http.js';

interface Media {
  schema: object;
}
interface Response {
  description: string;
  content?: Record<string, Media>;
  headers?: Record<string, unknown>;
}
interface Operation {
  operationId?: string;
  summary: string;
  tags: string[];
  parameters?: { in: string; name: string; required: boolean }[];
  requestBody?: { content: Record<string, Media> };
  responses: Record<string, Response>;
}
interface Document {
  openapi: string;
  tags: { name: string }[];
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, object> };
}

/** Every route as it is added, from the moment the framework exists. */
const routes: RouteOptions[] = [];
const collect = (message: unknown) => {
  const { fastify } = message as { fastify: FastifyInstance };
  fastify.addHook('onRoute', (route) => void routes.push(route));
};
subscribe('fastify.initialization', collect);
const service = await startApp({ config: { PSEUDONYM_KEY: 'k'.repeat(32) } });
unsubscribe('fastify.initialization', collect);
t.teardown(service.stop);
const { base } = service;

const document = (await send<Document>(base, { path: '/openapi.json' })).body;
const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({
    name: `${method.toUpperCase()} ${path}`,
    path,
    operation,
  })),
);

t.test('every route is described, and nothing else', async (t) => {
  const each = routes.flatMap((route) => [route.method].flat().map((method) => ({ ...route, method })));
  const isRead = ({ url }: RouteOptions) =>
    each.some((other) => other.url === url && other.method === 'GET' && !other.schema?.hide);
  const described = each
    .filter((route) => !route.schema?.hide && !(route.method === 'HEAD' && isRead(route)))
    .map(({ method, url }) => `${method} ${url.replace(/:(\w+)/g, '{$1}')}`);
  t.ok(described.length > 15);
  t.strictSame(operations.map(({ name }) => name).sort(), described.sort());

  const hidden = each.filter(({ schema, url }) => schema?.hide && !url.startsWith('/docs'));
  const statuses = await Promise.all(
    hidden.map(async ({ method, url }) => (await send(base, { method: `${method}`, path: url })).status),
  );
  t.strictSame([...new Set(statuses)], [405], 'what is not described is not offered');
});

t.test('every operation says what it is, takes and answers', async (t) => {
  t.match(document.openapi, /^3\.1\./);
  const ids = operations.flatMap(({ operation }) => operation.operationId ?? []);
  t.equal(new Set(ids).size, ids.length);
  const tags = document.tags.map(({ name }) => name);
  for (const { name, path, operation } of operations) {
    t.match(operation.summary, /^[A-Z].*[^.]$/, name);
    t.ok(operation.tags.length === 1 && tags.includes(operation.tags[0]), `${name}: its tag is in the list`);
    t.ok(operation.operationId !== undefined || name.startsWith('HEAD'), `${name}: has an id`);
    const inPath = (operation.parameters ?? []).filter((parameter) => parameter.in === 'path');
    t.strictSame(
      inPath.map((parameter) => parameter.name),
      [...path.matchAll(/\{(\w+)\}/g)].map(([, parameter]) => parameter),
      `${name}: parameters of the path`,
    );
    for (const [status, { description, content = {}, headers = {} }] of Object.entries(operation.responses)) {
      t.match(description, /\.$/, `${name} ${status}: is described`);
      const isProblem = Number(status) >= 400 && `${name} ${status}` !== 'GET /readyz 503';
      t.equal('application/problem+json' in content, isProblem, `${name} ${status}: a problem or not`);
      t.equal(
        'Retry-After' in headers,
        isProblem && (['429', '503'].includes(status) || description.includes('request_in_flight')),
        `${name} ${status}: when to come back`,
      );
    }
  }
});

t.test('a body is described for every content type that is read', async (t) => {
  const read = Object.values(contentTypes).flat().sort();
  const withBody = operations.filter(
    ({ name, operation }) => operation.requestBody && name.includes('/events'),
  );
  t.equal(withBody.length, 2);
  for (const { name, operation } of withBody) {
    t.strictSame(Object.keys(operation.requestBody?.content ?? {}).sort(), read, name);
  }
});

t.test('a parameter that has a default may be left out', async (t) => {
  const required = operations.flatMap(({ name, operation }) =>
    (operation.parameters ?? [])
      .filter((parameter) => parameter.required && parameter.in === 'query')
      .map((parameter) => `${name} ${parameter.name}`),
  );
  t.ok(required.length > 0);
  for (const one of required)
    t.match(one, / (system|metric|threshold)$|timeseries.* from$|frequency.* item$/);
});

t.test('every reference leads somewhere, and every component is used', async (t) => {
  const text = JSON.stringify(document);
  const used = new Set([...text.matchAll(/"#\/components\/schemas\/(\w+)"/g)].map(([, name]) => name));
  t.strictSame([...used].sort(), Object.keys(document.components.schemas).sort());
});

t.test('the YAML says the same as the JSON', async (t) => {
  const answer = await send(base, { path: '/openapi.yaml' });
  t.match(answer.headers['content-type'], /^application\/yaml/);
  t.strictSame(parse(answer.text), document);
});

/** The same schema with every object closed: what is not described must not be there. */
function close(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(close);
  if (typeof schema !== 'object' || schema === null) return schema;
  const copy = Object.fromEntries(Object.entries(schema).map(([name, part]) => [name, close(part)]));
  return 'properties' in copy && 'type' in copy ? { additionalProperties: false, ...copy } : copy;
}
const components = close(document.components);

interface Call {
  name: string;
  status: number;
  path?: string;
  headers?: Record<string, string>;
  body?: string | Buffer;
}

type Tap = Pick<typeof t, 'equal' | 'ok'>;

async function answersAsDescribed(t: Tap, { name, status, path = name.split(' ')[1], headers, body }: Call) {
  const label = `${name} ${status} ${path}`;
  const answer = await send(base, { method: name.split(' ')[0], path, headers, body });
  t.equal(answer.status, status, `${label}: status`);
  const { operation } = operations.find((one) => one.name === name) ?? {};
  const response = operation?.responses[status];
  t.ok(response, `${label}: is described`);
  const type = answer.headers['content-type']?.split(';')[0] ?? '';
  if (!response?.content) return t.equal(answer.text, '', `${label}: no body`);
  const { schema } = response.content[type] ?? {};
  t.ok(schema, `${label}: ${type} is described`);
  const closed = { ...(close(schema) as object), components } as XSchema;
  const value = type.endsWith('json') ? answer.body : answer.text;
  const [, errors] = Errors(closed, value);
  return t.ok(Check(closed, value), `${label}: the answer is as described`, { errors, value });
}

const sendOne = 'POST /api/v1/events';
const sendMany = 'POST /api/v1/events/batch';
const good = event({ session_id: 's', metadata: { ip: '192.0.2.1', endpoint: '/', latency_ms: 12 } });
const bad = { event_type: 'nonsense' };
const crm = 'system=crm';
const asked = (question: string, path: string, status = 200): Call => ({
  name: `GET /api/v1/compliance/${question}`,
  path: `/api/v1/compliance/${path}`,
  status,
});

const today = bucketAt('day', Date.now());
const sketchKeys = [
  systemKey('crm'),
  sketchKey('crm', 'bloom', 'users', today),
  sketchKey('crm', 'cm', 'users', today),
  sketchKey('crm', 'hll', 'users', today),
  sketchKey('crm', 'digest', 'latency_ms', bucketAt('hour', Date.now())),
];

const successes: Call[] = [
  { name: sendOne, status: 201, headers: json, body: JSON.stringify(good) },
  { name: sendOne, status: 201, headers: json, body: JSON.stringify([good, bad]) },
  { name: sendMany, status: 201, headers: json, body: JSON.stringify({ events: [good, bad] }) },
  { name: sendMany, status: 201, headers: ndjson, body: `${JSON.stringify(good)}\n{\n` },
  { name: sendMany, status: 201, headers: { ...ndjson, 'idempotency-key': 'k' }, body: JSON.stringify(good) },
  { name: sendMany, status: 201, headers: msgpack, body: Buffer.from(encode([good])) },
  { name: 'HEAD /api/v1/events', status: 200 },
  { name: 'HEAD /api/v1/events/batch', status: 200 },
  asked('distinct/{metric}', `distinct/users?${crm}`),
  asked('activity/check', `activity/check?${crm}&user_id=alice`),
  asked('activity/check', `activity/check?${crm}&ip=192.0.2.9`),
  asked('top/{metric}', `top/endpoints?${crm}&k=3`),
  asked('summary/{system}', 'summary/crm'),
  asked('percentiles/{metric}', `percentiles/api_latency?${crm}&percentiles=50,99.9`),
  asked('percentiles/{metric}', `percentiles/latency_ms?${crm}&timestamp=2026-01-01T00:00:00Z`),
  asked('frequency/{metric}', `frequency/users?${crm}&item=alice`),
  asked('stats/{metric}', `stats/api_latency?${crm}`),
  asked('stats/{metric}', `stats/latency_ms?${crm}&timestamp=2026-01-01T00:00:00Z&window=1d`),
  asked('activity/check', `activity/check?${crm}&user_id=alice&timestamp=3000-01-01T00:00:00Z`),
  asked('distinct/{metric}', `distinct/users?${crm}&timestamp=3000-01-01T00:00:00Z`),
  asked('distinct/{metric}', `distinct/users?${crm}&timestamp=2001-01-01T00:00:00Z`),
  asked('sla/check', `sla/check?metric=api_latency&${crm}&threshold=200`),
  asked('latency/summary/{system}', 'latency/summary/crm'),
  asked('distinct/{metric}', `distinct/users?${crm}&system=erp&from=2026-01-01T00:00:00Z`),
  asked('distinct/{metric}', 'distinct/users?system=*&window=1w&tz=Europe/Berlin'),
  asked('top/{metric}', `top/endpoints?${crm}&window=1d&rolling=true`),
  ...['users', 'events', 'active_users', 'latency_ms'].map((metric) => {
    const item = metric === 'active_users' ? '&item=alice' : '';
    return asked('timeseries/{metric}', `timeseries/${metric}?${crm}&from=${Date.now() - 7_200_000}${item}`);
  }),
  {
    name: 'POST /api/v1/compliance/summaries',
    status: 200,
    headers: json,
    body: JSON.stringify({ systems: ['crm', 'erp'] }),
  },
  {
    name: 'POST /api/v1/admin/cache/invalidate',
    status: 200,
    headers: json,
    body: JSON.stringify({ systems: ['crm'], endpoint: 'top' }),
  },
  {
    name: 'POST /api/v1/compliance/resolve',
    status: 200,
    headers: json,
    body: JSON.stringify({ users: ['alice'], ips: ['192.0.2.1'] }),
  },
  { name: 'DELETE /api/v1/subjects/{id}', path: '/api/v1/subjects/alice?kind=user', status: 200 },
  { name: 'POST /api/v1/admin/purge', status: 200, headers: json, body: JSON.stringify({ system: 'crm' }) },
  { name: 'GET /api/v1/admin/keys', path: '/api/v1/admin/keys?system=crm&limit=3', status: 200 },
  ...sketchKeys.map((key) => ({
    name: 'GET /api/v1/admin/keys/{key}',
    path: `/api/v1/admin/keys/${encodeURIComponent(key)}`,
    status: 200,
  })),
  { name: 'GET /api/v1/admin/systems/{system}', path: '/api/v1/admin/systems/crm', status: 200 },
  { name: 'GET /api/v1/admin/settings', status: 200 },
  { name: 'GET /api/v1/admin/slow-queries', status: 200 },
  { name: 'GET /api/v1/systems', status: 200 },
  { name: 'GET /api/v1/events/health', status: 200 },
  { name: 'GET /api/v1/events/stats', status: 200 },
  { name: 'GET /livez', status: 200 },
  { name: 'GET /readyz', status: 200 },
  { name: 'GET /metrics', status: 200 },
  { name: 'GET /openapi.json', status: 200 },
  { name: 'GET /openapi.yaml', status: 200 },
  { name: 'GET /problems/{code}', path: '/problems/events_invalid', status: 200 },
  { name: 'GET /problems/{code}', path: '/problems/overloaded', status: 200 },
];

t.test('every operation answers as described', async (t) => {
  for (const call of successes) await answersAsDescribed(t, call);
  const called = new Set(successes.map(({ name }) => name));
  t.strictSame([...called].sort(), operations.map(({ name }) => name).sort(), 'and none was left out');
});

t.test('problems are answered as described', async (t) => {
  const large = Buffer.alloc(16 * 1024 ** 2 + 1, 0x20);
  const strict = { ...json, prefer: 'handling=strict' };
  const calls: Call[] = [
    { name: sendOne, status: 400, headers: json, body: JSON.stringify(bad) },
    { name: sendMany, status: 400, headers: json, body: '[' },
    { name: sendMany, status: 400, headers: strict, body: JSON.stringify([good, bad]) },
    { name: sendMany, status: 400, headers: ndjson, body: '\n' },
    { name: sendMany, status: 400, headers: { ...json, 'idempotency-key': '' }, body: '[{}]' },
    { name: sendMany, status: 422, headers: { ...ndjson, 'idempotency-key': 'k' }, body: '{}' },
    { name: sendMany, status: 413, headers: json, body: large },
    { name: sendMany, status: 415, headers: { 'content-type': 'text/plain' }, body: 'x' },
    { name: sendMany, status: 415, headers: { ...json, 'content-encoding': 'zstd' }, body: 'x' },
    asked('distinct/{metric}', 'distinct/colours?system=crm', 400),
    asked('activity/check', `activity/check?${crm}`, 400),
    asked('top/{metric}', `top/endpoints?${crm}&window=1m`, 422),
    asked('distinct/{metric}', 'distinct/users?system=cmr', 404),
    asked('stats/{metric}', `stats/latencyms?${crm}`, 404),
    asked('sla/check', `sla/check?metric=api_latency&${crm}&threshold=1&timestamp=2026-01-01T00:00:00Z`, 404),
    { name: 'GET /api/v1/systems', path: '/api/v1/systems?cursor=!', status: 400 },
    {
      name: 'POST /api/v1/compliance/resolve',
      status: 400,
      headers: json,
      body: JSON.stringify({ users: [''] }),
    },
    { name: 'DELETE /api/v1/subjects/{id}', path: '/api/v1/subjects/alice?kind=session', status: 400 },
    { name: 'GET /api/v1/admin/keys', path: '/api/v1/admin/keys?cursor=!', status: 400 },
    { name: 'GET /api/v1/admin/keys/{key}', path: '/api/v1/admin/keys/none', status: 404 },
    { name: 'POST /api/v1/admin/purge', status: 400, headers: json, body: '{}' },
    { name: 'POST /api/v1/admin/purge', status: 409, headers: json, body: '{"confirm":"none"}' },
    { name: 'GET /problems/{code}', path: '/problems/none', status: 404 },
  ];
  for (const call of calls) await answersAsDescribed(t, call);
});

t.test('without Redis, too', async (t) => {
  await service.redis.stop();
  const calls: Call[] = [
    { name: sendOne, status: 503, headers: json, body: JSON.stringify(good) },
    { name: sendMany, status: 503, headers: ndjson, body: JSON.stringify(good) },
    asked('distinct/{metric}', `distinct/users?${crm}`, 503),
    asked('summary/{system}', 'summary/crm', 503),
    { name: 'GET /api/v1/systems', status: 503 },
    { name: 'DELETE /api/v1/subjects/{id}', path: '/api/v1/subjects/alice', status: 503 },
    { name: 'GET /api/v1/admin/keys', status: 503 },
    { name: 'GET /api/v1/admin/systems/{system}', path: '/api/v1/admin/systems/crm', status: 503 },
    { name: 'GET /api/v1/admin/keys/{key}', path: '/api/v1/admin/keys/pt:%7Bcrm%7D', status: 503 },
    {
      name: 'POST /api/v1/admin/purge',
      status: 503,
      headers: json,
      body: JSON.stringify({ system: 'crm' }),
    },
    { name: 'GET /api/v1/events/stats', status: 503 },
    { name: 'GET /api/v1/events/health', status: 200 },
    { name: 'GET /readyz', status: 503 },
  ];
  for (const call of calls) await answersAsDescribed(t, call);
});
