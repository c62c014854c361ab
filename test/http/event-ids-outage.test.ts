/**
 * Events with an `event_id` whose request is broken off and sent again until it is answered are counted once, without
 * an idempotency key and with one, by the process that failed or another one.
 */
import t from 'tap';
import { sketchKey } from '../../src/redis/keys.js';
import { bucketAt } from '../../src/windows/bucket.js';
import { startApp } from '../support/app.js';
import { bodyOf, isCountedOnce, sendUntilStored, stepShas, wideRows } from '../support/exactly-once.js';
import { event, json, post } from '../support/http.js';
import { type Fault, startProxy } from '../support/redis-proxy.js';
import { startRedis } from '../support/redis-server.js';
import { withRedis } from '../support/redis-state.js';
import { until } from '../support/until.js';

const redis = await startRedis();
const proxy = await startProxy(redis);
const config = { BATCH_EVENTS_MAX: 500, REDIS_INGEST_TIMEOUT_MS: 150, EVENT_ID_SECONDS: 3_600 };
const failing = await startApp({ config, redis: { ...redis, socket: proxy.socket, url: proxy.socket } });
const other = await startApp({ config, redis });
t.teardown(async () => {
  await failing.stop();
  await other.stop();
  await proxy.stop();
  await redis.stop();
});

let names = 0;
const identifiedRows = (count: number) =>
  wideRows(count).map((row) => ({ ...row, event_id: `event ${names++}` }));

const faults: [name: string, fault: Fault][] = [
  ['between script calls of its systems', 'tear'],
  ['when all is stored, before that is known', 'cut'],
];
for (const [name, fault] of faults) {
  for (const isStream of [false, true]) {
    for (const isKeyed of [false, true]) {
      const form = `${isStream ? 'a stream' : 'a body'} ${isKeyed ? 'with' : 'without'} an idempotency key`;
      t.test(`${form}, cut ${name}`, async (t) => {
        for (const bases of [[failing.base], [other.base], [failing.base, other.base]]) {
          await until(async () => (await fetch(`${failing.base}/readyz`)).ok, 'a connection');
          const body = bodyOf(identifiedRows(isStream ? 1_200 : 500), isStream);
          if (!isKeyed) Reflect.deleteProperty(body.headers, 'idempotency-key');
          proxy.arm(stepShas.apply, fault);
          t.equal((await post(failing.base, body.text, body.headers)).status, 503);
          t.match((await sendUntilStored(bases, body))?.body, { accepted: body.rows.length });
          await isCountedOnce(t, other.base, body.rows);
          const repeat = await post(other.base, body.text, {
            ...body.headers,
            'idempotency-key': `none${names++}`,
          });
          t.match(repeat.body, { accepted: body.rows.length, duplicates: body.rows.length });
          await isCountedOnce(t, other.base, body.rows);
        }
      });
    }
  }
}

t.test('half stored, with a key, and sent again: the duplicates are those of the first try', async (t) => {
  const at = Date.now();
  const row = (system: string, id: number) =>
    event({ system, event_id: `id-${id}`, user_id: `u${id}`, timestamp: at, metadata: { latency_ms: id } });
  const rowsOf = (from: number, to: number) =>
    Array.from({ length: to - from }, (_, i) => [row('whole', from + i), row('broken', from + i)]).flat();
  await post(other.base, JSON.stringify(rowsOf(0, 30)));
  const counter = sketchKey('broken', 'count', 'events', bucketAt('day', at));
  const body = JSON.stringify([...rowsOf(0, 100), ...rowsOf(90, 95)]);
  const keyed = { ...json, 'idempotency-key': 'half' };
  await withRedis(redis, async (direct) => {
    await direct.rename(counter, `${counter}.aside`);
    await direct.set(counter, 'text');
    t.match(await post(other.base, body, keyed), { status: 503 });
    await direct.rename(`${counter}.aside`, counter);
  });
  t.match(await post(other.base, body, keyed), { status: 201, body: { accepted: 210, duplicates: 70 } });
  const rows = ['whole', 'broken'].flatMap((system) =>
    Array.from({ length: 100 }, (_, id) => ({ system, user_id: `u${id}` })),
  );
  await isCountedOnce(t, other.base, rows);
});

t.test('a request whose events are on their way with those of another is refused with it', async (t) => {
  const system = 'shared';
  const at = Date.now();
  const body = JSON.stringify([
    event({ system, event_id: 'one', user_id: 'u', timestamp: at, metadata: { latency_ms: 1 } }),
  ]);
  await withRedis(redis, async (direct) => {
    const counter = sketchKey(system, 'count', 'events', bucketAt('day', at));
    await direct.set(counter, 'text');
    const answers = await Promise.all(Array.from({ length: 10 }, () => post(other.base, body)));
    t.ok(answers.every(({ status }) => status === 503));
    await direct.del(counter);
  });
  const again = await Promise.all(
    Array.from({ length: 10 }, () => post<{ duplicates: number }>(other.base, body)),
  );
  t.equal(
    again.reduce((sum, answer) => sum + answer.body.duplicates, 0),
    9,
  );
  await isCountedOnce(t, other.base, [{ system, user_id: 'u' }]);
});
