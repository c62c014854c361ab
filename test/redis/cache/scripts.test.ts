/** The two scripts of shared answers, by themselves. Their clock is that of Redis. */
import { Redis } from 'ioredis';
import { pino } from 'pino';
import t from 'tap';
import { createEntry, decodeEntry, type Entry, encodeEntry } from '../../../src/cache/entry.js';
import { openPolicies } from '../../../src/cache/policies.js';
import { afterClaim, type Claim, createSharedAnswers } from '../../../src/cache/shared.js';
import { cacheLockKey } from '../../../src/redis/keys.js';
import { age, keyOf } from '../../support/answer-cache.js';
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

let ids = 0;
const at = 1_000;
const shared = createSharedAnswers({
  inFlight: (work) => work(),
  redis,
  randomId: () => `token ${ids++}`,
  lockMs: 60_000,
  timeoutMs: 5_000,
  clock: { now: () => at },
  log: pino({ level: 'silent' }),
});
const key = keyOf('crm');
const [times] = openPolicies;
const claim = (newerThan: number | typeof afterClaim = -1, apart = false) =>
  shared.claim(key, { newerThan, apart });
const asOf = (claimed: Claim): number => claimed.at?.asOf ?? Number.NaN;
const entryOf = (json: string, claimed: Claim, earlierMs = 0): Entry =>
  createEntry(json, { asOf: asOf(claimed) - earlierMs, at: at - earlierMs }, times);

/** Stores an answer that is computed as it is claimed. @returns its claim */
async function store(json: string): Promise<Claim> {
  const mine = await claim();
  shared.store(key, mine, entryOf(json, mine));
  await shared.settle();
  return mine;
}

t.test('one claim gets the lock, the next is told to wait, and the answer ends that', async (t) => {
  const mine = await claim();
  t.hasStrict(mine, { state: 'locked', computedAt: -1 });
  t.hasStrict(await claim(), { state: 'busy', computedAt: -1 });
  const entry = entryOf('{"a":"ä"}', mine);
  shared.store(key, mine, entry);
  await shared.settle();
  const found = await claim();
  t.hasStrict(found, { state: 'fresh', computedAt: entry.asOf });
  t.equal(found.entry?.body.toString(), '{"a":"ä"}');
  t.equal(found.entry?.computedAt, at - (asOf(found) - entry.asOf), 'as old here as there');
  t.equal(await redis.exists(cacheLockKey(key)), 0);
});

t.test('an answer that is not newer than what the caller has is not handed over', async (t) => {
  const stored = asOf(await store('1'));
  t.strictSame((await claim(stored)).entry, undefined);
  t.hasStrict(await claim(stored), { state: 'busy', computedAt: stored });
  t.ok((await claim(stored - 1)).entry);
});

t.test('where only what begins after the claim will do, nothing that is there does', async (t) => {
  await store('1');
  t.strictSame((await claim(afterClaim)).entry, undefined);
});

t.test('a claim to compute beside others takes no lock, and takes a fresh answer', async (t) => {
  t.equal((await claim(-1, true)).state, 'apart');
  t.equal((await claim()).state, 'locked');
  t.equal((await claim(-1, true)).state, 'apart', 'whatever others hold');
  await redis.del(cacheLockKey(key));
  await store('1');
  t.equal((await claim(-1, true)).state, 'fresh');
});

t.test('a stale answer comes with the lock, or with the news of who has it', async (t) => {
  await store('1');
  await age(server, times.freshMs + 1);
  for (const state of ['locked', 'busy']) {
    const late = await claim();
    t.equal(late.state, state);
    t.equal(late.entry?.body.toString(), '1');
  }
});

t.test('an answer that was computed after now is none, and gives way to any other', async (t) => {
  await store('of a clock that was set back');
  await age(server, -3_600_000);
  t.hasStrict(await claim(), { state: 'locked', computedAt: -1 });
  await redis.del(cacheLockKey(key));
  await store('2');
  t.equal((await claim()).entry?.body.toString(), '2');
});

t.test('who has lost the lock stores its answer and leaves the lock alone', async (t) => {
  const late = await claim();
  await redis.del(cacheLockKey(key)); // it ran out
  const next = await claim();
  t.equal(next.state, 'locked');
  shared.store(key, late, entryOf('late', next, 500));
  await shared.settle();
  t.equal(await redis.get(cacheLockKey(key)), next.token);
  shared.store(key, next, entryOf('next', next));
  shared.store(key, late, entryOf('late again', next, 500));
  await shared.settle();
  t.equal((await claim()).entry?.body.toString(), 'next', 'a later answer stays');
});

t.test('a lock given back without an answer leaves or drops what was there', async (t) => {
  const stored = asOf(await store('1'));
  for (const [drop, left] of [
    [false, 1],
    [true, 0],
  ] as const) {
    const mine = await claim(stored);
    t.equal(mine.state, 'locked');
    shared.release(key, mine, drop);
    await shared.settle();
    t.equal(await redis.exists(key), left);
    t.equal(await redis.exists(cacheLockKey(key)), 0);
  }
});

t.test('an answer lives as long as it is of use on errors', async (t) => {
  const mine = await claim();
  shared.store(key, mine, entryOf('1', mine, 5_000));
  await shared.settle();
  const left = await redis.pttl(key);
  const useMs = times.freshMs + times.errorMs - 5_000;
  t.ok(left <= useMs && left > useMs - 60_000, `${left} ms`);
});

t.test('what cannot be read costs a computation, not an error', async (t) => {
  const began = asOf(await store('1'));
  const later = encodeEntry(createEntry('1', { asOf: began, at }, times));
  later[3] = 9;
  t.throws(() => decodeEntry(later, { asOf: began, at }), {
    name: 'SketchFormatError',
    message: /version 9/,
  });
  await redis.hset(key, { answer: later });
  t.equal((await claim()).state, 'apart', 'it is not replaced while it is fresh');
  await age(server, times.freshMs + 1);
  t.hasStrict(await claim(), { state: 'locked' });
  await redis.set(key, 'no hash');
  t.equal((await claim()).state, 'apart');
});

t.test('a script that Redis has forgotten is sent again', async (t) => {
  await redis.script('FLUSH');
  const mine = await claim();
  t.equal(mine.state, 'locked');
  await redis.script('FLUSH');
  shared.store(key, mine, entryOf('1', mine));
  await shared.settle();
  t.equal((await claim()).state, 'fresh');
});
