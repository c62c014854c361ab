/** Cached answers over HTTP: what a client sees, in a small app of its own. */
import type { AddressInfo } from 'node:net';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import Fastify from 'fastify';
import t, { type Test } from 'tap';
import { Problem } from '../../src/errors.js';
import { sendAnswer, wantsFresh } from '../../src/plugins/answers.js';
import compression from '../../src/plugins/compression.js';
import errors from '../../src/plugins/errors.js';
import { createTestClock, question, startCache } from '../support/answer-cache.js';
import { type Answer, send } from '../support/http.js';
import { startRedis } from '../support/redis-server.js';
import { withRedis } from '../support/redis-state.js';

const server = await startRedis();
t.teardown(() => server.stop());
t.beforeEach(() => withRedis(server, (redis) => redis.flushall()));

const SECOND = 1_000;

/** `/small` and `/large` answer with how often they were computed; `fail` makes that impossible. */
async function startSmallApp(t: Pick<Test, 'teardown'>, enabled = true) {
  const clock = createTestClock();
  const cached = await startCache(server.socket, { clock, enabled });
  const app = Fastify();
  await app.register(errors);
  await app.register(compression);
  const state = { runs: 0, fails: false };
  app.get<{ Params: { size: string } }>('/:size', async (request, reply) => {
    const { size } = request.params;
    const asked = question(size, { refresh: wantsFresh(request) });
    const answer = await cached.cache.get(asked, async () => {
      if (state.fails) throw new Problem('redis_unavailable', 'away');
      return { run: ++state.runs, filling: size === 'large' ? 'papertrail '.repeat(1_000) : '' };
    });
    return sendAnswer(request, reply, answer);
  });
  await app.listen({ host: '127.0.0.1', port: 0 });
  t.teardown(async () => {
    await app.close();
    await cached.stop();
  });
  const base = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`;
  const ask = (path: string, headers: Record<string, string> = {}, method = 'GET') =>
    send<{ run: number }>(base, { path, headers, method });
  return { ask, clock, state, settle: cached.cache.settle };
}

const statusOf = ({ headers }: Answer): unknown => headers['cache-status'];

t.test('an answer says how long it is good, how old it is and where it came from', async (t) => {
  const { ask, clock, settle } = await startSmallApp(t);
  const first = await ask('/small');
  t.equal(first.status, 200);
  t.hasStrict(first.headers, {
    'content-type': 'application/json; charset=utf-8',
    'cache-control': 'private, max-age=30, stale-while-revalidate=30, stale-if-error=3600',
    'cache-status': 'papertrail; fwd=miss; stored; ttl=30',
    vary: 'Accept-Encoding',
    age: '0',
  });
  clock.pass(12 * SECOND);
  const second = await ask('/small');
  t.equal(second.text, first.text);
  t.equal(second.headers.etag, first.headers.etag);
  t.hasStrict(second.headers, { age: '12', 'cache-status': 'papertrail; hit; ttl=18' });
  clock.pass(20 * SECOND);
  t.equal(statusOf(await ask('/small')), 'papertrail; hit; ttl=-2; detail=stale-while-revalidate');
  await settle();
  t.strictSame((await ask('/small')).body.run, 2);
});

t.test('another process says that the answer came from Redis', async (t) => {
  const { ask, settle } = await startSmallApp(t);
  const { ask: askOther } = await startSmallApp(t);
  const first = await ask('/small');
  await settle();
  const shared = await askOther('/small');
  t.match(statusOf(shared), /^papertrail; hit; ttl=(?:30|2\d); detail=shared$/);
  t.strictSame([shared.text, shared.headers.etag], [first.text, first.headers.etag]);
});

t.test('many at once: one is computed, the others say that they shared it', async (t) => {
  const { ask } = await startSmallApp(t);
  const answers = await Promise.all(Array.from({ length: 20 }, () => ask('/small')));
  t.ok(answers.every(({ body }) => body.run === 1));
  const missed = answers.filter((one) => statusOf(one) === 'papertrail; fwd=miss; stored; ttl=30');
  t.equal(missed.length, 1);
});

t.test('no-cache gets an answer of now, and says that the request asked for it', async (t) => {
  const { ask, clock } = await startSmallApp(t);
  await ask('/small');
  let run = 1;
  const requests: Record<string, string>[] = [
    { 'cache-control': 'no-cache' },
    { 'cache-control': 'Max-Age=0' },
    { 'cache-control': 'foo, no-cache ,bar' },
    { pragma: 'no-cache' },
  ];
  for (const headers of requests) {
    clock.pass(SECOND);
    const fresh = await ask('/small', headers);
    t.equal(fresh.body.run, ++run, JSON.stringify(headers));
    t.equal(statusOf(fresh), 'papertrail; fwd=request; stored; ttl=30');
  }
  for (const control of ['max-age=05', 'x-no-cache', 'max-age=60', '']) {
    t.equal((await ask('/small', { 'cache-control': control })).body.run, run, control);
  }
});

t.test(
  'where a new answer cannot be had the last one goes out, marked; without one it is a 503',
  async (t) => {
    const { ask, clock, state } = await startSmallApp(t);
    await ask('/small');
    state.fails = true;
    clock.pass(130 * SECOND);
    const last = await ask('/small');
    t.equal(last.status, 200);
    t.hasStrict(last.headers, {
      age: '130',
      'cache-status': 'papertrail; hit; ttl=-100; detail=stale-if-error',
    });
    const none = await ask('/other');
    t.equal(none.status, 503);
    t.ok(none.headers['retry-after']);
    t.equal(none.headers['cache-control'], undefined);
  },
);

t.test('who has the answer gets 304, with the headers that renew it and no body', async (t) => {
  const { ask } = await startSmallApp(t);
  const { headers, status } = await ask('/small');
  t.equal(status, 200);
  const tag = String(headers.etag);
  t.match(tag, /^"[\w-]+"$/, 'a strong tag');
  for (const condition of [tag, `W/${tag}`, `"x", ${tag}`, `"x",W/${tag} , "y"`, '*', ' * ']) {
    const same = await ask('/small', { 'if-none-match': condition });
    t.equal(same.status, 304, condition);
    t.equal(same.bytes.length, 0);
    t.hasStrict(same.headers, { etag: tag, vary: 'Accept-Encoding' });
    t.ok(same.headers['cache-control']);
    t.equal(same.headers['content-type'], undefined);
  }
  for (const condition of ['"x"', tag.slice(1, -1), `"${tag.slice(2)}`, '', '"*"']) {
    t.equal((await ask('/small', { 'if-none-match': condition })).status, 200, condition);
  }
});

t.test('each encoding has its own bytes and its own strong tag', async (t) => {
  const { ask } = await startSmallApp(t);
  const plain = await ask('/large');
  const br = await ask('/large', { 'accept-encoding': 'gzip, deflate, br' });
  const gzip = await ask('/large', { 'accept-encoding': 'br;q=0.5, gzip' });
  t.strictSame(
    [plain, br, gzip].map(({ headers }) => headers['content-encoding']),
    [undefined, 'br', 'gzip'],
  );
  t.equal(brotliDecompressSync(br.bytes).toString(), plain.text);
  t.equal(gunzipSync(gzip.bytes).toString(), plain.text);
  const tags = [plain, br, gzip].map(({ headers }) => String(headers.etag));
  t.equal(new Set(tags).size, 3);
  for (const [i, answer] of [plain, br, gzip].entries()) {
    t.equal(Number(answer.headers['content-length']), answer.bytes.length);
    const encoding = ['identity', 'br', 'gzip'][i];
    const again = (tag: string) => ask('/large', { 'accept-encoding': encoding, 'if-none-match': tag });
    t.equal((await again(tags[i])).status, 304);
    t.equal((await again(tags[(i + 1) % 3])).status, 200, 'the tag of other bytes is not it');
  }
});

t.test('an encoding that was not asked for is not used, nor one for a small body', async (t) => {
  const { ask } = await startSmallApp(t);
  const cases = [
    ['/large', 'identity'],
    ['/large', 'deflate'],
    ['/large', 'br;q=0, gzip;q=0'],
    ['/large', '*;q=0'],
    ['/large', ''],
    ['/small', 'br, gzip'],
  ];
  for (const [path, accepted] of cases) {
    const { headers, body } = await ask(path, { 'accept-encoding': accepted });
    t.equal(headers['content-encoding'], undefined, `${path} ${accepted}`);
    t.equal(headers.vary, 'Accept-Encoding');
    t.ok(body.run);
  }
});

t.test('HEAD is answered like GET, without a body', async (t) => {
  const { ask } = await startSmallApp(t);
  const { headers } = await ask('/small');
  const head = await ask('/small', {}, 'HEAD');
  t.strictSame([head.status, head.bytes.length, head.headers.etag], [200, 0, headers.etag]);
});

t.test('switched off, an answer says so and may not be kept without asking', async (t) => {
  const { ask } = await startSmallApp(t, false);
  for (const run of [1, 2]) {
    const { headers, body } = await ask('/large', { 'accept-encoding': 'br' });
    t.hasStrict(headers, { 'cache-status': 'papertrail; fwd=bypass', 'cache-control': 'private, no-cache' });
    t.equal(headers['content-encoding'], 'br');
    t.ok(run > 0 && body === undefined);
  }
  t.equal((await ask('/small')).body.run, 3);
});
