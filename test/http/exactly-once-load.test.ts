/**
 * Requests with an `Idempotency-Key` from many senders, while a process is killed or keeps losing its connection, and
 * others write to the same systems: every row is counted once.
 */
import t from 'tap';
import { startApp } from '../support/app.js';
import {
  bodyOf,
  isCountedOnce,
  type Row,
  sendUntilStored,
  stepShas as shas,
  wideRows,
} from '../support/exactly-once.js';
import { get, json, post } from '../support/http.js';
import { pick, seededRandom } from '../support/random.js';
import { type Fault, startProxy } from '../support/redis-proxy.js';
import { startRedis } from '../support/redis-server.js';
import { startServiceProcess } from '../support/service-process.js';

const redis = await startRedis();
const proxy = await startProxy(redis);
const config = { BATCH_EVENTS_MAX: 500, REDIS_INGEST_TIMEOUT_MS: 150 };
const throughProxy = { ...redis, socket: proxy.socket, url: proxy.socket };
const failing = await startApp({ config, redis: throughProxy });
const other = await startApp({ config, redis });
/** Has all the time it needs, so that requests without a key are stored once too. */
const steady = await startApp({ redis });
t.teardown(async () => {
  await failing.stop();
  await other.stop();
  await steady.stop();
  await proxy.stop();
  await redis.stop();
});

t.test('kill -9 at each step, sent again to another process', async (t) => {
  for (const script of [shas.claim, shas.apply, shas.finish]) {
    const env = { REDIS_INGEST_TIMEOUT_MS: '500' };
    const doomed = await startServiceProcess(throughProxy, env);
    const body = bodyOf(wideRows(300), false);
    proxy.arm(script, 'hold');
    const first = post(doomed.base, body.text, body.headers).catch(() => undefined);
    await proxy.paused();
    await doomed.kill();
    t.equal(await first, undefined);
    await sendUntilStored([other.base], body);
    await isCountedOnce(t, steady.base, body.rows);
  }
});

t.test('random bodies, sent by several at once to two processes, one of which keeps failing', async (t) => {
  const random = seededRandom(7);
  const faults: Fault[] = ['cut', 'tear'];
  for (let round = 0; round < 4; round++) {
    const systems = Array.from({ length: 6 }, (_, i) => `random-${round}-${i}`);
    const rowsOf = (count: number): Row[] =>
      Array.from({ length: count }, () => ({
        system: systems[Math.floor(random() ** 2 * systems.length)],
        user_id: `u${Math.floor(random() * 20)}`,
      }));
    const bodies = Array.from({ length: 12 }, () => {
      const isStream = random() < 0.5;
      return bodyOf(rowsOf(1 + Math.floor(random() ** 3 * (isStream ? 1_500 : 500))), isStream);
    });
    const plain = Array.from({ length: 20 }, () => bodyOf(rowsOf(20), false));
    let isOver = false;
    const arming = (async () => {
      while (!isOver) {
        proxy.arm(pick(Object.values(shas), random), pick(faults, random));
        await fetch(`${failing.base}/readyz`); // some milliseconds, more while it is in trouble
      }
    })();
    const senders = bodies.flatMap((body) =>
      Array.from({ length: 1 + Math.floor(random() * 3) }, (_, i) =>
        sendUntilStored(i % 2 === 0 ? [failing.base, other.base] : [other.base, failing.base], body),
      ),
    );
    const unkeyed = plain.map(({ text }) => post(steady.base, text, json));
    await Promise.all(senders);
    isOver = true;
    await arming;
    t.strictSame([...new Set((await Promise.all(unkeyed)).map(({ status }) => status))], [201]);
    await isCountedOnce(
      t,
      other.base,
      [...bodies, ...plain].flatMap(({ rows }) => rows),
    );
  }
  const outcomes = await Promise.all(
    [failing, other].map(async ({ base }) => (await get(base, '/metrics')).text),
  );
  t.match(outcomes.join('\n'), /claims_total\{outcome="taken_over"\} [1-9]/, 'and some were taken over');
});
