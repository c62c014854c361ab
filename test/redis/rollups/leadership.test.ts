/** One leader of several processes, and what one that is stopped on the way can do to a day: nothing. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import t from 'tap';
import { leaseKeys, sketchKey, systemKey } from '../../../src/redis/keys.js';
import { scripts } from '../../../src/redis/scripts.js';
import { HOUR_MS } from '../../../src/windows/civil.js';
import { contentOf } from '../../support/apply-delta.js';
import { seededRandom } from '../../support/random.js';
import { startProxy } from '../../support/redis-proxy.js';
import { startRedis } from '../../support/redis-server.js';
import {
  atHour,
  countsOf,
  createRollupProcess,
  createTravel,
  day,
  dayBytes,
  readDigest,
  readTop,
  tally,
} from '../../support/rollups.js';
import { createWritePath, type Row, retention } from '../../support/write-path.js';
import '../../support/watch.js';

const server = await startRedis();
const proxy = await startProxy(server);
const redis = new Redis(server.url, { protocol: 2 });
const travel = createTravel(redis);
const { clock } = travel;
const writer = await createWritePath({ socket: server.socket, clock });
const paused = await createRollupProcess({ socket: proxy.socket, holderId: 'paused', clock });
const other = await createRollupProcess({ socket: server.socket, holderId: 'other', clock });
t.teardown(async () => {
  paused.close();
  other.close();
  await writer.close();
  redis.disconnect();
  await proxy.stop();
  await server.stop();
});
async function begin(): Promise<void> {
  await redis.flushall();
  writer.filter.forgetAll();
  await writer.directory.load();
  travel.reset();
}
t.beforeEach(begin);

const { holder, token } = leaseKeys('rollups');
const state = sketchKey('s', 'roll', 'all', day);
const nextMorning = day.end + HOUR_MS;
/** Less than a day before the first hour expires, which was written at noon. */
const sealing = day.end + retention.hour - 23 * HOUR_MS;
const storeSha = scripts['store-day-1'].sha;
/** One of the reads of hours, after the state was read. */
const hourRead = 'top:event_types:hour';

const random = seededRandom(6);
const makeRows = (count: number): Row[] =>
  Array.from({ length: count }, (_, i) => ({
    user_id: `user-${Math.floor(40 * random())}`,
    timestamp: atHour(i % 24),
    metadata: { latency_ms: i },
  }));

/** Runs a round of the paused process, does something while it waits for what `marker` asked, and lets it go on. */
async function meanwhile(marker: string, act: () => Promise<unknown>): Promise<void> {
  proxy.arm(marker, 'pause');
  const round = paused.round();
  await proxy.paused();
  await act();
  proxy.resume();
  await round;
}
/** The lease of whoever has it runs out. */
const leaseEnds = () => redis.del(holder);

async function said(): Promise<{ source: string; users: Record<string, number>; samples: number }> {
  const { source, top } = await readTop(redis, 's', 'active_users');
  const { digest } = await readDigest(redis, 's', 'latency_ms');
  return { source, users: countsOf(top), samples: digest.count };
}
const expected = (source: string, rows: readonly Row[]) => ({
  source,
  users: tally(rows, 'user_id'),
  samples: rows.length,
});

t.test('one process leads, another takes over when the lease has run out or is given back', async (t) => {
  const leads = async ({ metrics }: typeof paused) => (await metrics.rollupLeader.get()).values[0].value;
  await paused.round();
  await other.round();
  t.strictSame([await leads(paused), await leads(other)], [1, 0]);
  t.ok((await redis.pttl(holder)) > 120_000, 'the lease outlives two rounds');
  t.ok((await redis.pttl(token)) > retention.month, 'and the token whatever it is compared with');
  await paused.round();
  t.equal(await redis.get(token), '1', 'renewing gives out no new token');
  await leaseEnds();
  await other.round();
  await paused.round();
  t.strictSame([await leads(paused), await leads(other), await redis.get(token)], [0, 1, '2']);
  await paused.resign();
  t.equal(await redis.get(holder), 'other', 'nobody gives back what another holds');
  await other.resign();
  await paused.round();
  t.strictSame([await leads(paused), await redis.get(token)], [1, '3']);
});

t.test('a late event between the reading of hours and the storing is not lost', async (t) => {
  for (const at of [nextMorning, sealing]) {
    await begin();
    const rows = makeRows(100);
    await writer.store(rows);
    await travel.to(at);
    const late = makeRows(10);
    await meanwhile(hourRead, () => writer.store(late));
    t.strictSame(await said(), expected('hours', [...rows, ...late]));
    await travel.to(at + HOUR_MS);
    await paused.round();
    t.strictSame(await said(), expected('day', [...rows, ...late]));
  }
  t.equal((await paused.outcomes()).changed, 2);
});

t.test('a late event after some lists were stored and before the end is not lost', async (t) => {
  const rows = makeRows(100);
  await writer.store(rows);
  await travel.to(nextMorning);
  await paused.round();
  await travel.to(sealing);
  const late = makeRows(10);
  await meanwhile(storeSha, () => writer.store(late));
  t.strictSame(await said(), expected('hours', [...rows, ...late]));
  await travel.to(sealing + HOUR_MS);
  await paused.round();
  t.strictSame(await said(), expected('day', [...rows, ...late]));
});

t.test('a leader that was stopped for long cannot store over a newer one', async (t) => {
  const rows = makeRows(100);
  await writer.store(rows);
  await travel.to(nextMorning);
  const late = makeRows(20);
  let after: Record<string, string> = {};
  await meanwhile(storeSha, async () => {
    await leaseEnds();
    await other.round();
    after = await contentOf(redis);
  });
  const { fenced } = await paused.outcomes();
  t.equal(fenced, 1);
  t.equal(await redis.get(holder), 'other');
  t.strictSame(await contentOf(redis), after, 'it has written nothing');
  t.equal(await redis.hget(state, 'token'), '2');
  await writer.store(late);
  t.strictSame(await said(), expected('hours', [...rows, ...late]));
});

t.test('a seal, a late event and the stopped leader of before: the day has everything once', async (t) => {
  const rows = makeRows(100);
  await writer.store(rows);
  await travel.to(sealing);
  const late = makeRows(20);
  await meanwhile(hourRead, async () => {
    await leaseEnds();
    await other.round();
    t.equal(await redis.hget(state, 'sealed'), '1');
    await writer.store(late);
  });
  t.strictSame(await said(), expected('day', [...rows, ...late]));
});

t.test('tokens that Redis has lost are passed again at once', async (t) => {
  await writer.store(makeRows(10));
  await travel.to(nextMorning);
  await redis.hset(state, 'token', 41);
  await redis.expire(state, 1_000_000);
  await other.round();
  t.equal(await redis.exists(holder), 0, 'who is refused gives up');
  await other.round();
  t.strictSame([await redis.get(token), (await said()).source], ['42', 'day']);
});

t.test('a purge in between is not undone', async (t) => {
  await writer.store(makeRows(100));
  await travel.to(nextMorning);
  const rows = makeRows(5);
  await meanwhile(hourRead, async () => {
    await redis.del(...(await redis.keys('pt:{s}*')));
    await writer.store(rows);
  });
  t.equal((await paused.outcomes()).epoch, 1);
  t.strictSame(await dayBytes(redis, 's'), {});
  t.strictSame(await said(), expected('hours', rows));
  await travel.to(nextMorning + HOUR_MS);
  await paused.round();
  t.strictSame(await said(), expected('day', rows));
});

t.test('a system that was purged and not written again stays away', async (t) => {
  await writer.store(makeRows(100));
  await travel.to(nextMorning);
  await meanwhile(hourRead, async () => redis.del(...(await redis.keys('pt:{s}*'))));
  t.strictSame(await redis.keys('pt:{s}*'), []);
});

t.test('a process that is killed half way leaves a day that the next leader finishes', async (t) => {
  const rows = makeRows(100);
  await writer.store(rows);
  await travel.to(sealing);
  const program = fileURLToPath(new URL('../../support/rollup-child.js', import.meta.url));
  proxy.arm(storeSha, 'hold');
  const child = fork(program, [proxy.socket, String(clock.now())]);
  const exited = once(child, 'exit');
  await proxy.paused();
  t.equal(await redis.hget(state, 'token'), '1', 'some lists are stored');
  t.equal(await redis.hget(state, 'rolled'), null);
  child.kill('SIGKILL');
  await exited;
  t.strictSame(await said(), expected('hours', rows));
  await other.round();
  t.strictSame(await said(), expected('hours', rows), 'the lease is still the dead one’s');
  await travel.to(sealing + HOUR_MS);
  await other.round();
  t.strictSame(await said(), expected('day', rows));
  t.match(await redis.hgetall(state), { sealed: '1', token: '2' });
  t.equal(await redis.hget(systemKey('s'), `d:roll:all:day:${day.name}`), null);
});

t.test('writers and two leaders that know nothing of each other: every event is counted once', async (t) => {
  const rows: Row[] = [];
  const write = async (count: number) => {
    const more = makeRows(count);
    rows.push(...more);
    await writer.store(more);
  };
  await write(50);
  for (const at of [nextMorning, nextMorning + 3 * HOUR_MS, sealing]) {
    await travel.to(at);
    for (let i = 0; i < 15; i++) {
      await redis.hset(systemKey('s'), `d:roll:all:day:${day.name}`, 0);
      await leaseEnds();
      const first = paused.round();
      await leaseEnds();
      await Promise.all([first, other.round(), write(10), write(10)]);
      t.strictSame(await said(), { ...expected('', rows), source: (await said()).source });
    }
  }
  await leaseEnds();
  await other.round();
  t.equal(await redis.hget(state, 'sealed'), '1');
  t.strictSame(await said(), expected('day', rows));
});

t.test('a sweep takes all systems and all their days in turn, a bounded number a round', async (t) => {
  const daysOfLog = 1_050;
  const old = Array.from({ length: daysOfLog }, (_, i) => ({
    system: 'a-log',
    timestamp: new Date(Date.UTC(2015, 0, 1 + i)).toISOString(),
  }));
  await writer.store(old);
  await writer.store(makeRows(24).map((row) => ({ ...row, system: 'b' })));
  await travel.to(nextMorning);
  const rolled = async () => (await other.outcomes()).rolled;
  const before = await rolled();
  await other.round();
  t.equal(await rolled(), before + 1_000);
  await other.round();
  t.equal((await readTop(redis, 'b', 'active_users')).source, 'day', 'the others are not held up');
  await other.round();
  t.equal(await rolled(), before + daysOfLog + 1);
});
