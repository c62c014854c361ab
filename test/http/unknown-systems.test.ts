/** Questions about systems that were never written: a mistyped name is neither a "no" nor a zero. */
import t from 'tap';
import { startApp } from '../support/app.js';
import { compliance, event, get, json, post, postRows, query, send } from '../support/http.js';
import { bearer, environmentOf, makeKey } from '../support/keys.js';
import { startRedis } from '../support/redis-server.js';

const timestamp = Date.UTC(2026, 0, 31, 13, 20);
const clock = { now: () => timestamp };
const redis = await startRedis();
const config = { QUERY_CACHE: 'on' } as const;
const one = await startApp({ redis, config, clock });
const other = await startApp({ redis, config, clock });
const { base } = one;
t.teardown(async () => {
  await one.stop();
  await other.stop();
  await redis.stop();
});

interface Answer {
  code: string;
  detail: string;
  system: string | null;
  nearest: string[];
  errors: { pointer: string }[];
  unknown_systems?: string[];
  systems: string[];
  systems_asked: number;
  count: number;
  items: { item: string }[];
}
const row = (system: string, user_id = 'ann') =>
  event({ system, user_id, timestamp, metadata: { ip: '192.0.2.1', endpoint: '/a', latency_ms: 5 } });
await postRows(base, [row('billing'), row('billings'), row('semicomplete.com'), row('crm', 'bob')]);

/** A question about systems, each named by itself. */
const about = (path: string, parameters: Record<string, string | number>, ...systems: string[]) => {
  const named = systems.map((system) => `system=${encodeURIComponent(system)}`).join('&');
  const rest = query('', parameters).slice(1);
  return `/api/v1/compliance/${path}?${[named, rest].filter((part) => part !== '').join('&')}`;
};
const from = timestamp - 3_600_000;
const questions: [path: string, parameters: Record<string, string | number>][] = [
  ['distinct/users', {}],
  ['activity/check', { user_id: 'ann' }],
  ['top/active_users', {}],
  ['frequency/users', { item: 'ann' }],
  ['percentiles/latency_ms', {}],
  ['stats/latency_ms', {}],
  ['sla/check', { metric: 'latency_ms', threshold: 10 }],
  ['timeseries/users', { from }],
  ['timeseries/events', { from }],
  ['timeseries/active_users', { from, item: 'ann' }],
  ['timeseries/latency_ms', { from }],
];
/** The cache says where an answer came from, and nothing more where it was not kept. */
const computedOnly = { 'cache-status': 'papertrail; fwd=miss', 'cache-control': 'private, no-cache' };

t.test('the only system asked about does not exist: 404 with the names nearest to it', async (t) => {
  const paths = [
    ...questions.map(([path, parameters]) => about(path, parameters, 'biling')),
    compliance('summary/biling'),
    compliance('latency/summary/biling'),
  ];
  for (const path of paths) {
    const answer = await get<Answer>(base, path);
    t.equal(answer.status, 404, path);
    t.equal(answer.headers['content-type'], 'application/problem+json');
    t.match(
      answer.body,
      { code: 'system_unknown', system: 'biling', errors: [{ pointer: '/system' }] },
      path,
    );
    t.strictSame(answer.body.nearest, ['billing', 'billings'], path);
    t.match(answer.body.detail, /"biling".*billing, billings/, path);
  }
});

t.test(
  'a name in another case is another system, and the one that exists is among the nearest',
  async (t) => {
    const { status, body } = await get<Answer>(base, compliance('summary/Billing'));
    t.match({ status, body }, { status: 404, body: { code: 'system_unknown' } });
    t.equal(body.nearest[0], 'billing');
  },
);

t.test('a name that is like no other is a 404 without names', async (t) => {
  const { status, body } = await get<Answer>(base, about('distinct/users', {}, 'qqqqqq'));
  t.match({ status, body }, { status: 404, body: { code: 'system_unknown' } });
  t.strictSame(body.nearest, []);
});

for (const name of ['__proto__', 'constructor', 'a:b {c}*', '\u202e', 'é'.repeat(128)]) {
  t.test(`the name ${JSON.stringify(name).slice(0, 20)} is unknown like any other`, async (t) => {
    const path = about('activity/check', { user_id: 'ann' }, name);
    t.match(await get(base, path), { status: 404, body: { code: 'system_unknown', system: name } });
  });
}

t.test(
  'beside systems that exist the unknown ones are listed, and the answer is of the others',
  async (t) => {
    for (const [path, parameters] of questions) {
      const asked = about(path, parameters, 'nosuch', 'billing', 'biling');
      const { status, body, headers } = await get<Answer>(base, asked);
      t.equal(status, 200, asked);
      t.strictSame(body.unknown_systems, ['biling', 'nosuch'], asked);
      t.equal(body.systems_asked, 3, asked);
      t.match(headers, computedOnly, 'it is not kept');
      const { body: alone } = await get<Answer>(base, about(path, parameters, 'billing'));
      t.equal(body.count, alone.count, asked);
      t.strictSame(body.items, alone.items, asked);
    }
  },
);

t.test('several systems of which none exists are all listed', async (t) => {
  const { status, body } = await get<Answer>(base, about('distinct/users', {}, 'nosuch', 'biling'));
  t.equal(status, 200);
  t.match(body, { unknown_systems: ['biling', 'nosuch'], count: 0 });
});

t.test('a "no" about systems none of which exists is not certain', async (t) => {
  const ask = async (...system: string[]) => {
    const path = about('activity/check', { user_id: 'nobody' }, ...system);
    return (await get<{ accessed: boolean; confidence: number | null }>(base, path)).body;
  };
  t.match(await ask('biling', 'nosuch'), { accessed: false, confidence: null });
  t.match(await ask('billing', 'nosuch'), { accessed: false, confidence: 1 });
});

t.test('where all exist nothing is said of unknown ones', async (t) => {
  const { body } = await get<Answer>(base, about('distinct/users', {}, 'billing', 'crm'));
  t.notOk('unknown_systems' in body);
});

t.test('the same system named twice is one, and unknown alone', async (t) => {
  const { status } = await get<Answer>(base, about('distinct/users', {}, 'nosuch', 'nosuch'));
  t.equal(status, 404);
});

t.test('POST summaries says which of its systems does not exist, and answers the others', async (t) => {
  const answer = await post<{ summaries: unknown[]; failed: number }>(
    base,
    JSON.stringify({ systems: ['crm', 'biling', 'billing'] }),
    json,
    '/api/v1/compliance/summaries',
  );
  t.equal(answer.status, 200);
  t.match(answer.body, {
    failed: 1,
    summaries: [
      { system: 'crm', hourly: { unique_users: 1 } },
      {
        system: 'biling',
        error: { code: 'system_unknown', status: 404, nearest: ['billing', 'billings'] },
      },
      { system: 'billing', hourly: { unique_users: 1 } },
    ],
  });
});

t.test('* is never unknown: in an empty store it is nothing of no systems', async (t) => {
  const empty = await startApp({ config, clock });
  t.teardown(empty.stop);
  for (const [path, parameters, answer] of [
    ['distinct/users', {}, { count: 0 }],
    ['activity/check', { user_id: 'ann' }, { accessed: false }],
    ['top/active_users', {}, { items: [] }],
    ['frequency/users', { item: 'ann' }, { count: 0 }],
    ['percentiles/latency_ms', {}, { count: 0 }],
    ['percentiles/unheard_of', {}, { count: 0 }],
    ['timeseries/users', { from }, { system: '*' }],
  ] as const) {
    const { status, body } = await get<Answer>(empty.base, about(path, parameters, '*'));
    t.equal(status, 200, path);
    t.match(body, { system: '*', systems_asked: 0, ...answer }, path);
    t.notOk('unknown_systems' in body, path);
  }
  t.match(await get(empty.base, compliance('summary/*')), { status: 200, body: { systems_asked: 0 } });
});

t.test('an event makes its system known at once, in every process', async (t) => {
  const paths = questions.map(([path, parameters]) => about(path, parameters, 'newcomer'));
  for (const path of [...paths, compliance('summary/newcomer')]) {
    for (const at of [base, other.base, base]) t.equal((await get(at, path)).status, 404, path);
  }
  t.equal((await postRows(base, [row('newcomer')])).status, 201);
  for (const path of [...paths, compliance('summary/newcomer')]) {
    for (const at of [base, other.base]) t.equal((await get(at, path)).status, 200, path);
  }
});

t.test('a system that is known by no more than an old event is known', async (t) => {
  await postRows(base, [event({ system: 'quiet', timestamp: timestamp - 30 * 86_400_000 })]);
  const { status, body } = await get<Answer>(base, about('distinct/users', {}, 'quiet'));
  t.match({ status, body }, { status: 200, body: { count: 0, coverage: 'complete' } });
});

t.test('a key for some systems', async (t) => {
  const clerk = makeKey({ scopes: ['query'], systems: ['billing', 'biling', 'nosuch'] });
  const closed = await startApp({ redis, clock, config: { ...config, API_KEYS: environmentOf(clerk) } });
  t.teardown(closed.stop);
  const ask = (path: string) => send<Answer>(closed.base, { path, headers: bearer(clerk) });

  t.test('gets a 403 for every other system, there or not', async (t) => {
    for (const system of ['crm', 'billings', 'qqqqqq']) {
      for (const [path, parameters] of questions) {
        const answer = await ask(about(path, parameters, system));
        t.match(answer, { status: 403, body: { code: 'system_forbidden' } }, `${path} ${system}`);
        t.notOk('nearest' in answer.body);
      }
    }
    t.equal((await ask(about('distinct/users', {}, 'biling', 'crm'))).status, 403);
  });

  t.test('gets a 404 for one of its own that does not exist, with names of its own only', async (t) => {
    const { status, body, text } = await ask(about('distinct/users', {}, 'biling'));
    t.match({ status, body }, { status: 404, body: { code: 'system_unknown' } });
    t.strictSame(body.nearest, ['billing']);
    t.notMatch(text, 'billings');
  });

  t.test('gets no names of others in summaries either', async (t) => {
    const answer = await send<{ summaries: { error: Answer }[] }>(closed.base, {
      method: 'POST',
      path: '/api/v1/compliance/summaries',
      headers: { ...json, ...bearer(clerk) },
      body: JSON.stringify({ systems: ['biling', 'crm'] }),
    });
    const [biling, crm] = answer.body.summaries;
    t.strictSame(biling.error.nearest, ['billing']);
    t.match(crm.error, { code: 'system_forbidden' });
    t.notMatch(answer.text, 'billings');
  });
});
