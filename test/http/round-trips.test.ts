/**
 * What a request costs in round trips to Redis: a question exactly one beside that for the time, which the cache would
 * read with its own, an ingest request at most one, whatever its size. The exceptions are tested too, so that they stay
 * what they are: each is met once, not once a request.
 */
import { Redis } from 'ioredis';
import t from 'tap';
import { makeBodies } from '../../load/streams/bodies.js';
import { directoryKeys, generationsKey, sketchKey, systemKey } from '../../src/redis/keys.js';
import { digestFoldLength, scripts } from '../../src/redis/scripts.js';
import { readGrains } from '../../src/sketches/registry.js';
import { bucketAt } from '../../src/windows/bucket.js';
import { windows } from '../../src/windows/cover.js';
import { startApp } from '../support/app.js';
import { compliance, event, get, post, postRows } from '../support/http.js';
import { startRedis } from '../support/redis-server.js';
import { startTurnCounter } from '../support/turn-counter.js';
import { until } from '../support/until.js';

const now = Date.UTC(2026, 0, 31, 13, 37, 20);
const timestamp = new Date(now).toISOString();
const redis = await startRedis();
const counter = await startTurnCounter(redis);
const { base, stop } = await startApp({
  clock: { now: () => now },
  redis: { ...redis, socket: counter.socket },
});
const direct = new Redis(redis.url, { protocol: 2 });
t.teardown(async () => {
  direct.disconnect();
  await stop();
  await counter.stop();
  await redis.stop();
});

const writes = [scripts['apply-delta-n'].sha, scripts['fold-digests-1'].sha, 'LRANGE'];

/** The directory is looked at and written once a second, for all requests together; a turn may hold more than that. */
const isFlush = (turn: string) =>
  (turn.includes(directoryKeys.purged) || turn.includes(directoryKeys.shards)) &&
  !writes.some((write) => turn.includes(write));

/** Late events make answers invalid once a second, for all requests together; that may share a turn with a question. */
const isInvalidation = (turn: string) =>
  turn.includes(generationsKey) && turn.match(/\*\d+\r\n\$/g)?.length === 1;

/** What a request sends to Redis, turn by turn, without what is sent once a second and falls into it. @throws where it is not answered with `status` */
async function turnsOf(
  request: () => Promise<{ status: number; text: string }>,
  status: number,
): Promise<readonly string[]> {
  await counter.begin();
  const answer = await request();
  if (answer.status !== status) throw new Error(`${answer.status} ${answer.text}`);
  return counter.turns.filter((turn) => !isFlush(turn) && !isInvalidation(turn));
}

/** The round trips of a question without that which reads the time, which must come before all others. */
async function turnsOfQuestion(
  request: () => Promise<{ status: number; text: string }>,
  status = 200,
): Promise<readonly string[]> {
  const [first, ...others] = await turnsOf(request, status);
  if (!first?.includes('*1\r\n$4\r\nTIME\r\n'))
    throw new Error(`the first round trip does not read the time: ${first}`);
  return others;
}

const applies = (turns: readonly string[]) =>
  turns.reduce((sum, turn) => sum + turn.split(scripts['apply-delta-n'].sha).length - 1, 0);
const row = (fields: object = {}) => event({ timestamp, ...fields });

t.test('an ingest request costs one round trip', async (t) => {
  const [firstBatch, nextBatch] = makeBodies({
    batch: 1_000,
    count: 2,
    seed: 1,
    start: now - 60_000,
    stepMs: 1,
  }).map(String);
  t.test('though it is the first, with twenty new systems in a batch of 1,000', async (t) => {
    const turns = await turnsOf(() => post(base, firstBatch), 201);
    t.equal(turns.length, 1);
    t.ok(applies(turns) >= 1, `${applies(turns)} script calls`);
  });

  t.test('in the steady state: the same batch again, and one with values old and new', async (t) => {
    t.equal((await turnsOf(() => post(base, firstBatch), 201)).length, 1);
    t.equal((await turnsOf(() => post(base, nextBatch), 201)).length, 1);
  });

  t.test('alone: the first event of a new system, and the next ones', async (t) => {
    for (const user_id of ['ada', 'ada', 'bob']) {
      const turns = await turnsOf(() => postRows(base, [row({ user_id, system: 'alone' })]), 201);
      t.equal(turns.length, 1);
      t.equal(applies(turns), 1);
    }
  });

  t.test('with an event of every day of a month, the largest kind of a delta', async (t) => {
    const rows = Array.from({ length: 1_000 }, (_, i) =>
      row({ timestamp: new Date(now - i * 2_592_000).toISOString(), user_id: `u${i}` }),
    );
    t.equal((await turnsOf(() => postRows(base, rows), 201)).length, 1);
  });

  t.test('or none, where no row can be stored', async (t) => {
    t.equal((await turnsOf(() => postRows(base, [{}]), 400)).length, 0);
  });
});

t.test('200 requests that come while pipelines are on their way share the next', async (t) => {
  t.teardown(() => redis.process.kill('SIGCONT'));
  const turns = await turnsOf(async () => {
    redis.process.kill('SIGSTOP');
    const all = Array.from({ length: 200 }, (_, i) => postRows(base, [row({ user_id: `at-once-${i}` })]));
    await until(
      async () => /^papertrail_ingest_requests_in_flight 200$/m.test((await get(base, '/metrics')).text),
      'all of them to wait for Redis',
    );
    redis.process.kill('SIGCONT');
    const answers = await Promise.all(all);
    return answers.find(({ status }) => status !== 201) ?? answers[0];
  }, 201);
  t.ok(applies(turns) <= 4, `${applies(turns)} script calls for 200 requests to one system`);
  const path = compliance('top/active_users', { system: 'crm', window: '1h', k: 1_000, timestamp });
  const { items } = (await get<{ items: { item: string; count: number }[] }>(base, path)).body;
  const counted = items.filter(({ item }) => item.startsWith('at-once-'));
  t.equal(counted.length, 200);
  t.ok(
    counted.every(({ count }) => count === 1),
    'each is counted once',
  );
});

t.test('a question costs one round trip, after that for the time', async (t) => {
  await postRows(base, [row({ metadata: { ip: '10.0.0.1', endpoint: '/', latency_ms: 12 } })]);
  const questions: [path: string, kind: keyof typeof readGrains, parameters: Record<string, string>][] = [
    ['distinct/users', 'distinct', {}],
    ['distinct/sessions', 'distinct', {}],
    ['distinct/ips', 'distinct', {}],
    ['activity/check', 'membership', { user_id: 'alice' }],
    ['activity/check', 'membership', { ip: '10.0.0.1' }],
    ['top/active_users', 'top', {}],
    ['top/failed_logins', 'top', { k: '1000' }],
    ['top/failed_logins_by_user', 'top', { k: '1000' }],
    ['percentiles/latency_ms', 'percentiles', { percentiles: '1,50,99.9' }],
    ['frequency/users', 'frequency', { item: 'alice' }],
    ['stats/latency_ms', 'percentiles', {}],
    ['sla/check', 'percentiles', { metric: 'latency_ms', threshold: '100' }],
  ];
  for (const [path, kind, parameters] of questions) {
    t.test(`${path} ${JSON.stringify(parameters)}`, async (t) => {
      for (const window of windows.filter((window) => window in readGrains[kind])) {
        const asked = compliance(path, { system: 'crm', window, timestamp, ...parameters });
        t.equal((await turnsOfQuestion(() => get(base, asked))).length, 1, window);
      }
    });
  }
  t.test('the latency summary', async (t) => {
    for (const window of ['1h', '1d']) {
      const asked = compliance('latency/summary/crm', { window, timestamp });
      t.equal((await turnsOfQuestion(() => get(base, asked))).length, 1, window);
    }
  });
  t.test('the summary of a system', async (t) => {
    t.equal((await turnsOfQuestion(() => get(base, compliance('summary/crm', { timestamp })))).length, 1);
  });
  t.test('the list of systems, and its next page', async (t) => {
    t.equal((await turnsOf(() => get(base, '/api/v1/systems?limit=3'), 200)).length, 1);
    const { next } = (await get<{ next: string }>(base, '/api/v1/systems?limit=3')).body;
    t.equal((await turnsOf(() => get(base, `/api/v1/systems?cursor=${next}`), 200)).length, 1);
  });
  t.test('about several systems of which one was never written', async (t) => {
    const asked = `${compliance('distinct/users', { system: 'crm', window: '1d' })}&system=nobody`;
    t.equal((await turnsOfQuestion(() => get(base, asked))).length, 1);
  });
  t.test('about a system that was never written, once the names of all systems are known', async (t) => {
    const asked = compliance('distinct/users', { system: 'nobody', window: '1d' });
    t.equal((await turnsOfQuestion(() => get(base, asked), 404)).length, 2);
    t.equal((await turnsOfQuestion(() => get(base, asked), 404)).length, 1);
  });
  t.test('none, where its parameters are refused', async (t) => {
    const asked = compliance('top/active_users', { system: 'crm', k: 0 });
    t.equal((await turnsOf(() => get(base, asked), 400)).length, 0);
  });
  t.test('none, where the window is not kept', async (t) => {
    const asked = compliance('top/active_users', { system: 'crm', window: '1m' });
    t.equal((await turnsOf(() => get(base, asked), 422)).length, 0);
  });
});

t.test('what costs more, and only once', async (t) => {
  const store = () => postRows(base, [row()]);
  await store();

  t.test('a system whose epoch was changed by others: the delta goes out again in full', async (t) => {
    await direct.hset(systemKey('crm'), 'epoch', 'another');
    t.equal((await turnsOf(store, 201)).length, 2);
    t.equal((await turnsOf(store, 201)).length, 1);
  });

  t.test('a later last event: written to the directory once a second, after the answer', async (t) => {
    const later = (seconds: number) => new Date(now + seconds * 1_000).toISOString();
    const turns = await turnsOf(async () => {
      await postRows(base, [row({ timestamp: later(1) })]);
      return postRows(base, [row({ timestamp: later(2) })]);
    }, 201);
    const flushes = () => counter.turns.filter(isFlush);
    t.equal(applies(turns), 2);
    await until(() => flushes().length > 0, 'the directory to be written');
    t.ok(flushes().length <= 2, 'not once a request');
  });

  t.test('a long digest list: folded after the answer, in two trips', async (t) => {
    const sample = () => postRows(base, [row({ system: 'folding', metadata: { latency_ms: 1 } })]);
    await counter.begin();
    for (let i = 0; i < digestFoldLength; i++) await sample();
    const list = sketchKey('folding', 'digest', 'latency_ms', bucketAt('hour', now));
    await until(async () => (await direct.llen(list)) === 2, 'the list to be folded');
    await counter.settled();
    const own = counter.turns.filter((turn) => !isFlush(turn)).length;
    t.equal(own, digestFoldLength + 2);
  });

  t.test('a Redis that has lost its scripts: a second trip loads them', async (t) => {
    const isMember = () =>
      get(base, compliance('activity/check', { system: 'crm', user_id: 'a', timestamp }));
    await direct.script('FLUSH');
    t.equal((await turnsOf(store, 201)).length, 2);
    t.equal((await turnsOf(store, 201)).length, 1);
    t.equal((await turnsOfQuestion(isMember)).length, 2);
    t.equal((await turnsOfQuestion(isMember)).length, 1);
  });
});
