/** The plain writer on a real Redis: one command at a time, and the promises of every writer. */
import { Redis } from 'ioredis';
import t from 'tap';
import { Problem } from '../../src/errors.js';
import { sketchKey } from '../../src/redis/keys.js';
import { scripts } from '../../src/redis/scripts.js';
import { bucketAt } from '../../src/windows/bucket.js';
import { startProxy } from '../support/redis-proxy.js';
import { startRedis } from '../support/redis-server.js';
import { startTurnCounter } from '../support/turn-counter.js';
import { until } from '../support/until.js';
import { createWritePath, now, type Row } from '../support/write-path.js';

const server = await startRedis();
const redis = new Redis(server.url, { protocol: 2 });
const proxy = await startProxy(server);
t.teardown(async () => {
  redis.disconnect();
  await proxy.stop();
  await server.stop();
});
t.beforeEach(async () => {
  await redis.flushall();
});

type Options = Partial<Parameters<typeof createWritePath>[0]>;

async function openPath(t: { teardown(fn: () => Promise<void>): void }, options: Options = {}) {
  const path = await createWritePath({ socket: server.socket, writer: 'plain', ...options });
  t.teardown(path.close);
  return path;
}

const full: Row = {
  event_type: 'user_login',
  user_id: 'ada',
  session_id: 's-1',
  metadata: { ip: '192.0.2.1', endpoint: '/login', status: 'failed', latency_ms: 12, bytes: 80 },
};
const applySha = scripts['apply-delta-n'].sha;
const eventsOf = async (system: string) =>
  (await redis.hvals(sketchKey(system, 'count', 'events', bucketAt('day', now)))).reduce(
    (sum, count) => sum + Number(count),
    0,
  );
const codeOf = (promise: Promise<void>) =>
  promise.then(
    () => 'stored',
    (error) => (error instanceof Problem ? error.code : String(error)),
  );

t.test('an event costs seven commands, each sent when the one before it is answered', async (t) => {
  const counter = await startTurnCounter(server);
  t.teardown(counter.stop);
  const path = await openPath(t, { socket: counter.socket });
  await path.store([full]);
  await counter.begin();
  await path.store([full, full, full]);
  const commands = counter.turns.map((turn) => turn.split('EVALSHA').length - 1);
  t.strictSame(commands, Array(3 * 7).fill(1));
  t.ok(counter.turns.every((turn) => turn.includes(applySha)));
});

t.test('events are stored in order up to the one that fails, which nothing comes after', async (t) => {
  const path = await openPath(t);
  await path.store([{ system: 'broken' }]);
  await redis.set(sketchKey('broken', 'top', 'event_types', bucketAt('hour', now)), 'text');
  const rows = [{ system: 'a' }, { system: 'broken' }, { system: 'b' }];
  const error = await path.store(rows).catch((error: unknown) => error);
  t.match(error, { code: 'ingest_failed' });
  t.strictSame([await eventsOf('a'), await eventsOf('b')], [1, 0]);
});

t.test('a command whose reply is lost is not sent again, and its request ends', async (t) => {
  const path = await openPath(t, { socket: proxy.socket });
  await path.store([full]);
  const before = proxy.seen(applySha);
  proxy.arm(applySha, 'cut');
  t.equal(await codeOf(path.store([full, full])), 'outcome_unknown');
  t.equal(proxy.seen(applySha), before + 1);
  await path.ready(2);
  t.equal(await codeOf(path.store([full])), 'stored');
});

t.test('that nothing was stored is said of the first event alone', async (t) => {
  const path = await openPath(t, { socket: proxy.socket });
  await path.store([full]);
  await redis.config('SET', 'maxmemory', '1');
  t.teardown(() => redis.config('SET', 'maxmemory', '0'));
  const first = await path.store([full]).catch((error: Error) => error.message);
  t.match(first, /^nothing was stored/);
  await redis.config('SET', 'maxmemory', '0');
  proxy.arm(applySha, 'pause');
  const later = path.store([full, full]).catch((error: Error) => error.message);
  await proxy.paused();
  proxy.resume();
  await until(async () => (await eventsOf('s')) >= 2, 'the first of two events');
  await redis.config('SET', 'maxmemory', '1');
  t.notMatch(await later, /^nothing was stored/);
});

t.test('what waits is bounded in bytes, and what has failed makes room again', async (t) => {
  const path = await openPath(t, { pendingBytesMax: 1_000 });
  const taken = [path.store([{ system: 'a' }], 600), path.store([{ system: 'a' }], 400)];
  t.throws(() => path.store([{ system: 'a' }], 1), { code: 'overloaded' });
  await Promise.all(taken);
  await redis.set(sketchKey('broken', 'count', 'events', bucketAt('day', now)), 'text');
  for (let i = 0; i < 3; i++) {
    t.equal(await codeOf(path.store([{ system: 'broken' }], 900)), 'ingest_failed');
  }
});

t.test('draining ends after everything taken in is answered', async (t) => {
  const path = await openPath(t);
  await path.writer.drain();
  let answered = 0;
  for (let i = 0; i < 30; i++) void path.store([full, full]).then(() => answered++);
  await path.writer.drain();
  t.equal(answered, 30);
  t.equal(await eventsOf('s'), 60);
});
