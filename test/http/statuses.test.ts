/**
 * Every status that the API description declares for an operation can be had, and this is how. The table is held
 * against the description both ways: a status nobody can reach must not be declared.
 */
import t from 'tap';
import { systemKey } from '../../src/redis/keys.js';
import { startApp, type TestApp } from '../support/app.js';
import { query, send } from '../support/http.js';
import { bearer, environmentOf, makeKey } from '../support/keys.js';
import {
  alone,
  always,
  astray,
  at,
  crowded,
  events,
  get,
  guarded,
  ingest,
  limited,
  masked,
  overRate,
  post,
  question,
  type Scenarios,
  TRIES_MAX,
  time,
  whole,
} from '../support/status-services.js';

const numeric = { ...time, metric: 'latency_ms' };
const compliance = '/api/v1/compliance';

const resolve = `${compliance}/resolve`;
const subject = '/api/v1/subjects/alice';
const remove =
  ({ base }: TestApp, path: string) =>
  () =>
    send(base, { method: 'DELETE', path });

const admin = '/api/v1/admin';
const keyPath = (key: string) => `${admin}/keys/${encodeURIComponent(key)}`;
const administration: Record<string, Scenarios> = {
  [`GET ${admin}/settings`]: always(`${admin}/settings`, 'settings are shown without Redis'),
  [`GET ${admin}/slow-queries`]: always(`${admin}/slow-queries`, 'slow questions are shown without Redis'),
  [`GET ${admin}/keys`]: {
    200: { guarantee: 'keys are listed', ask: get(whole, `${admin}/keys`) },
    400: { guarantee: 'a cursor of another list is refused', ask: get(whole, `${admin}/keys?cursor=x`) },
    503: { guarantee: 'a Redis that is away has not no keys', ask: get(alone, `${admin}/keys`) },
  },
  [`GET ${admin}/keys/{key}`]: {
    200: { guarantee: 'a sketch says what it is', ask: get(whole, keyPath(systemKey('crm'))) },
    404: { guarantee: 'a key that is not there is not made up', ask: get(whole, keyPath(systemKey('none'))) },
    422: { guarantee: 'what is not ours is not guessed at', ask: get(whole, keyPath(systemKey('broken'))) },
    503: { guarantee: 'without Redis nothing is said of a key', ask: get(alone, keyPath(systemKey('crm'))) },
  },
  [`GET ${admin}/systems/{system}`]: {
    200: { guarantee: 'what is kept of a system', ask: get(whole, `${admin}/systems/crm`) },
    400: {
      guarantee: 'a name that no system can have is refused',
      ask: get(whole, `${admin}/systems/${'x'.repeat(300)}`),
    },
    503: { guarantee: 'without Redis nothing is counted', ask: get(alone, `${admin}/systems/crm`) },
  },
  [`POST ${admin}/purge`]: {
    200: { guarantee: 'what would go is said', ask: post(whole, `${admin}/purge`, '{"system":"crm"}') },
    400: { guarantee: 'nothing is purged that is not named', ask: post(whole, `${admin}/purge`, '{}') },
    409: {
      guarantee: 'what was not asked for cannot be confirmed',
      ask: post(whole, `${admin}/purge`, '{"confirm":"none"}'),
    },
    422: {
      guarantee: 'no more systems at once than can be shown before',
      ask: post(crowded, `${admin}/purge`, '{"pattern":"*"}'),
    },
    500: {
      guarantee: 'with a broken directory no system is overlooked',
      ask: post(astray, `${admin}/purge`, '{"pattern":"*"}'),
    },
    503: {
      guarantee: 'without Redis nothing is purged',
      ask: post(alone, `${admin}/purge`, '{"system":"crm"}'),
    },
  },
};

const operations: Record<string, Scenarios> = {
  ...administration,
  [`POST ${resolve}`]: {
    200: {
      guarantee: 'the pseudonym of an id is told',
      ask: post(masked, resolve, '{"users":["alice"]}'),
    },
    400: { guarantee: 'ids of no kind are refused', ask: post(masked, resolve, '{"people":[]}') },
    409: {
      guarantee: 'without a key nobody has a pseudonym',
      ask: post(whole, resolve, '{"users":["alice"]}'),
    },
    429: {
      guarantee: 'no dictionary of pseudonyms at full speed',
      ask: overRate(post(limited, resolve, '{"users":["alice"]}')),
    },
  },
  'DELETE /api/v1/subjects/{id}': {
    200: { guarantee: 'a person is taken out of the lists', ask: remove(masked, subject) },
    400: { guarantee: 'a person is a user or an IP', ask: remove(whole, `${subject}?kind=dog`) },
    500: { guarantee: 'a removal that cannot find the systems is no success', ask: remove(astray, subject) },
    503: { guarantee: 'nor is one without Redis', ask: remove(alone, subject) },
  },
  'GET /metrics': always('/metrics', 'metrics are there without Redis'),
  'GET /openapi.json': always('/openapi.json', 'the description is there without Redis'),
  'GET /openapi.yaml': always('/openapi.yaml', 'the description is there as YAML'),
  'GET /livez': always('/livez', 'the process is alive without Redis'),
  'GET /api/v1/events/health': always('/api/v1/events/health', 'older clients are told of the health'),
  'GET /problems/{code}': {
    ...always('/problems/no_data', 'a problem is explained'),
    404: { guarantee: 'a problem that is none is not explained', ask: get(whole, '/problems/none') },
  },
  'GET /readyz': {
    200: { guarantee: 'with Redis the service is ready', ask: get(whole, '/readyz?verbose') },
    400: { guarantee: 'what is asked for twice is refused', ask: get(whole, '/readyz?verbose=1&verbose=2') },
    503: { guarantee: 'without Redis it is not', ask: get(alone, '/readyz') },
  },
  'GET /api/v1/events/stats': {
    200: { guarantee: 'figures of Redis', ask: get(whole, '/api/v1/events/stats') },
    503: { guarantee: 'no figures of a Redis that is away', ask: get(alone, '/api/v1/events/stats') },
  },
  'POST /api/v1/events': ingest('/api/v1/events'),
  'POST /api/v1/events/batch': ingest(events),
  [`GET ${compliance}/distinct/{metric}`]: question(`${compliance}/distinct/users`, time),
  [`GET ${compliance}/activity/check`]: question(`${compliance}/activity/check`, {
    timestamp: at,
    user_id: 'alice',
  }),
  [`GET ${compliance}/top/{metric}`]: question(`${compliance}/top/active_users`, time),
  [`GET ${compliance}/frequency/{metric}`]: question(`${compliance}/frequency/users`, {
    timestamp: at,
    item: 'alice',
  }),
  [`GET ${compliance}/summary/{system}`]: question(`${compliance}/summary/{system}`, { timestamp: at }),
  [`GET ${compliance}/percentiles/{metric}`]: question(`${compliance}/percentiles/latency_ms`, time),
  [`GET ${compliance}/stats/{metric}`]: question(`${compliance}/stats/latency_ms`, time),
  [`GET ${compliance}/latency/summary/{system}`]: question(`${compliance}/latency/summary/{system}`, numeric),
  [`GET ${compliance}/timeseries/{metric}`]: question(`${compliance}/timeseries/users`, {
    from: at - 3_600,
    to: at + 3_600,
    step: '1h',
  }),
  [`GET ${compliance}/sla/check`]: {
    ...question(`${compliance}/sla/check`, { ...numeric, threshold: 10 }),
    404: {
      guarantee: 'an SLA about which nothing is known is neither met nor missed',
      ask: get(
        whole,
        query(`${compliance}/sla/check`, {
          ...numeric,
          threshold: 10,
          system: 'crm',
          timestamp: at - 86_400,
        }),
      ),
    },
  },
  [`POST ${compliance}/summaries`]: {
    200: {
      guarantee: 'many systems at once',
      ask: post(whole, `${compliance}/summaries`, '{"systems":["crm"]}'),
    },
    429: {
      guarantee: 'many at once are limited, too',
      ask: overRate(post(limited, `${compliance}/summaries`, '{"systems":["crm"]}')),
    },
    400: { guarantee: 'at least one system', ask: post(whole, `${compliance}/summaries`, '{"systems":[]}') },
  },
  'GET /api/v1/systems': {
    200: { guarantee: 'the systems there are', ask: get(whole, '/api/v1/systems') },
    400: { guarantee: 'a cursor of another list is refused', ask: get(whole, '/api/v1/systems?cursor=x') },
    429: {
      guarantee: 'this question is limited as others are',
      ask: overRate(get(limited, '/api/v1/systems')),
    },
    500: { guarantee: 'a broken directory is an error, not empty', ask: get(astray, '/api/v1/systems') },
    503: { guarantee: 'without Redis no system is named', ask: get(alone, '/api/v1/systems') },
  },
  'POST /api/v1/admin/cache/invalidate': {
    200: {
      guarantee: 'answers are made invalid',
      ask: post(whole, '/api/v1/admin/cache/invalidate', '{}'),
    },
    400: {
      guarantee: 'what is to be invalid is checked',
      ask: post(whole, '/api/v1/admin/cache/invalidate', '{"wrong":1}'),
    },
    429: {
      guarantee: 'no more of anything than an address may ask for',
      ask: overRate(post(guarded, '/api/v1/admin/cache/invalidate', '{}')),
    },
    500: {
      guarantee: 'an invalidation that cannot be noted is no success',
      ask: post(astray, '/api/v1/admin/cache/invalidate', '{}'),
    },
    503: {
      guarantee: 'nor is one that Redis does not get',
      ask: post(alone, '/api/v1/admin/cache/invalidate', '{}'),
    },
  },
};
for (const path of ['/api/v1/events', events]) {
  operations[`HEAD ${path}`] = {
    200: {
      guarantee: 'a log shipper learns that events are taken here',
      ask: () => send(whole.base, { method: 'HEAD', path }),
    },
  };
}

/** Keys that are for nothing, so that every scope is missing. */
const useless = makeKey({ scopes: [] });
const kept = { API_KEYS: environmentOf(useless) };

/** Where a key is needed: without one, with one that is not for this, and with too many of those. */
function refusals(name: string): Scenarios {
  const [method, pattern] = name.split(' ');
  const path = pattern.replace(/\{\w+\}/g, 'users');
  const ask = async (headers: Record<string, string>, times = 1) => {
    const app = await startApp({ config: kept, redis: whole.redis });
    let answer = await send(app.base, { method, path, headers });
    for (let i = 1; i < times && answer.status !== 429; i++)
      answer = await send(app.base, { method, path, headers });
    await app.stop();
    return answer;
  };
  return {
    401: { guarantee: 'nobody enters without a key', ask: () => ask({}) },
    403: { guarantee: 'a key is good for its scopes only', ask: () => ask(bearer(useless)) },
    429: { guarantee: 'who is refused again and again is not looked at', ask: () => ask({}, TRIES_MAX) },
  };
}
const open = /^GET (\/metrics|\/openapi|\/livez|\/readyz|\/problems|\/api\/v1\/events\/(health|stats))/;
for (const [name, scenarios] of Object.entries(operations)) {
  if (!open.test(name)) operations[name] = { ...refusals(name), ...scenarios };
}

interface Document {
  paths: Record<string, Record<string, { responses: Record<string, object> }>>;
}
const { body: document } = await send<Document>(whole.base, { path: '/openapi.json' });

t.test('the table has every status that is declared, and no other', async (t) => {
  const declared = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).flatMap(([method, { responses }]) =>
      Object.keys(responses).map((status) => `${method.toUpperCase()} ${path} ${status}`),
    ),
  );
  const reached = Object.entries(operations).flatMap(([name, scenarios]) =>
    Object.keys(scenarios).map((status) => `${name} ${status}`),
  );
  t.ok(declared.length > 80);
  t.strictSame(reached.sort(), declared.sort());
});

for (const [name, scenarios] of Object.entries(operations)) {
  t.test(name, async (t) => {
    for (const [status, { guarantee, ask }] of Object.entries(scenarios)) {
      const answer = await ask();
      t.equal(answer.status, Number(status), `${status}: ${guarantee}`);
      if (status < '400' || (name === 'GET /readyz' && status === '503')) continue;
      t.equal(answer.headers['content-type'], 'application/problem+json');
      if (
        status === '503' ||
        status === '429' ||
        (answer.body as { code: string } | undefined)?.code === 'request_in_flight'
      )
        t.match(answer.headers['retry-after'], /^\d+$/);
      if (name.startsWith('HEAD')) continue;
      t.match(answer.body, {
        status: Number(status),
        code: String,
        requestId: answer.headers['x-request-id'],
      });
    }
  });
}
