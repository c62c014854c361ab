/** Questions about measurements that no system has: a mistyped one is not a list of nulls. */
import t from 'tap';
import { startApp } from '../support/app.js';
import { compliance, event, get, postRows } from '../support/http.js';
import { startRedis } from '../support/redis-server.js';

const timestamp = Date.UTC(2026, 0, 31, 13, 20);
const clock = { now: () => timestamp };
const redis = await startRedis();
const config = { QUERY_CACHE: 'on' } as const;
const one = await startApp({ redis, config, clock });
const other = await startApp({ redis, config, clock });
const { base } = one;
t.teardown(async () => {
  await one.stop();
  await other.stop();
  await redis.stop();
});

const row = (system: string, metadata: object) => event({ system, timestamp, metadata });
await postRows(base, [
  row('crm', { latency_ms: 5, payload_bytes: 7 }),
  row('erp', { queue_length: 3 }),
  row('hr', { ip: '192.0.2.1' }),
]);

interface Answer {
  code: string;
  detail: string;
  metrics: string[];
  errors: { pointer: string }[];
  count: number;
  unknown_systems?: string[];
}
const from = timestamp - 3_600_000;
/** Every question about a measurement. */
const questions = (metric: string, systems: readonly string[]) => {
  const named = systems.map((system) => `&system=${encodeURIComponent(system)}`).join('');
  return [
    `${compliance(`percentiles/${metric}`, { window: '1h' })}${named}`,
    `${compliance(`stats/${metric}`, { window: '1h' })}${named}`,
    `${compliance('sla/check', { metric, threshold: 10 })}${named}`,
    `${compliance(`timeseries/${metric}`, { from })}${named}`,
  ];
};
const latency = (system: string, metric: string) =>
  compliance(`latency/summary/${encodeURIComponent(system)}`, { metric });

t.test('a measurement that the system does not have is a 404 with those it has', async (t) => {
  for (const path of [...questions('latencyms', ['crm']), latency('crm', 'latencyms')]) {
    const { status, body, headers } = await get<Answer>(base, path);
    t.equal(status, 404, path);
    t.equal(headers['content-type'], 'application/problem+json');
    t.match(body, { code: 'metric_unknown', errors: [{ pointer: '/metric' }] }, path);
    t.strictSame(body.metrics, ['latency_ms', 'payload_bytes'], path);
    t.match(body.detail, /"latencyms".*"crm".*latency_ms, payload_bytes/, path);
  }
});

t.test('of several systems one that has it is enough', async (t) => {
  for (const path of questions('queue_length', ['crm', 'erp']))
    t.equal((await get(base, path)).status, 200, path);
});

t.test('where none of several systems has it, those of all are listed', async (t) => {
  for (const path of questions('latencyms', ['crm', 'erp', 'hr'])) {
    const { status, body } = await get<Answer>(base, path);
    t.match({ status, body }, { status: 404, body: { code: 'metric_unknown' } }, path);
    t.strictSame(body.metrics, ['latency_ms', 'payload_bytes', 'queue_length'], path);
  }
});

t.test('where no system at all has it, * is a 404 too', async (t) => {
  for (const path of questions('latencyms', ['*'])) {
    const { status, body } = await get<Answer>(base, path);
    t.match({ status, body }, { status: 404, body: { code: 'metric_unknown' } }, path);
    t.strictSame(body.metrics, ['latency_ms', 'payload_bytes', 'queue_length'], path);
  }
  for (const path of questions('queue_length', ['*'])) t.equal((await get(base, path)).status, 200, path);
});

t.test('systems that do not exist have no measurements, and are no reason to call one unknown', async (t) => {
  for (const path of questions('queue_length', ['erp', 'nosuch'])) {
    const { status, body } = await get<Answer>(base, path);
    t.match({ status, body }, { status: 200, body: { unknown_systems: ['nosuch'] } }, path);
  }
  for (const path of questions('latencyms', ['erp', 'nosuch'])) {
    t.match(await get(base, path), { status: 404, body: { code: 'metric_unknown' } }, path);
  }
});

t.test('an unknown system comes before an unknown measurement', async (t) => {
  for (const path of questions('latencyms', ['nosuch'])) {
    t.match(await get(base, path), { status: 404, body: { code: 'system_unknown' } }, path);
  }
});

for (const metric of ['latency_ms', 'api_latency']) {
  t.test(`${metric} exists in every system, whether it was ever measured or not`, async (t) => {
    const [percentiles, stats, sla, series] = questions(metric, ['hr']);
    for (const path of [percentiles, stats, latency('hr', metric)]) {
      t.match(await get(base, path), { status: 200, body: { count: 0, coverage: 'complete' } }, path);
    }
    t.equal((await get(base, series)).status, 200);
    t.match(await get(base, sla), { status: 404, body: { code: 'no_data' } });
  });
}

t.test('a measurement of another time is known, and was not taken in this one', async (t) => {
  const path = compliance('stats/payload_bytes', { system: 'crm', timestamp: timestamp - 86_400_000 });
  t.match(await get(base, path), { status: 200, body: { count: 0, coverage: 'complete' } });
});

t.test('a sample makes its measurement known at once, in every process', async (t) => {
  const paths = [...questions('fresh', ['hr']), latency('hr', 'fresh')];
  for (const path of paths) {
    for (const at of [base, other.base, base]) t.equal((await get(at, path)).status, 404, path);
  }
  await postRows(base, [row('hr', { fresh: 1 })]);
  for (const path of paths) {
    for (const at of [base, other.base]) t.equal((await get(at, path)).status, 200, path);
  }
});

for (const metric of ['__proto__', 'epoch', 'since', 'n:latency_ms']) {
  t.test(`a measurement called ${metric} is unknown like any other`, async (t) => {
    const path = compliance(`stats/${encodeURIComponent(metric)}`, { system: 'crm' });
    t.match(await get(base, path), { status: 404, body: { code: 'metric_unknown' } });
  });
}
