/** Rate limits over HTTP: what is refused, what is said about it, and what stays open. */
import { pino } from 'pino';
import t, { type Test } from 'tap';
import { type Config, loadConfig } from '../../src/config.js';
import { createServer } from '../../src/wiring/server.js';
import { startApp } from '../support/app.js';
import { compliance, event, get, ndjson, post, postRows, send } from '../support/http.js';

interface Refused {
  code: string;
  status: number;
  committed_rows: number;
  accepted: number;
}

async function start(test: Test, config: Partial<Config>) {
  const service = await startApp({ config });
  test.teardown(service.stop);
  return service;
}

const rows = (count: number, fields: object = {}) => Array.from({ length: count }, () => event(fields));
const question = compliance('distinct/users', { system: 'crm' });

/** Asks until something other than 200 is answered. */
async function askUntilRefused(base: string, headers: Record<string, string> = {}, path = question) {
  for (;;) {
    const answer = await send<Refused>(base, { path, headers });
    if (answer.status !== 200) return answer;
  }
}

t.test('no limits are set: no answer speaks of any', async (t) => {
  const { base } = await start(t, {});
  for (const { headers } of [await postRows(base, [event()]), await get(base, question)]) {
    t.notMatch(Object.keys(headers).join(), /ratelimit/);
  }
});

t.test('POST /api/v1/events', async (t) => {
  const { base } = await start(t, { LIMIT_INGEST_EVENTS_PER_SECOND: 100, BATCH_EVENTS_MAX: 2_000 });

  t.test('events are counted and not requests, and each answer says what is left', async (t) => {
    const { status, headers } = await postRows(base, rows(60));
    t.equal(status, 201);
    t.equal(headers['ratelimit-policy'], '"ingest";q=100;w=1;qu="events"');
    t.match(headers.ratelimit, /^"ingest";r=40;t=1$/);
  });

  t.test(
    'a body above the burst is taken when nothing was, and paid off before anything is again',
    async (t) => {
      let answer = await postRows(base, rows(2_000));
      while (answer.status === 429) answer = await postRows(base, rows(2_000));
      t.equal(answer.status, 201);
      t.match(answer.headers.ratelimit, /^"ingest";r=0;t=20$/);

      for (const body of [rows(1, { user_id: 'mallory' }), rows(500, { user_id: 'mallory' })]) {
        const refused = await postRows<Refused>(base, body);
        t.match(refused.body, { code: 'quota_exceeded', status: 429, 'violated-policies': ['ingest'] });
        t.ok(Number(refused.headers['retry-after']) >= 10, `after ${refused.headers['retry-after']} s`);
        t.match(refused.headers.ratelimit, /^"ingest";r=0;t=\d+$/);
      }
      const asked = { system: 'crm', user_id: 'mallory' };
      const { body } = await get<{ accessed: boolean }>(base, compliance('activity/check', asked));
      t.equal(body.accessed, false, 'nothing of them is stored');
      t.equal((await get(base, question)).status, 200, 'questions go on');
    },
  );
});

t.test('NDJSON is charged by chunks: a sender is told how many rows are stored', async (t) => {
  const { base } = await start(t, { LIMIT_INGEST_EVENTS_PER_SECOND: 1, BATCH_EVENTS_MAX: 100 });
  const body = rows(250)
    .map((row) => JSON.stringify(row))
    .join('\n');
  const refused = await post<Refused>(base, body, ndjson);
  t.match(refused.body, { code: 'quota_exceeded', committed_rows: 100, accepted: 100 });
  t.ok(Number(refused.headers['retry-after']) > 90);
});

t.test('questions are limited by request, also those that are answered from the cache', async (t) => {
  const { base } = await start(t, { LIMIT_QUERIES_PER_SECOND: 20, QUERY_CACHE: 'on' });
  const timestamp = Date.now();
  await postRows(base, [event({ system: 'crm', timestamp })]);
  const path = compliance('distinct/users', { system: 'crm', timestamp });
  const [first, second] = [await get(base, path), await get(base, path)];
  for (const answer of [first, second]) t.match(answer.headers.ratelimit, /^"queries";r=1\d;t=1$/);
  t.match(second.headers['cache-status'], /hit/);
  const refused = await askUntilRefused(base, {}, path);
  t.match(refused, { status: 429, headers: { 'retry-after': '1' }, body: { code: 'quota_exceeded' } });
  t.match(refused.body, { 'violated-policies': ['queries'] });
  t.equal((await postRows(base, [event()])).status, 201, 'events go on');
});

t.test('every client address has a limit of its own', async (t) => {
  const service = await start(t, {
    LIMIT_REQUESTS_PER_SECOND_PER_ADDRESS: 3,
    TRUST_PROXY: '127.0.0.1',
  });
  const { base } = service;
  const from = (address: string) => ({ 'x-forwarded-for': address });
  await postRows(base, [event({ system: 'crm' })], from('192.0.2.200'));

  t.test('one that asks too much is refused, another is not', async (t) => {
    const refused = await askUntilRefused(base, from('192.0.2.1'));
    t.match(refused, { status: 429, body: { 'violated-policies': ['address'] } });
    t.match(refused.headers['ratelimit-policy'], /^"address";q=3;w=1$/);
    t.equal((await send(base, { path: question, headers: from('192.0.2.2') })).status, 200);
  });

  t.test('what an untrusted hop claims about others counts for nothing', async (t) => {
    await askUntilRefused(base, from('192.0.2.3'));
    const statuses = [];
    for (let i = 0; i < 20; i++) {
      const headers = from(`198.51.100.${i}, 192.0.2.3`);
      statuses.push((await send(base, { path: question, headers })).status);
    }
    t.ok(statuses.filter((status) => status === 429).length > 5, `${statuses}`);
  });

  t.test('clients are told apart by their addresses, and by no port that a proxy adds', async (t) => {
    for (let i = 1; i <= 5; i++) {
      const headers = from(`203.0.113.1${i}:4000${i}`);
      t.equal((await send(base, { path: question, headers })).status, 200);
    }
  });

  t.test('an IPv6 network of 64 bits counts as one, and a mapped IPv4 address as itself', async (t) => {
    for (const [one, other, same] of [
      ['2001:db8:1:2::1', '2001:db8:1:2:ffff::9', true],
      ['2001:db8:1:3::1', '2001:db8:1:4::1', false],
      ['::ffff:192.0.2.77', '192.0.2.77', true],
      ['192.0.2.78:40001', '192.0.2.78:40002', true],
      ['192.0.2.79:40001', '192.0.2.80:40001', false],
      ['[2001:db8:1:5::1]:40001', '2001:db8:1:5::2', true],
      ['192.0.2.81:1, 127.0.0.1:40001', '192.0.2.81:2, [::ffff:127.0.0.1]:40002', true],
    ] as const) {
      const name = `${one} and ${other}`;
      const addresses = Array.from({ length: 30 }, (_, i) => (i % 2 ? one : other));
      const answers = await Promise.all(
        addresses.map((address) => send(base, { path: question, headers: from(address) })),
      );
      const taken = answers.filter(({ status }) => status === 200).length;
      // Six are two buckets; whatever flows in while thirty requests run is less than another bucket.
      t.ok(same ? taken < 6 : taken >= 6, `${name}: ${taken}`);
    }
  });

  t.test('it comes first: paths that do not exist are not free', async (t) => {
    await askUntilRefused(base, from('192.0.2.4'));
    const path = '/no/such/path';
    const statuses = [];
    for (let i = 0; i < 20; i++) {
      statuses.push((await send(base, { path, headers: from('192.0.2.4') })).status);
    }
    t.ok(statuses.includes(429));
  });

  t.test('health and metrics are never refused', async (t) => {
    for (let i = 0; i < 10; i++) {
      for (const path of ['/livez', '/readyz', '/metrics', '/api/v1/events/health']) {
        t.equal((await get(base, path)).status, 200, path);
      }
    }
  });

  t.test('decisions and leases are counted', async (t) => {
    const { text } = await get(base, '/metrics');
    for (const outcome of ['allowed', 'refused']) {
      t.match(
        text,
        new RegExp(`^papertrail_limit_decisions_total{policy="address",outcome="${outcome}"} [1-9]`, 'm'),
      );
    }
    t.match(text, /^papertrail_limit_leases_total{outcome="renewed"} [1-9]/m);
    t.match(text, /^papertrail_limits_local 0$/m);
  });
});

t.test('an unbelievable TRUST_PROXY ends the start', async (t) => {
  const start = (TRUST_PROXY: string) =>
    createServer({ ...loadConfig({}), TRUST_PROXY }, pino({ level: 'silent' }), () => 'id');
  t.throws(() => start('1.2.3.4.5'), /TRUST_PROXY.*1\.2\.3\.4\.5/);
  t.throws(() => start('loopback,my-proxy'), /TRUST_PROXY.*my-proxy/);
  t.doesNotThrow(() => start('10.0.0.0/8, 2001:db8::/32'));
});

t.test('while Redis is away the limit of questions and events holds in each process', async (t) => {
  const { base, redis } = await start(t, { LIMIT_QUERIES_PER_SECOND: 10 });
  await postRows(base, [event({ system: 'crm' })]);
  t.equal((await get(base, question)).status, 200);
  redis.process.kill('SIGKILL');
  const statuses = new Map<number, number>();
  for (let i = 0; i < 100; i++) {
    const { status } = await get(base, question);
    statuses.set(status, (statuses.get(status) ?? 0) + 1);
  }
  t.ok((statuses.get(429) ?? 0) > 0, 'what is too much is refused');
  t.ok((statuses.get(503) ?? 0) >= 9, 'what is not is answered as without a limit');
  t.match((await get(base, '/metrics')).text, /^papertrail_limits_local 1$/m);
});
