/** Points of a series say for themselves what is not kept of their time: there is no count then. */
import t from 'tap';
import { startApp } from '../support/app.js';
import { compliance, event, get, postRows } from '../support/http.js';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const now = Date.UTC(2026, 0, 31, 13, 20);
const { base, stop } = await startApp({ clock: { now: () => now } });
t.teardown(stop);
/** Minutes are kept for two hours, so those of the first event are not written any more. */
const times = [now - 3 * HOUR, now - HOUR, now];
await postRows(
  base,
  times.map((timestamp) => event({ timestamp, metadata: { latency_ms: 5 } })),
);

interface Series {
  coverage: string;
  points: { from: string; count: number | null; coverage?: string }[];
}
const series = async (metric: string, step: string, more = {}) => {
  const parameters = { system: 'crm', from: now - 3 * HOUR, to: now + 1, step, ...more };
  return (await get<Series>(base, compliance(`timeseries/${metric}`, parameters))).body;
};

t.test('those that have gone say expired, those that are empty or kept say nothing', async (t) => {
  const { coverage, points } = await series('users', '15m');
  t.equal(coverage, 'partial');
  const [first, ...others] = points;
  t.match(first, {
    from: '2026-01-31T10:15:00.000Z',
    count: null,
    lower: null,
    upper: null,
    coverage: 'expired',
  });
  const kept = others.filter(({ from }) => Date.parse(from) >= now - 2 * HOUR);
  t.strictSame(
    kept.filter((point) => 'coverage' in point),
    [],
  );
  t.strictSame(kept.map(({ count }) => count).sort(), [0, 0, 0, 0, 0, 0, 0, 1, 1].slice(-kept.length));
});

for (const [metric, more] of [
  ['users', {}],
  ['events', {}],
  ['active_users', { item: 'alice' }],
  ['latency_ms', {}],
] as const) {
  t.test(`where all is kept no point says so: ${metric}`, async (t) => {
    const { coverage, points } = await series(metric, '1h', more);
    t.equal(coverage, 'complete');
    t.strictSame(
      points.map(({ count }) => count),
      [1, 0, 1, 1],
    );
    t.ok(points.every((point) => !('coverage' in point)));
  });
}
