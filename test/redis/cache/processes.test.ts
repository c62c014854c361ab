/** Several processes, one computation. */
import { Redis } from 'ioredis';
import t from 'tap';
import { countKey, startCacheProcess } from '../../support/cache-process.js';
import { startRedis } from '../../support/redis-server.js';
import { until } from '../../support/until.js';

const server = await startRedis();
const redis = new Redis(server.url);
t.teardown(async () => {
  redis.disconnect();
  await server.stop();
});
t.beforeEach(async () => {
  await redis.flushall();
});
const computations = async () => Number(await redis.get(countKey));

t.test('10,000 requests at once for one cold question make exactly one computation', async (t) => {
  const [one, other] = await Promise.all([
    startCacheProcess(t, server.socket),
    startCacheProcess(t, server.socket),
  ]);
  const order = { name: 'cold', requests: 5_000 };
  const reports = await Promise.all([one.ask(order), other.ask(order)]);
  t.equal(await computations(), 1);
  for (const { bodies, errors } of reports)
    t.strictSame({ bodies, errors }, { bodies: ['{"run":1}'], errors: [] });
  const states = reports.map((report) => Object.keys(report.states).sort().join(' ')).sort();
  t.strictSame(states, ['coalesced miss', 'hit_l2'], 'one process computed, the other was told');
});

t.test(
  'where the computing process is killed, one more computes, without an error, within 2 s',
  async (t) => {
    const [holder, other] = await Promise.all([
      startCacheProcess(t, server.socket),
      startCacheProcess(t, server.socket),
    ]);
    const order = { name: 'killed', requests: 100 };
    holder.ask({ ...order, computeMs: 60_000 }).catch(() => undefined);
    await until(async () => (await computations()) === 1, 'the computation to begin');
    const asked = other.ask(order);
    holder.child.kill('SIGKILL');
    const { bodies, errors, longestMs } = await asked;
    t.strictSame({ bodies, errors }, { bodies: ['{"run":2}'], errors: [] });
    t.ok(longestMs < 2_000, `${longestMs} ms`);
    t.equal(await computations(), 2);
  },
);

t.test('requests for an answer of now share one computation in each process', async (t) => {
  const [one, other] = await Promise.all([
    startCacheProcess(t, server.socket),
    startCacheProcess(t, server.socket),
  ]);
  await one.ask({ name: 'now' });
  const order = { name: 'now', requests: 500, refresh: true, computeMs: 300 };
  const reports = await Promise.all([one.ask(order), other.ask(order)]);
  t.equal(await computations(), 3, 'what the other computes began before the request');
  t.strictSame(
    reports.flatMap(({ errors }) => errors),
    [],
  );
  t.strictSame(reports.flatMap(({ bodies }) => bodies).sort(), ['{"run":2}', '{"run":3}']);
});
