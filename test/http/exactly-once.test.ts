/**
 * A request with an `Idempotency-Key`, broken off at each of its steps and sent again until it is answered, is counted
 * once: by the process that failed, by another one, by both at once, whatever its body.
 */
import t from 'tap';
import { claimKey } from '../../src/redis/keys.js';
import { startApp } from '../support/app.js';
import {
  bodyOf,
  isCountedOnce,
  sendUntilStored,
  stepShas as shas,
  wideRows,
} from '../support/exactly-once.js';
import { post } from '../support/http.js';
import { type Fault, startProxy } from '../support/redis-proxy.js';
import { startRedis } from '../support/redis-server.js';
import { withRedis } from '../support/redis-state.js';
import { until } from '../support/until.js';

const redis = await startRedis();
const proxy = await startProxy(redis);
const config = { BATCH_EVENTS_MAX: 500, REDIS_INGEST_TIMEOUT_MS: 150 };
const throughProxy = { ...redis, socket: proxy.socket, url: proxy.socket };
const failing = await startApp({ config, redis: throughProxy });
const plain = await startApp({ config: { ...config, WRITER: 'plain' }, redis: throughProxy });
const other = await startApp({ config, redis });
t.teardown(async () => {
  await failing.stop();
  await plain.stop();
  await other.stop();
  await proxy.stop();
  await redis.stop();
});

const steps: [name: string, script: string, fault: Fault][] = [
  ['before it is claimed', shas.claim, 'tear'],
  ['when it is claimed, before that is known', shas.claim, 'cut'],
  ['between script calls of its systems', shas.apply, 'tear'],
  ['when all is stored, before that is known', shas.apply, 'cut'],
  ['before its answer is kept', shas.finish, 'tear'],
  ['when its answer is kept, before it is sent', shas.finish, 'cut'],
];
const streamSteps: typeof steps = [
  ['before a chunk is noted', shas.note, 'tear'],
  ['when a chunk is noted', shas.note, 'cut'],
];

for (const [name, script, fault] of [...steps, ...streamSteps]) {
  for (const isStream of [false, true]) {
    if (script === shas.note && !isStream) continue;
    for (const [by, { base }, again, bases] of [
      ['', failing, 'the same process', [failing.base]],
      ['', failing, 'another one', [other.base]],
      [' by the plain writer', plain, 'another one', [other.base]],
    ] as const) {
      t.test(`${isStream ? 'a stream' : 'a body'} cut ${name}${by}, sent again to ${again}`, async (t) => {
        await until(async () => (await fetch(`${base}/readyz`)).ok, 'a connection');
        const body = bodyOf(wideRows(1_200).slice(0, isStream ? 1_200 : 500), isStream);
        proxy.arm(script, fault);
        const first = await post(base, body.text, body.headers);
        t.equal(first.status, 503);
        const last = await sendUntilStored(bases, body);
        t.match(last?.body, { accepted: body.rows.length });
        await isCountedOnce(t, other.base, body.rows);
        const repeat = await post(other.base, body.text, body.headers);
        t.equal(repeat.text, last?.text);
        t.equal(repeat.headers['idempotency-replayed'], 'true');
      });
    }
  }
}

t.test('a try that comes to itself after another has taken over counts nothing', async (t) => {
  const slow = await startApp({
    config: { ...config, REDIS_INGEST_TIMEOUT_MS: 10_000 },
    redis: throughProxy,
  });
  t.teardown(slow.stop);
  for (const script of [shas.claim, shas.apply, shas.finish]) {
    const body = bodyOf(wideRows(300), false);
    proxy.arm(script, 'pause');
    const first = post(slow.base, body.text, body.headers);
    await proxy.paused();
    if (script !== shas.finish) {
      t.equal((await post(other.base, body.text, body.headers)).status, 409);
      const claim = claimKey('anyone', body.headers['idempotency-key']);
      await withRedis(redis, (direct) => direct.hset(claim, 'until', 0)); // as after the time of its lease
    }
    const second = await sendUntilStored([other.base], body);
    proxy.resume();
    const late = await first;
    t.equal(late.status, 201);
    t.equal(late.text, second?.text, 'both have the one answer');
    await isCountedOnce(t, other.base, body.rows);
  }
});
