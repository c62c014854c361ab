/** The two scripts of shared answers, by themselves. */
import { Redis } from 'ioredis';
import { pino } from 'pino';
import t from 'tap';
import { createEntry, decodeEntry, encodeEntry } from '../../../src/cache/entry.js';
import { openPolicies } from '../../../src/cache/policies.js';
import { createSharedAnswers } from '../../../src/cache/shared.js';
import { cacheLockKey } from '../../../src/redis/keys.js';
import { keyOf } from '../../support/answer-cache.js';
import { startRedis } from '../../support/redis-server.js';

const server = await startRedis();
const redis = new Redis(server.url, { protocol: 2 });
t.teardown(async () => {
  redis.disconnect();
  await server.stop();
});
t.beforeEach(async () => {
  await redis.flushall();
});

const lockMs = 60_000;
let ids = 0;
const randomId = () => `token ${ids++}`;
const shared = createSharedAnswers({
  redis,
  randomId,
  lockMs,
  timeoutMs: 5_000,
  log: pino({ level: 'silent' }),
});
const key = keyOf('crm');
const now = 1_700_000_000_000;
const [times] = openPolicies;

t.test('one claim gets the lock, the next is told to wait, and the answer ends that', async (t) => {
  const mine = await shared.claim(key, -1, now);
  t.hasStrict(mine, { state: 'locked', computedAt: -1 });
  t.hasStrict(await shared.claim(key, -1, now), { state: 'busy', computedAt: -1 });
  const entry = createEntry('{"a":"ä"}', now, times);
  shared.store(key, mine, entry, now);
  await shared.settle();
  const found = await shared.claim(key, -1, now);
  t.hasStrict(found, { state: 'fresh', computedAt: now });
  t.strictSame(found.entry, entry, 'what is read is what was stored');
  t.equal(await redis.exists(cacheLockKey(key)), 0);
});

t.test('an answer that is not newer than what the caller has is not handed over', async (t) => {
  shared.store(key, await shared.claim(key, -1, now), createEntry('1', now, times), now);
  t.strictSame((await shared.claim(key, now, now)).entry, undefined);
  t.hasStrict(await shared.claim(key, now, now), { state: 'busy', computedAt: now });
  t.ok((await shared.claim(key, now - 1, now)).entry);
});

t.test('a stale answer comes with the lock, or with the news of who has it', async (t) => {
  shared.store(key, await shared.claim(key, -1, now), createEntry('1', now, times), now);
  const later = now + times.freshMs;
  for (const state of ['locked', 'busy']) {
    const claim = await shared.claim(key, -1, later);
    t.equal(claim.state, state);
    t.equal(claim.entry?.body.toString(), '1');
  }
});

t.test('who has lost the lock stores its answer and leaves the lock alone', async (t) => {
  const late = await shared.claim(key, -1, now);
  await redis.del(cacheLockKey(key)); // it ran out
  const next = await shared.claim(key, -1, now);
  t.equal(next.state, 'locked');
  shared.store(key, late, createEntry('late', now - 500, times), now);
  await shared.settle();
  t.equal(await redis.get(cacheLockKey(key)), next.token);
  shared.store(key, next, createEntry('next', now, times), now);
  shared.store(key, late, createEntry('late again', now - 500, times), now);
  await shared.settle();
  t.equal((await shared.claim(key, -1, now)).entry?.body.toString(), 'next', 'a later answer stays');
});

t.test('a lock given back without an answer leaves or drops what was there', async (t) => {
  shared.store(key, await shared.claim(key, -1, now), createEntry('1', now, times), now);
  for (const [drop, left] of [
    [false, 1],
    [true, 0],
  ] as const) {
    const claim = await shared.claim(key, now, now);
    t.equal(claim.state, 'locked');
    shared.release(key, claim, drop);
    await shared.settle();
    t.equal(await redis.exists(key), left);
    t.equal(await redis.exists(cacheLockKey(key)), 0);
  }
});

t.test('an answer lives as long as it is of use on errors', async (t) => {
  shared.store(key, await shared.claim(key, -1, now), createEntry('1', now, times), now + 5_000);
  await shared.settle();
  const left = await redis.pttl(key);
  const useMs = times.freshMs + times.errorMs - 5_000;
  t.ok(left <= useMs && left > useMs - 60_000, `${left} ms`);
});

t.test('what cannot be read costs a computation, not an error', async (t) => {
  const later = encodeEntry(createEntry('1', now, times));
  later[3] = 9;
  t.throws(() => decodeEntry(later), { name: 'SketchFormatError', message: /version 9/ });
  await redis.hset(key, { computed: now, fresh: now + 1, answer: later });
  t.equal((await shared.claim(key, -1, now)).state, 'apart', 'it is not replaced while it is fresh');
  t.hasStrict(await shared.claim(key, -1, now + 1), { state: 'locked' });
  await redis.set(key, 'no hash');
  t.equal((await shared.claim(key, -1, now)).state, 'apart');
});

t.test('a script that Redis has forgotten is sent again', async (t) => {
  await redis.script('FLUSH');
  const claim = await shared.claim(key, -1, now);
  t.equal(claim.state, 'locked');
  await redis.script('FLUSH');
  shared.store(key, claim, createEntry('1', now, times), now);
  await shared.settle();
  t.equal((await shared.claim(key, -1, now)).state, 'fresh');
});
