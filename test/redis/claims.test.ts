/** Claims on a real Redis: who is to carry out a request, and what everybody else is told. */
import { once } from 'node:events';
import { Redis } from 'ioredis';
import t from 'tap';
import { type ClaimedRequest, createClaims, isOwn } from '../../src/redis/claims.js';
import { claimKey } from '../../src/redis/keys.js';
import { startProxy } from '../support/redis-proxy.js';
import { startRedis } from '../support/redis-server.js';
import { until } from '../support/until.js';

const server = await startRedis();
const redis = new Redis(server.url, { protocol: 2 });
t.teardown(async () => {
  redis.disconnect();
  await server.stop();
});
t.beforeEach(() => redis.flushall());

let ids = 0;
const open = (leaseMs = 60_000, connection = redis) =>
  createClaims({
    redis: connection,
    timeoutMs: 5_000,
    leaseMs,
    keptSeconds: 100,
    randomId: () => `id${ids++}`,
  });
/** As the service's own connections: what cannot be sent now fails now, and nothing is sent twice. */
const fragile = {
  protocol: 2,
  enableReadyCheck: false,
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: 0,
} as const;
const claims = open();
const request: ClaimedRequest = { principal: 'p', key: 'k', form: 'f', digest: 'd' };
const key = claimKey('p', 'k');

/** Claims it for the caller. @throws where that cannot be */
async function claimOwn(from = claims, asked = request, at = 1) {
  const claim = await from.claim(asked, at, 'cut');
  if (!isOwn(claim)) throw new Error(`it is ${claim.state}`);
  return claim;
}

t.test('the first one gets it, under his terms; the next one waits', async (t) => {
  const first = await claimOwn();
  t.match(first, { state: 'new', id: first.token, at: 1, cut: 'cut' });
  t.strictSame(await claims.claim(request, 2, 'other cut'), { state: 'in_flight' });
  t.ok((await redis.pttl(key)) > 99_000);
});

t.test('a lease that is over or given back is taken over, under the terms of the first', async (t) => {
  const first = await claimOwn(open(1));
  const second = await claimOwnLater();
  t.match(second, { state: 'taken_over', id: first.id, at: 1, cut: 'cut' });
  t.not(second.token, first.token);
  await claims.release(request, first.token, true);
  t.match(await claims.claim(request, 3, 'c'), { state: 'in_flight' }, 'who has lost it cannot give it back');
  await claims.release(request, second.token, false);
  t.match(await claims.claim(request, 3, 'c'), { state: 'taken_over', id: first.id, at: 1 });

  async function claimOwnLater() {
    let found = await claims.claim(request, 2, 'c');
    await until(async () => {
      if (!isOwn(found)) found = await claims.claim(request, 2, 'c');
      return isOwn(found);
    }, 'the end of the lease');
    if (!isOwn(found)) throw new Error('it is not taken over');
    return found;
  }
});

t.test('a release that does not get through is sent again, so nobody waits for the lease', async (t) => {
  const notYet = new Redis(server.url, { ...fragile, lazyConnect: true });
  t.teardown(() => notYet.disconnect());
  const { token } = await claimOwn();
  await open(60_000, notYet).release(request, token, false);
  await until(
    async () => (await claims.claim(request, 2, 'c')).state === 'taken_over',
    'the claim to be free',
  );
});

t.test('a claim whose reply is lost is given back', async (t) => {
  const proxy = await startProxy(server);
  const cut = new Redis(proxy.socket, fragile);
  cut.on('error', () => undefined);
  t.teardown(async () => {
    cut.disconnect();
    await proxy.stop();
  });
  await once(cut, 'ready');
  proxy.arm('EVAL', 'cut');
  await t.rejects(open(60_000, cut).claim(request, 1, 'cut'));
  t.equal(await redis.exists(key), 1, 'it had got there');
  await until(
    async () => (await claims.claim(request, 2, 'c')).state === 'taken_over',
    'the claim to be free',
  );
});

t.test('one that is forgotten is as if it had never been', async (t) => {
  const first = await claimOwn();
  await claims.release(request, first.token, true);
  t.equal(await redis.exists(key), 0);
  t.match(await claims.claim({ ...request, digest: 'other' }, 2, 'c'), { state: 'new', at: 2 });
});

t.test('another body or form is told from a repeat, at any time', async (t) => {
  const { token } = await claimOwn();
  const others = [
    { ...request, digest: 'other' },
    { ...request, form: 'other' },
  ];
  for (const other of others) t.strictSame(await claims.claim(other, 1, 'c'), { state: 'reused' });
  await claims.finish(request, token, 0, { status: 201, answer: '{}' });
  for (const other of others) t.strictSame(await claims.claim(other, 1, 'c'), { state: 'reused' });
  t.match(
    await claims.claim({ ...request, principal: 'q' }, 1, 'c'),
    { state: 'new' },
    'nor do principals meet',
  );
});

t.test('the answer is kept for its time, byte for byte, and nothing but it', async (t) => {
  const { token } = await claimOwn();
  await redis.pexpire(key, 5_000);
  const answer = '{"message":"é😀\\u0000"}';
  t.strictSame(await claims.finish(request, token, 0, { status: 201, answer }), {
    state: 'finished',
    alone: true,
  });
  t.ok((await redis.pttl(key)) > 99_000);
  t.strictSame((await redis.hkeys(key)).sort(), ['answer', 'digest', 'form', 'status']);
  t.strictSame(await claims.claim(request, 1, 'c'), { state: 'replayed', digest: 'd', status: 201, answer });
});

t.test('of two that finish the first one is heard, and neither was alone', async (t) => {
  const first = await claimOwn(open(1));
  let second: Awaited<ReturnType<typeof claimOwn>> | undefined;
  await until(async () => {
    second = await claimOwn().catch(() => undefined);
    return second !== undefined;
  }, 'the end of the lease');
  const kept = { status: 201, answer: 'first' };
  t.strictSame(await claims.finish(request, first.token, 0, kept), { state: 'finished', alone: false });
  t.strictSame(await claims.finish(request, second?.token ?? '', 0, { status: 201, answer: 'second' }), {
    state: 'done',
    ...kept,
  });
});

t.test('a stream is known by its chunks until its end, then by all of it', async (t) => {
  const stream = { ...request, digest: '' };
  const first = await claimOwn(claims, stream);
  t.equal(await claims.note(stream, first.token, 0, 'a'), 'ok');
  t.equal(await claims.note(stream, first.token, 1, 'ab'), 'ok');
  await claims.release(stream, first.token, false);
  const second = await claimOwn(claims, stream);
  t.equal(await claims.note(stream, first.token, 2, 'abc'), 'lost');
  t.equal(await claims.note(stream, second.token, 0, 'a'), 'ok');
  const ended = { ...stream, digest: 'a' };
  t.strictSame(await claims.finish(ended, second.token, 1, { status: 201, answer: '' }), { state: 'reused' });
  t.equal(await claims.note(stream, second.token, 1, 'ax'), 'reused');
  t.equal(await claims.note(stream, second.token, 1, 'ab'), 'ok');
  await claims.finish({ ...stream, digest: 'ab' }, second.token, 2, { status: 201, answer: 'x' });
  t.match(await claims.claim(stream, 1, 'c'), { state: 'replayed', digest: 'ab', answer: 'x' });
  t.strictSame((await redis.hkeys(key)).sort(), ['answer', 'digest', 'form', 'status']);
});

t.test('a chunk renews the lease', async (t) => {
  const stream = { ...request, digest: '' };
  const { token } = await claimOwn(open(1), stream);
  await claims.note(stream, token, 0, 'a');
  t.match(await claims.claim(stream, 1, 'c'), { state: 'in_flight' });
});

t.test('an answer is kept even where the claim is gone', async (t) => {
  const { token } = await claimOwn();
  await redis.del(key);
  await claims.finish(request, token, 0, { status: 201, answer: 'x' });
  t.match(await claims.claim(request, 1, 'c'), { state: 'replayed', answer: 'x' });
  t.ok((await redis.pttl(key)) > 0);
});
