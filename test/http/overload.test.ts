/**
 * Overload: new events are refused before they are read, with an answer that every sender gets to see, while questions
 * and health go on; and a Redis that has stopped answering makes nobody wait.
 */
import { once } from 'node:events';
import { connect } from 'node:net';
import t, { type Test } from 'tap';
import type { Config } from '../../src/config.js';
import { startApp } from '../support/app.js';
import { type Answer, compliance, event, get, json, post, postRows } from '../support/http.js';
import { bearer, environmentOf, makeKey } from '../support/keys.js';
import { withRedis } from '../support/redis-state.js';
import { until } from '../support/until.js';

/** Far less than what a request would otherwise wait for. */
const atOnceMs = 1_000;
const patient = { REDIS_INGEST_TIMEOUT_MS: 20_000, REDIS_QUERY_TIMEOUT_MS: 20_000 };
const question = compliance('distinct/users', { system: 'crm' });

async function start(t: Pick<Test, 'teardown'>, config: Partial<Config>) {
  const service = await startApp({ config: { ...patient, ...config } });
  t.teardown(async () => {
    service.redis.process.kill('SIGCONT');
    await service.stop();
  });
  const shed = async (reason: string) => {
    const { text } = await get(service.base, '/metrics');
    return Number(new RegExp(`^papertrail_ingest_shed_total{reason="${reason}"} (.*)$`, 'm').exec(text)?.[1]);
  };
  return { ...service, shed };
}

interface Verbose {
  connections: { name: string; state: string; breaker: string }[];
}

async function timed(ask: () => Promise<Answer<unknown>>) {
  const began = performance.now();
  return { ...(await ask()), took: performance.now() - began };
}

function isRefused(t: Test, answer: Awaited<ReturnType<typeof timed>>, detail: RegExp): void {
  t.match(answer, { status: 503, headers: { 'retry-after': '1' }, body: { code: 'overloaded', detail } });
  t.ok(answer.took < atOnceMs, `refused after ${Math.round(answer.took)} ms`);
}

t.test('past the bound on requests new events are refused at once; questions and health go on', async (t) => {
  const config = { INGEST_REQUESTS_IN_FLIGHT_MAX: 2, QUERY_CACHE: 'on' as const };
  const { base, redis, shed } = await start(t, config);
  t.equal((await postRows(base, [event()])).status, 201);
  t.equal((await get(base, question)).status, 200);
  redis.process.kill('SIGSTOP');
  const waiting = [postRows(base, [event()]), postRows(base, [event()])];
  await until(async () => /in_flight 2$/m.test((await get(base, '/metrics')).text), 'both to be held');
  isRefused(t, await timed(() => postRows(base, [event()])), /too many requests/);
  t.match(await get(base, question), { status: 200, body: { count: 1 } }, 'a question, from the cache');
  t.equal((await get(base, '/livez')).status, 200);
  t.equal((await get(base, '/readyz')).status, 200);
  redis.process.kill('SIGCONT');
  t.strictSame(
    (await Promise.all(waiting)).map(({ status }) => status),
    [201, 201],
    'those that were held',
  );
  t.equal((await postRows(base, [event()])).status, 201, 'and there is room again');
  t.equal(await shed('requests'), 1);
});

t.test(
  'where more is refused than answered less is held: long bodies are refused, short ones are not',
  async (t) => {
    const config = { INGEST_PENDING_BYTES_MAX: 4_096, INGEST_FLOOD_BYTES_MAX: 1_024 };
    const { base, redis, shed } = await start(t, config);
    redis.process.kill('SIGSTOP');
    const waiting = [postRows(base, [event()])];
    await until(async () => /in_flight 1$/m.test((await get(base, '/metrics')).text), 'one to be held');
    const long = { metadata: { note: '.'.repeat(4_096) } };
    await until(async () => {
      t.equal((await postRows(base, [event(long)])).status, 503);
      return (await shed('flood')) > 0;
    }, 'the refusals to be a flood');
    isRefused(t, await timed(() => postRows(base, [event(long)])), /more comes than can be answered/);
    waiting.push(postRows(base, [event()]));
    await until(
      async () => /in_flight 2$/m.test((await get(base, '/metrics')).text),
      'a short one to be held',
    );
    redis.process.kill('SIGCONT');
    t.strictSame(
      (await Promise.all(waiting)).map(({ status }) => status),
      [201, 201],
    );
  },
);

t.test(
  'a sender that writes all before it reads gets its 503, and the connection stays of use',
  async (t) => {
    const { base, redis } = await start(t, { INGEST_REQUESTS_IN_FLIGHT_MAX: 1 });
    redis.process.kill('SIGSTOP');
    const waiting = postRows(base, [event()]);
    await until(async () => /in_flight 1$/m.test((await get(base, '/metrics')).text), 'one to be held');
    const { hostname, port } = new URL(base);
    const socket = connect(Number(port), hostname);
    await once(socket, 'connect');
    let heard = '';
    socket.on('data', (part) => {
      heard += part;
    });
    const body = Buffer.alloc(5_000_000, ' ');
    const head = `Host: x\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`;
    for (let sent = 1; sent <= 3; sent++) {
      socket.write(`POST /api/v1/events/batch HTTP/1.1\r\n${head}`);
      socket.write(body);
      await until(() => heard.split('HTTP/1.1 503').length === sent + 1, 'the refusal');
    }
    socket.write('GET /livez HTTP/1.1\r\nHost: x\r\n\r\n');
    await until(() => heard.includes('HTTP/1.1 200'), 'the next answer on the same connection');
    socket.destroy();
    redis.process.kill('SIGCONT');
    t.equal((await waiting).status, 201);
  },
);

t.test('an endless upload that is refused is cut off', async (t) => {
  const { base, redis } = await start(t, { INGEST_REQUESTS_IN_FLIGHT_MAX: 1 });
  redis.process.kill('SIGSTOP');
  const waiting = postRows(base, [event()]);
  await until(async () => /in_flight 1$/m.test((await get(base, '/metrics')).text), 'one to be held');
  const { hostname, port } = new URL(base);
  const socket = connect(Number(port), hostname);
  let heard = '';
  socket.on('error', () => undefined);
  socket.on('data', (part) => {
    heard += part;
  });
  const closed = new Promise((resolve) => socket.once('close', resolve));
  socket.write('POST /api/v1/events/batch HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\n');
  socket.write('Transfer-Encoding: chunked\r\n\r\n');
  const piece = `${(1_000_000).toString(16)}\r\n${'\n'.repeat(1_000_000)}\r\n`;
  while (!socket.destroyed) {
    if (socket.write(piece)) continue;
    await Promise.race([new Promise((resolve) => socket.once('drain', resolve)), closed]);
  }
  await closed;
  t.match(heard, /^HTTP\/1.1 503/, 'it was told so before');
  redis.process.kill('SIGCONT');
  t.equal((await waiting).status, 201);
});

t.test('while the event loop lags new events are refused, and taken in again once it turns', async (t) => {
  const { base, shed } = await start(t, { EVENT_LOOP_DELAY_MS_MAX: 100 });
  t.equal((await postRows(base, [event()])).status, 201);
  let isLagging = true;
  t.teardown(() => {
    isLagging = false;
  });
  const lag = () => {
    const end = performance.now() + 300;
    while (performance.now() < end);
    if (isLagging) setTimeout(lag, 1);
  };
  lag();
  await until(async () => (await postRows(base, [event()])).status === 503, 'a refusal');
  isLagging = false;
  t.ok((await shed('event_loop')) >= 1);
  t.equal((await get(base, question)).status, 200, 'questions go on');
  await until(async () => (await postRows(base, [event()])).status === 201, 'calm');
});

t.test('while the heap is nearly full new events are refused, and questions are not', async (t) => {
  const { base, shed } = await start(t, { HEAP_USED_PERCENT_MAX: 1 });
  await until(
    async () => (await post(base, JSON.stringify(event()), json)).status === 503,
    'a look at the heap',
  );
  isRefused(t, await timed(() => postRows(base, [event()])), /too little memory/);
  t.equal((await get(base, compliance('distinct/users', { system: '*' }))).status, 200);
  t.ok((await shed('heap')) >= 1);
});

t.test('who may not enter hears that first, however busy the service is', async (t) => {
  const key = makeKey({ scopes: ['ingest'] });
  const { base } = await start(t, { HEAP_USED_PERCENT_MAX: 1, API_KEYS: environmentOf(key) });
  await until(
    async () => (await postRows(base, [event()], bearer(key))).status === 503,
    'a look at the heap',
  );
  t.match(await postRows(base, [event()]), { status: 401, body: { code: 'key_missing' } });
  t.match(await postRows(base, [event()], bearer(key)), { status: 503, body: { code: 'overloaded' } });
});

t.test('past the bound on questions one more is refused at once', async (t) => {
  const { base, redis } = await start(t, { QUERIES_IN_FLIGHT_MAX: 1 });
  t.equal((await postRows(base, [event()])).status, 201);
  redis.process.kill('SIGSTOP');
  const first = get(base, question);
  await until(async () => /queries_in_flight 1$/m.test((await get(base, '/metrics')).text), 'a question');
  isRefused(
    t,
    await timed(() => get(base, compliance('distinct/ips', { system: 'crm' }))),
    /too many questions/,
  );
  redis.process.kill('SIGCONT');
  t.equal((await first).status, 200);
});

t.test('a Redis that has stopped answering makes nobody wait, and is found again by itself', async (t) => {
  const timeoutMs = 400;
  const config = { REDIS_QUERY_TIMEOUT_MS: timeoutMs, REDIS_BREAKER_FAILURES_MAX: 3 };
  const { base, redis } = await start(t, config);
  t.equal((await postRows(base, [event()])).status, 201);
  t.equal((await get(base, question)).status, 200);
  await withRedis(redis, (connection) => connection.call('CLIENT', 'PAUSE', '2500'));
  await until(async () => {
    await get(base, question);
    const answer = await get<Verbose>(base, '/readyz?verbose');
    return answer.body.connections.some((one) => one.name === 'papertrail-read' && one.breaker === 'open');
  }, 'the breaker to open');
  t.match(await get(base, '/readyz'), { status: 503, body: { checks: { breaker: 'open' } } });
  t.match((await get(base, '/metrics')).text, /^papertrail_redis_breaker_state{connection="read"} 2$/m);
  const refused = await timed(() => get(base, question));
  t.match(refused, { status: 503, body: { code: 'redis_unavailable' } });
  t.ok(refused.took < timeoutMs, `refused after ${Math.round(refused.took)} ms`);
  await until(async () => (await get(base, question)).status === 200, 'Redis to be back');
  await until(async () => (await get(base, '/readyz')).status === 200, 'readiness');
  t.match((await get(base, '/metrics')).text, /^papertrail_redis_breaker_state{connection="read"} 0$/m);
});
