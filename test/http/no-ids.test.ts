/**
 * Where no id may be: logs at their most talkative, problems and metrics, whether people have pseudonyms or not; and
 * with pseudonyms the whole of Redis. Every route is driven with marked ids, rightly and wrongly, with Redis and without.
 */
import { Writable } from 'node:stream';
import { encode } from '@msgpack/msgpack';
import { Redis } from 'ioredis';
import { pino } from 'pino';
import t from 'tap';
import { startApp } from '../support/app.js';
import { type Answer, compliance, event, get, json, msgpack, ndjson, send } from '../support/http.js';
import { startRedis } from '../support/redis-server.js';

const mark = 'MARKED';
const user = `${mark}-user`;
const session = `${mark}-session`;
const ip = `${mark}-ip`;
let ids = 0;
const row = (fields: object = {}) =>
  event({
    event_id: `${mark}-event-${ids++}`,
    user_id: user,
    session_id: session,
    metadata: { ip, status: 'failed', latency_ms: 5 },
    ...fields,
  });

interface Message {
  method?: string;
  path: string;
  headers?: Record<string, string>;
  body?: string | Buffer;
}

const batch = (body: string | Buffer, headers: Record<string, string> = json): Message => ({
  method: 'POST',
  path: '/api/v1/events/batch',
  headers,
  body,
});
const strict = { ...json, prefer: 'handling=strict' };

const events: Message[] = [
  { ...batch(JSON.stringify(row())), path: '/api/v1/events' },
  batch(JSON.stringify([row(), row({ event_type: mark }), row({ timestamp: mark }), row({ system: '*' })])),
  batch(JSON.stringify([row(), row({ user_id: mark.repeat(200) })]), strict),
  batch(JSON.stringify([row({ user_id: [user] }), row({ session_id: { session } })])),
  batch(JSON.stringify([row({ metadata: { ip: mark.repeat(200) } }), row({ metadata: mark })])),
  batch(JSON.stringify([row({ user_id: `${user}\ud800` })])),
  batch(JSON.stringify([row({ event_id: [mark] }), row({ event_id: mark.repeat(200) })])),
  batch(JSON.stringify([row({ event_id: mark }), row({ event_id: mark })])),
  batch(JSON.stringify([row({ event_id: mark }), row()]), { ...json, 'idempotency-key': 'a key' }),
  batch(`{"user_id":"${user}"`),
  batch(`[${mark}]`),
  batch(JSON.stringify(mark)),
  batch(Buffer.concat([Buffer.from(`{"user_id":"${user}`), Buffer.from([0xff])])),
  batch(`${JSON.stringify(row())}\n{"user_id":"${user}"\n${JSON.stringify(row({ system: 1 }))}\n`, ndjson),
  batch(Buffer.from(encode([row(), row({ event_type: 1 })])), msgpack),
  batch(Buffer.from(encode([row()])).subarray(0, 40), msgpack),
  batch(`user_id=${user}`, { 'content-type': 'application/x-www-form-urlencoded' }),
  batch(`${user}`, { ...json, 'content-encoding': 'gzip' }),
];

/** Once for the cache, once past it. */
function asked(name: string, parameters: Record<string, string | number>): Message[] {
  const path = compliance(name, { system: 'crm', ...parameters });
  return [{ path }, { path, headers: { 'cache-control': 'no-cache' } }];
}
const from = Date.now() - 7_200_000;
const questions: Message[] = [
  ...['users', 'sessions', 'ips'].flatMap((metric) => asked(`distinct/${metric}`, { window: '1d' })),
  ...asked('activity/check', { user_id: user }),
  ...asked('activity/check', { ip }),
  ...asked('activity/check', { user_id: user, ip }),
  ...asked('activity/check', { user_id: user, window: '1m' }),
  ...asked('activity/check', { user_id: mark.repeat(200) }),
  ...asked('activity/check', { user_id: user, unknown: mark }),
  ...['users', 'ips'].flatMap((metric) =>
    asked(`frequency/${metric}`, { item: metric === 'ips' ? ip : user }),
  ),
  ...asked('frequency/users', { item: user, window: '1m' }),
  ...asked(`frequency/${user}`, { item: user }),
  ...['active_users', 'active_ips', 'failed_logins'].flatMap((metric) => asked(`top/${metric}`, { k: 5 })),
  ...asked('top/active_users', { k: user }),
  ...asked('timeseries/active_users', { item: user, from }),
  ...asked('timeseries/active_ips', { item: ip, from }),
  ...asked('timeseries/users', { item: user, from }),
  ...asked('timeseries/users', { from: user }),
  ...asked('distinct/users', { tz: user }),
  ...asked('percentiles/latency_ms', { percentiles: user }),
  ...asked('sla/check', { metric: 'latency_ms', threshold: user }),
  { path: '/api/v1/compliance/summary/crm' },
  { path: `/api/v1/compliance/summary/crm?timestamp=${user}` },
  { path: `/api/v1/compliance/latency/summary/crm?window=${user}` },
  { path: `/api/v1/systems?cursor=${user}` },
  { path: `/nowhere/${user}?user_id=${user}` },
  { path: `/api/v1/compliance/activity/check?user_id=${user}%FF` },
  { path: `/problems/${user}` },
  { method: 'PUT', path: `/api/v1/subjects/${user}` },
  { path: '/metrics', headers: { 'x-request-id': `${user} not a request id` } },
];

const post = (path: string, body: object): Message => ({
  method: 'POST',
  path,
  headers: json,
  body: JSON.stringify(body),
});
const operations: Message[] = [
  post('/api/v1/compliance/summaries', { systems: ['crm'], timestamp: user }),
  post('/api/v1/compliance/summaries', { systems: ['crm'] }),
  post('/api/v1/compliance/resolve', { users: [user], sessions: [session], ips: [ip] }),
  post('/api/v1/compliance/resolve', { users: [mark.repeat(200)], sessions: session }),
  post('/api/v1/admin/cache/invalidate', { systems: ['crm'], endpoint: user }),
  { method: 'DELETE', path: `/api/v1/subjects/${user}?kind=${user}` },
  { method: 'DELETE', path: `/api/v1/subjects/${user}?cursor=${user}` },
  { method: 'DELETE', path: `/api/v1/subjects/${mark.repeat(300)}` },
  { method: 'DELETE', path: `/api/v1/subjects/${ip}?kind=ip` },
  { path: `/api/v1/admin/keys?cursor=${user}` },
  { path: `/api/v1/admin/keys?sketch=${user}` },
  { path: `/api/v1/admin/keys/${user}` },
  { path: `/api/v1/admin/systems/${user}` },
  { path: '/api/v1/admin/settings' },
  { path: '/api/v1/admin/slow-queries' },
  { method: 'POST', path: '/api/v1/admin/purge', headers: json, body: `{"confirm":"${user}"}` },
  {
    method: 'POST',
    path: '/api/v1/admin/purge',
    headers: json,
    body: `{"system":"crm","sketches":["${user}"]}`,
  },
];

/** Routes that no message above is for, because they take nothing of anybody. */
const impersonal = [
  /^HEAD /,
  /^GET \/(livez|readyz|metrics|openapi\.\w+)$/,
  /^GET \/api\/v1\/events\/(health|stats)$/,
  /stats\/\{metric\}$/,
];

for (const pseudonymKey of ['', 'k'.repeat(32)]) {
  t.test(pseudonymKey === '' ? 'without pseudonyms' : 'with pseudonyms', async (t) => {
    // Uncompressed, so that what Redis holds can be searched.
    const redis = await startRedis(['--rdbcompression', 'no']);
    t.teardown(redis.stop);
    let logged = '';
    const stream = new Writable({
      write(chunk, _encoding, done) {
        logged += String(chunk);
        done();
      },
    });
    const log = pino({ level: 'trace' }, stream);
    const config = { PSEUDONYM_KEY: pseudonymKey, QUERY_CACHE: 'on' as const, EVENT_ID_SECONDS: 60 };
    const { base, stop } = await startApp({ config, redis, log });
    t.teardown(stop);

    /** Sends messages; no problem repeats an id. */
    async function drive(messages: readonly Message[]): Promise<Answer[]> {
      const answers: Answer[] = [];
      for (const message of messages) {
        const answer = await send(base, message);
        const label = `${message.method ?? 'GET'} ${message.path.slice(0, 80)} ${answer.status}`;
        t.not(answer.status, 500, label);
        if (answer.status >= 400) t.notMatch(answer.text, mark, label);
        answers.push(answer);
      }
      return answers;
    }

    t.test('every route that takes anything of anybody is among those driven', async (t) => {
      const { paths } = (await get<{ paths: Record<string, object> }>(base, '/openapi.json')).body;
      const driven = [...events, ...questions, ...operations].map(
        ({ method = 'GET', path }) => `${method} ${path.split('?')[0]}`,
      );
      const missing = Object.entries(paths)
        .flatMap(([path, methods]) => Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`))
        .filter((name) => !impersonal.some((pattern) => pattern.test(name)))
        .filter((name) => {
          const pattern = new RegExp(`^${name.replace(/\{\w+\}/g, '[^/]+')}$`);
          return !driven.some((one) => pattern.test(one));
        });
      t.strictSame(missing, []);
    });

    t.test('no problem and no answer of an event repeats an id', async (t) => {
      const answers = await drive(events);
      t.ok(answers.some(({ status }) => status === 201) && answers.some(({ status }) => status === 400));
      for (const { text } of answers) t.notMatch(text, mark);
      await drive(questions);
      await drive(operations);
    });

    t.test('people were counted all the same', async (t) => {
      const { body } = await get<{ accessed: boolean }>(base, questions[6].path);
      t.equal(body.accessed, true);
      const { text } = await get(base, compliance('top/active_users', { system: 'crm', k: 9 }));
      t.match(text, pseudonymKey === '' ? mark : /"u_[\w-]{22}"/);
    });

    t.test('no metric names anybody', async (t) => {
      t.notMatch((await get(base, '/metrics')).text, mark);
    });

    if (pseudonymKey !== '') {
      t.test('no key and no value of Redis holds an id', async (t) => {
        const connection = new Redis(redis.socket);
        t.teardown(() => connection.disconnect());
        const keys = await connection.keysBuffer('*');
        t.ok(keys.length > 30);
        const cached = keys.filter((key) => key.includes('pt:cache'));
        t.ok(cached.length > 5, 'cached answers are among them');
        for (const key of keys) {
          const bytes = (await connection.dumpBuffer(key)) ?? Buffer.alloc(0);
          t.notOk(key.includes(mark) || bytes.includes(mark), key.toString());
        }
      });
    }

    t.test('without Redis nothing is told either', async (t) => {
      await redis.stop();
      const answers = await drive([...events, ...questions, ...operations]);
      t.ok(answers.some(({ status }) => status === 503));
    });

    t.test('no line of the log names anybody', async (t) => {
      t.match(logged, /"route":"\/api\/v1\/compliance\/activity\/check"/, 'every request was logged');
      t.match(logged, /"level":(40|50)/, 'and errors');
      const lines = logged.split('\n').filter((line) => line.includes(mark));
      t.strictSame(lines.slice(0, 3), []);
    });
  });
}
