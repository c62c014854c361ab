/**
 * Services in the states that statuses come from, and ways to ask them: one that is whole, one whose Redis is of another
 * making, one whose Redis is gone, some that refuse. They are there as long as the test that imports them.
 */
import t from 'tap';
import { purgeSystemsMax } from '../../src/admin/purge.js';
import { directoryKeys } from '../../src/redis/keys.js';
import { startApp, type TestApp } from './app.js';
import { breakKeys } from './broken-redis.js';
import { type Answer, event, json, query, send } from './http.js';
import { startRedis } from './redis-server.js';
import { withRedis } from './redis-state.js';
import { until } from './until.js';

export const at = 1_700_000_000;
export const rows = (system: string) => [
  event({
    system,
    timestamp: at,
    session_id: 's',
    metadata: { ip: '192.0.2.1', endpoint: '/a', latency_ms: 5 },
  }),
];

export interface Scenario {
  /** What is promised. */
  guarantee: string;
  ask: () => Promise<Answer<unknown>>;
}
export type Scenarios = Record<string, Scenario>;

export const events = '/api/v1/events/batch';
const store = (base: string, body: unknown) =>
  send(base, { method: 'POST', path: events, headers: json, body: JSON.stringify(body) });

/** Two systems are one more than a question about all may read. */
export const whole = await startApp({
  config: { QUERY_SYSTEMS_MAX: 1, BATCH_EVENTS_MAX: 2, BODY_BYTES_MAX: 4_096 },
});
await store(whole.base, rows('crm'));
await store(whole.base, rows('broken'));
await withRedis(whole.redis, (connection) => breakKeys(connection, 'pt:{broken}*'));

/** Its directory and its generations are of another type. */
export const astray = await startApp({ redis: await startRedis() });
await withRedis(astray.redis, async (connection) => {
  await store(astray.base, rows('crm'));
  await breakKeys(connection, 'pt:directory*');
  await connection.set('pt:cache:{generations}', 'not ours');
});

/** Its Redis is gone. */
export const alone = await startApp();
await store(alone.base, rows('crm'));
await alone.redis.stop();
await until(async () => (await fetch(`${alone.base}/readyz`)).status === 503, 'the loss to be noticed');

/** People have pseudonyms. */
export const masked = await startApp({ config: { PSEUDONYM_KEY: 'p'.repeat(32) } });

/** It lets through next to nothing. */
export const limited = await startApp({
  config: { LIMIT_INGEST_EVENTS_PER_SECOND: 1, LIMIT_QUERIES_PER_SECOND: 1 },
});
/** It lets next to nothing through from one address. */
export const guarded = await startApp({ config: { LIMIT_REQUESTS_PER_SECOND_PER_ADDRESS: 1 } });

/** It knows more systems than one purge may be about. */
export const crowded = await startApp();
await withRedis(crowded.redis, async (connection) => {
  const names = Array.from({ length: purgeSystemsMax + 1 }, (_, i) => [0, `system ${i}`]);
  await connection.zadd(directoryKeys.names, ...names.flat());
});

t.teardown(async () => {
  await Promise.all([
    whole.stop(),
    astray.stop(),
    alone.stop(),
    limited.stop(),
    guarded.stop(),
    masked.stop(),
    crowded.stop(),
  ]);
  await astray.redis.stop();
});

export const get =
  ({ base }: TestApp, path: string) =>
  () =>
    send(base, { path });
export const post =
  ({ base }: TestApp, path: string, body: string | Buffer, headers: Record<string, string> = json) =>
  () =>
    send(base, { method: 'POST', path, headers, body });

export const TRIES_MAX = 100;
/** The last of some requests, the first ones of which may be within the rate. */
export const overRate = (ask: () => Promise<Answer<unknown>>) => async () => {
  let answer = await ask();
  for (let i = 0; i < TRIES_MAX && answer.status !== 429; i++) answer = await ask();
  return answer;
};

/** A question about a system by its parameters. */
export function question(path: string, parameters: Record<string, string | number>): Scenarios {
  const about = (system: string, more: Record<string, string | number> = {}) => {
    const isInPath = path.includes('{system}');
    const named: Record<string, string> = isInPath ? {} : { system };
    return query(path.replace('{system}', system), { ...named, ...parameters, ...more });
  };
  return {
    200: { guarantee: 'a question is answered', ask: get(whole, about('crm')) },
    400: { guarantee: 'a parameter that is not known is named', ask: get(whole, about('crm', { wrong: 1 })) },
    404: { guarantee: 'a system that does not exist has no zeros', ask: get(whole, about('unknown')) },
    422: { guarantee: 'more systems than may be read are refused', ask: get(whole, about('*')) },
    429: { guarantee: 'a question over the rate is refused', ask: overRate(get(limited, about('crm'))) },
    500: {
      guarantee: 'what is not a sketch of ours is an error, not a zero',
      ask: get(whole, about('broken')),
    },
    503: { guarantee: 'without Redis nothing is guessed', ask: get(alone, about('crm')) },
  };
}

/** Another request under the key of one whose body is still on its way. */
async function whileInFlight(path: string): Promise<Answer<unknown>> {
  const keyed = { 'content-type': 'application/x-ndjson', 'idempotency-key': `"slow ${path}"` };
  let finish = () => {};
  const finished = new Promise<void>((resolve) => {
    finish = resolve;
  });
  async function* slowly() {
    yield `${JSON.stringify(rows('crm')[0])}\n`;
    await finished;
  }
  const claims = () =>
    withRedis(whole.redis, async (connection) => (await connection.keys('pt:idem:*')).length);
  const before = await claims();
  const first = send(whole.base, { method: 'POST', path, headers: keyed, body: slowly() });
  await until(async () => (await claims()) > before, 'the first to be claimed');
  const body = JSON.stringify(rows('crm')[0]);
  const second = await send(whole.base, { method: 'POST', path, headers: keyed, body });
  finish();
  await first;
  return second;
}

export function ingest(path: string): Scenarios {
  const many = JSON.stringify([...rows('crm'), ...rows('crm'), ...rows('crm')]);
  return {
    201: {
      guarantee: 'an event is acknowledged once it is stored',
      ask: post(whole, path, JSON.stringify(rows('crm'))),
    },
    400: { guarantee: 'a body without a usable event is refused', ask: post(whole, path, '[{}]') },
    409: { guarantee: 'no two tries of a request at once', ask: () => whileInFlight(path) },
    413: { guarantee: 'a batch of too many events is refused whole', ask: post(whole, path, many) },
    415: {
      guarantee: 'a type that is not read is refused',
      ask: post(whole, path, 'a', { 'content-type': 'text/csv' }),
    },
    422: {
      guarantee: 'a key is for one request',
      async ask() {
        const keyed = { ...json, 'idempotency-key': `"once ${path}"` };
        await post(whole, path, JSON.stringify(rows('crm')), keyed)();
        return post(whole, path, JSON.stringify(rows('other')), keyed)();
      },
    },
    429: {
      guarantee: 'events over the rate are refused',
      ask: overRate(post(limited, path, JSON.stringify(rows('crm')))),
    },
    503: {
      guarantee: 'nothing is acknowledged that Redis has not got',
      ask: post(alone, path, JSON.stringify(rows('crm'))),
    },
  };
}

export const always = (path: string, guarantee: string): Scenarios => ({
  200: { guarantee, ask: get(alone, path) },
});
export const time = { timestamp: at, window: '1h' };
