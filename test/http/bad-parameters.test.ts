/** GET: parameters and paths that are wrong. Each gets its 4xx that names what is wrong, and Redis is not asked. */
import t, { type Test } from 'tap';
import { generationsKey } from '../../src/redis/keys.js';
import { startApp } from '../support/app.js';
import { get, send } from '../support/http.js';
import { withRedis } from '../support/redis-state.js';

const { base, redis, stop } = await startApp();
t.teardown(stop);

interface ProblemBody {
  code: string;
  detail: string;
  errors?: { pointer: string; detail: string }[];
}

const root = '/api/v1/compliance';
const distinct = `${root}/distinct/users`;
const top = `${root}/top/active_users`;
const check = `${root}/activity/check`;
const percentiles = `${root}/percentiles/latency_ms`;
const sla = `${root}/sla/check`;

/** Each path is answered with this status and problem, and the parameter is named. */
function refuses(
  t: Test,
  status: number,
  code: string,
  cases: readonly [path: string, pointer?: string][],
): void {
  for (const [path, pointer] of cases) {
    t.test(path.length > 120 ? `${path.slice(0, 120)}... (${path.length})` : path, async (t) => {
      const answer = await get<ProblemBody>(base, path);
      t.equal(answer.status, status);
      t.equal(answer.headers['content-type'], 'application/problem+json');
      t.hasStrict(answer.body, { code, status });
      if (pointer) t.ok(answer.body?.errors?.some((error) => error.pointer === pointer && error.detail));
    });
  }
}

t.test('GET /api/v1/compliance/*', async (t) => {
  t.test('400 parameter_invalid', async (t) => {
    refuses(t, 400, 'parameter_invalid', [
      [distinct, '/system'],
      [`${distinct}?system=`, '/system'],
      [`${distinct}?system=${'s'.repeat(257)}`, '/system'],
      [`${distinct}?${Array.from({ length: 101 }, (_, i) => `system=s${i}`).join('&')}`, '/system'],
      [`${distinct}?system=a&system=`, '/system'],
      [`${distinct}?system[]=a`, '/system'],
      [`${distinct}?system=a&window=2h`, '/window'],
      [`${distinct}?system=a&window=1H`, '/window'],
      [`${distinct}?system=a&window=`, '/window'],
      [`${distinct}?system=a&window=1h&window=1d`, '/window'],
      [`${distinct}?system=a&windw=1h`, '/windw'],
      [`${distinct}?system=a&k=1`, '/k'],
      [`${distinct}?system=a&__proto__=1`, '/__proto__'],
      [`${root}/distinct/endpoints?system=a`, '/metric'],
      [`${root}/distinct/__proto__?system=a`, '/metric'],
      [`${root}/distinct/toString?system=a`, '/metric'],
      [`${root}/top/users?system=a`, '/metric'],
      ...['-1', '0', '1001', 'abc', '', '1.5', '1e400', 'NaN', 'true', 'null', '0x10', '1e1', '%2010'].map(
        (k): [string, string] => [`${top}?system=a&k=${k}`, '/k'],
      ),
      [`${top}?system=a&k=5&k=6`, '/k'],
      [`${check}?system=a`, '/user_id'],
      [`${check}?system=a&user_id=u&ip=1`, '/user_id'],
      [`${check}?system=a&user_id=`, '/user_id'],
      [`${check}?system=a&ip=`, '/ip'],
      [`${check}?system=a&user_id=a&user_id=b`, '/user_id'],
      [`${check}?system=a&user_id=${'u'.repeat(513)}`, '/user_id'],
      ...[
        '101',
        '-1',
        '',
        ',',
        '50,',
        '50,,95',
        'abc',
        'NaN',
        'Infinity',
        '1e1',
        '0x10',
        '50;95',
        '100.1',
      ].map((list): [string, string] => [`${percentiles}?system=a&percentiles=${list}`, '/percentiles']),
      [`${percentiles}?system=a&percentiles=${'50,'.repeat(100)}51`, '/percentiles'],
      [`${percentiles}?system=a&percentiles=9.99,99.9`, '/percentiles'],
      ...['nan', 'NaN', 'Infinity', '-Infinity', '1e400', '', '%20', 'abc', '1,5'].map(
        (threshold): [string, string] => [`${sla}?system=a&metric=m&threshold=${threshold}`, '/threshold'],
      ),
      [`${sla}?system=a&metric=m`, '/threshold'],
      [`${sla}?system=a&threshold=1`, '/metric'],
      [`${sla}?metric=m&threshold=1`, '/system'],
      [`${sla}?system=a&metric=m&threshold=1&percentile=101`, '/percentile'],
      [`${sla}?system=a&metric=m&threshold=1&percentile=`, '/percentile'],
      [`${sla}?system=a&metric=m&threshold=1&percentile=50,95`, '/percentile'],
      [`${root}/summary/${'s'.repeat(257)}`, '/system'],
      [`${root}/summary/a?window=1h`, '/window'],
      [`${root}/latency/summary/a?metric=`, '/metric'],
      ...[
        '2025-02-30T12:00:00Z',
        '2024-13-01',
        '01/31/2024',
        '2024-01-01T00:00:00',
        '2024-01-01T25:00:00Z',
        '1e30',
        '1'.repeat(40),
        'NaN',
        'Now',
        'tomorrow',
        '-1y',
        '-24H',
        '-1.5h',
        '2023-02-29',
        '-999999w',
        '',
        '%00',
        '-',
        '2024-01-01T00:00:00Z&timestamp=2024-01-01T00:00:00Z',
      ].map((timestamp): [string, string] => [`${distinct}?system=a&timestamp=${timestamp}`, '/timestamp']),
      ['/api/v1/systems?limit=0', '/limit'],
      ['/api/v1/systems?limit=1001', '/limit'],
      ['/api/v1/systems?limit=abc', '/limit'],
      ['/api/v1/systems?cursor=', '/cursor'],
      ['/api/v1/systems?cursor=!!', '/cursor'],
      ['/api/v1/systems?cursor=_w', '/cursor'],
      ['/api/v1/systems?page=1', '/page'],
    ]);
  });

  t.test(
    '400 of a query whose percent-encoding is broken, since it would ask about another name',
    async (t) => {
      for (const name of ['%zz', '%', '%f', '%FF', '%C0%80', '%ED%A0%80', 'a%E2%82']) {
        const answer = await get(base, `${distinct}?system=${name}`);
        t.equal(answer.status, 400, name);
      }
    },
  );

  t.test('the name that means all systems is answered as all of them, of which there are none', async (t) => {
    for (const path of [
      `${distinct}?system=*`,
      `${top}?system=%2A`,
      `${check}?system=*&user_id=u`,
      `${root}/summary/*`,
    ]) {
      const { status, body } = await get(base, path);
      t.equal(status, 200, path);
      t.match(body, { system: '*', systems_asked: 0 }, path);
    }
  });

  t.test('400 of parameters that do not go together, or not with each other', async (t) => {
    const from = '2026-01-01T00:00:00Z';
    refuses(t, 400, 'parameter_invalid', [
      [`${distinct}?system=a&from=${from}&window=1h`, '/window'],
      [`${distinct}?system=a&from=${from}&timestamp=${from}`, '/timestamp'],
      [`${distinct}?system=a&from=${from}&rolling=true`, '/rolling'],
      [`${distinct}?system=a&from=${from}&tz=Europe/Berlin`, '/tz'],
      [`${distinct}?system=a&rolling=true&tz=Europe/Berlin`, '/tz'],
      [`${distinct}?system=a&rolling=perhaps`, '/rolling'],
      [`${distinct}?system=a&to=${from}`, '/from'],
      [`${distinct}?system=a&from=${from}&to=${from}`, '/to'],
      [`${distinct}?system=a&from=3000-01-01T00:00:00Z`, '/from'],
      [`${distinct}?system=a&from=2000-01-01T00:00:00Z&to=${from}`, '/from'],
      [`${distinct}?system=a&from=2026-02-30T00:00:00Z`, '/from'],
      [`${distinct}?system=a&from=${from}&to=tomorrow`, '/to'],
      [`${distinct}?system=a&tz=Mars/Olympus`, '/tz'],
      [`${distinct}?system=a&tz=`, '/tz'],
      [`${root}/timeseries/users?system=a`, '/from'],
      [`${root}/timeseries/users?system=a&from=${from}&step=2h`, '/step'],
      [`${root}/timeseries/users?system=a&from=${from}&item=x`, '/item'],
      [`${root}/timeseries/active_users?system=a&from=${from}`, '/item'],
      [`${root}/timeseries/latency_ms?system=a&from=${from}&percentiles=101`, '/percentiles'],
    ]);
  });

  t.test('400 of a time that cannot be written with a year of four digits', async (t) => {
    const last = '9999-12-31T23:59:59.999Z';
    const first = '0000-01-01T00:00:00Z';
    const before = '9999-12-31T12:00:00Z';
    refuses(t, 400, 'parameter_invalid', [
      ...['1m', '1h', '1d', '1w', '1M'].map((window): [string, string] => [
        `${distinct}?system=a&window=${window}&timestamp=${last}`,
        '/timestamp',
      ]),
      [`${distinct}?system=a&window=1w&timestamp=${first}`, '/timestamp'],
      [`${distinct}?system=a&window=1d&tz=Etc/GMT-14&timestamp=${first}`, '/timestamp'],
      [`${distinct}?system=a&window=1d&tz=Etc/GMT%2B12&timestamp=${last}`, '/timestamp'],
      [`${distinct}?system=a&window=1h&rolling=true&timestamp=${first}`, '/timestamp'],
      [`${distinct}?system=a&window=1d&rolling=true&timestamp=${last}`, '/timestamp'],
      [`${distinct}?system=a&from=${before}&to=${last}`, '/to'],
      [`${distinct}?system=a&from=${before}&to=10000-01-01T00:00:00Z`, '/to'],
      [`${distinct}?system=a&from=${before}&to=%2B010000-01-01T00:00:00Z`, '/to'],
      [`${distinct}?system=a&from=${before}&to=253402300800`, '/to'],
      [`${check}?system=a&user_id=u&from=${before}&to=9999-12-31T13:00:00Z`, '/to'],
      [`${root}/summary/a?timestamp=${last}`, '/timestamp'],
      [`${root}/latency/summary/a?timestamp=${last}`, '/timestamp'],
      [`${root}/timeseries/users?system=a&from=${before}&to=${last}`, '/to'],
      [`${root}/timeseries/events?system=a&from=${before}&to=9999-12-31T13:00:00Z&step=1d`, '/to'],
      [`${root}/timeseries/users?system=a&from=${first}&to=0000-01-02T00:00:00Z&step=1w`, '/from'],
    ]);
    for (const path of [
      `${distinct}?system=*&window=1h&timestamp=9999-12-31T22:59:59Z`,
      `${distinct}?system=*&from=${before}&to=9999-12-31T23:59:00Z`,
      `${root}/timeseries/users?system=*&from=${before}&to=9999-12-31T23:00:00Z`,
      `${distinct}?system=*&window=1d&timestamp=${first}`,
    ]) {
      t.equal((await get(base, path)).status, 200, path);
    }
  });

  t.test('422 of what would read too much, or a zone whose hours are not those of UTC', async (t) => {
    refuses(t, 422, 'zone_unsupported', [[`${distinct}?system=a&window=1d&tz=Asia/Kolkata`, '/tz']]);
    const refused = await get<ProblemBody & { ranges: { from: string; to: string }[] }>(
      base,
      `${distinct}?system=a&window=1d&tz=Asia/Kolkata&timestamp=2026-07-15T12:00:00Z`,
    );
    t.equal(refused.body.ranges.length, 2);
    for (const { from, to } of refused.body.ranges) {
      const { status, body } = await get(base, `${distinct}?system=*&from=${from}&to=${to}`);
      t.match(
        { status, body },
        { status: 200, body: { from, to } },
        'the range it names is answered as it is',
      );
    }
    const year = 'from=2025-01-01T00:00:00Z&to=2026-01-01T00:00:00Z';
    refuses(t, 422, 'series_too_long', [[`${root}/timeseries/users?system=a&${year}&step=1h`, '/step']]);
    refuses(t, 422, 'question_too_large', [[`${root}/timeseries/events?system=a&${year}&step=1d`, '/from']]);
  });

  t.test('422 names the windows that are kept', async (t) => {
    refuses(t, 422, 'window_unsupported', [
      [`${top}?system=a&window=1m`, '/window'],
      [`${check}?system=a&user_id=u&window=1h`, '/window'],
      [`${percentiles}?system=a&window=15m`, '/window'],
      [`${root}/latency/summary/a?window=5m`, '/window'],
      [`${sla}?system=a&metric=m&threshold=1&window=1m`, '/window'],
      ...['UTC', 'Etc/UTC', 'Europe/Berlin'].flatMap((tz): [string, string][] => [
        [`${top}?system=a&window=5m&tz=${tz}`, '/window'],
        [`${check}?system=a&user_id=u&window=1h&tz=${tz}`, '/window'],
      ]),
    ]);
    const { body } = await get<ProblemBody>(base, `${top}?system=a&window=5m`);
    t.match(body.detail, '1h, 1d, 1w, 1M');
  });
});

t.test('GET', async (t) => {
  t.test('404', async (t) => {
    refuses(t, 404, 'not_found', [
      ['/'],
      ['/nothing'],
      ['/api/v1'],
      ['/api/v1/compliance'],
      [`${root}/distinct`],
      [`${root}/percentiles/?system=a`],
      [`${root}/summary/`],
      [`${root}/nothing/users?system=a`],
      ['/problems/nothing'],
      ['/problems/__proto__'],
      ['/problems/constructor'],
    ]);
    refuses(t, 404, 'system_unknown', [
      [`${distinct}?system=a`, '/system'],
      [`${sla}?system=a&metric=m&threshold=1`, '/system'],
    ]);
    t.test('for an unknown method of HTTP too', async (t) => {
      const { status } = await send(base, { method: 'PROPFIND', path: '/livez' });
      t.ok(status === 404 || status === 405, String(status));
    });
    t.test('for a body sent to no path, whatever it holds', async (t) => {
      for (const headers of [{ 'content-type': 'application/json' }, { 'content-type': 'text/csv' }]) {
        t.equal((await send(base, { method: 'POST', path: '/nothing', headers, body: '{' })).status, 404);
      }
    });
  });

  t.test('400 of a path that is not a URL, as a problem that repeats none of it', async (t) => {
    for (const name of ['%zz', '%', '%FF', '%ED%A0%80', '%C0%80', 'secret-id%zz']) {
      const answer = await get(base, `${root}/summary/${name}`);
      t.equal(answer.status, 400, name);
      t.equal(answer.headers['content-type'], 'application/problem+json', name);
      t.hasStrict(answer.body, { code: 'request_invalid' }, name);
      t.notMatch(answer.text, 'secret-id');
    }
  });

  t.test('414 of a path whose name is too long, as a problem that repeats none of it', async (t) => {
    const answer = await get(base, `${root}/summary/secret-id${'a'.repeat(1_600)}`);
    t.equal(answer.status, 414);
    t.equal(answer.headers['content-type'], 'application/problem+json');
    t.hasStrict(answer.body, { code: 'name_too_long' });
    t.notMatch(answer.text, 'secret-id');
  });

  t.test('431 of headers that are too large, and the service goes on', async (t) => {
    const headers = { 'x-large': 'a'.repeat(20_000) };
    const answer = await send(base, { path: '/livez', headers });
    t.equal(answer.status, 431);
    t.equal(answer.headers['content-type'], 'application/problem+json');
    t.equal((await get(base, '/livez')).status, 200);
  });

  t.test('405 with Allow on every other path', async (t) => {
    for (const path of ['/livez', '/metrics', '/openapi.json', `${root}/summary/a`, '/api/v1/systems']) {
      const answer = await send(base, { method: 'DELETE', path });
      t.equal(answer.status, 405, path);
      t.equal(answer.headers.allow, 'GET, HEAD', path);
    }
  });
});

t.test('what is missing, unknown or no object is told in words', async (t) => {
  const detailOf = async (path: string) => (await get<ProblemBody>(base, path)).body.detail;
  t.equal(await detailOf(distinct), '/system is required');
  t.equal(await detailOf(`${distinct}?system=s&sistem=t`), '/sistem is not a parameter here');
  const bare = await send<ProblemBody>(base, { method: 'POST', path: `${root}/summaries` });
  t.match(bare, { status: 400, body: { detail: 'the body must be object' } });
});

t.test('summaries are of systems: all of them together are another question', async (t) => {
  const body = JSON.stringify({ systems: ['crm', '*'] });
  const headers = { 'content-type': 'application/json' };
  const answer = await send(base, { method: 'POST', path: `${root}/summaries`, headers, body });
  t.match(answer, { status: 400, body: { errors: [{ pointer: '/systems/1' }] } });
});

t.test('no question has written anything', async (t) => {
  const keys = await withRedis(redis, (connection) => connection.keys('*'));
  // A start makes the answers about spans that are over invalid.
  t.strictSame(
    keys.filter((key) => key !== generationsKey),
    [],
  );
});
