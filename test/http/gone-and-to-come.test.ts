/**
 * Times of which nothing or not everything is kept, and times that have not begun: what cannot be known is null, a number of
 * which some may be missing is a lower bound, and neither is certain.
 */
import { Redis } from 'ioredis';
import t from 'tap';
import { startApp } from '../support/app.js';
import { compliance, event, get, postRows } from '../support/http.js';
import { letPass } from '../support/time-travel.js';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
/** As short as settings allow. */
const config = {
  RETENTION_MINUTE_SECONDS: 1_800,
  RETENTION_HOUR_SECONDS: 6 * 3_600,
  RETENTION_DAY_SECONDS: 2 * 86_400,
  RETENTION_WEEK_SECONDS: 10 * 86_400,
  RETENTION_MONTH_SECONDS: 31 * 86_400,
};
const start = Date.UTC(2026, 0, 5, 10, 20);
let now = start;
const { base, redis, stop } = await startApp({ clock: { now: () => now }, config });
const connection = new Redis(redis.url, { protocol: 2 });
t.teardown(async () => {
  connection.disconnect();
  await stop();
});

const row = (system: string, user_id: string, timestamp: number) =>
  event({
    system,
    user_id,
    session_id: user_id,
    timestamp,
    metadata: { ip: '192.0.2.1', endpoint: '/a', latency_ms: 5 },
  });
const store = async (...rows: object[]) => {
  const { status, text } = await postRows(base, rows);
  if (status !== 201) throw new Error(text);
};
await store(
  ...['expired', 'partial'].flatMap((system) => [row(system, 'ann', start), row(system, 'bob', start)]),
);
now += 60 * DAY;
await letPass(connection, 60 * DAY);
// So late that all but it is gone of its time, and its buckets are begun anew.
await store(row('partial', 'cy', start), row('partial', 'cy', start), row('partial', 'cy', start));

type Body = Record<string, unknown> & { coverage: string };
async function ask(path: string, parameters: Record<string, string | number>): Promise<Body> {
  const { status, body, text } = await get<Body>(base, compliance(path, parameters));
  if (status !== 200) throw new Error(`${path}: ${status} ${text}`);
  return body;
}
const fieldsOf = (body: object, names: readonly string[]) =>
  Object.fromEntries(names.map((name) => [name, (body as Record<string, unknown>)[name]]));
const series = { from: start - 20 * 60_000, to: start + 40 * 60_000, step: '1h' };

interface Asked {
  path: string;
  /** Of the window and the instant asked about, where it is no series. */
  window?: string;
  parameters?: Record<string, string | number>;
}
const counts: Record<string, Asked> = {
  'a distinct count': { path: 'distinct/users', window: '1h' },
  'a distinct count of a month': { path: 'distinct/users', window: '1M' },
  'a frequency': { path: 'frequency/users', window: '1d', parameters: { item: 'ann' } },
  'the count of percentiles': { path: 'percentiles/latency_ms', window: '1h' },
  'the count of statistics': { path: 'stats/latency_ms', window: '1d' },
};
const points: Record<string, Asked> = {
  'distinct users': { path: 'timeseries/users' },
  events: { path: 'timeseries/events' },
  'one user': { path: 'timeseries/active_users', parameters: { item: 'cy' } },
  percentiles: { path: 'timeseries/latency_ms' },
};
const about = (system: string, { window, parameters = {} }: Asked, timestamp: number) => ({
  system,
  ...parameters,
  ...(window === undefined ? series : { window, timestamp }),
});

for (const [name, asked] of Object.entries(counts)) {
  t.test(`expired: ${name} is null, and so are its bounds`, async (t) => {
    const body = await ask(asked.path, about('expired', asked, start));
    t.equal(body.coverage, 'expired');
    t.strictSame(fieldsOf(body, ['count', 'lower_bound']), { count: null, lower_bound: undefined });
    if (body.bound) t.match(body.bound, { lower: null, upper: null });
  });

  t.test(`partial: ${name} is a lower bound and says so`, async (t) => {
    const body = await ask(asked.path, about('partial', asked, start));
    t.match(body, { coverage: 'partial', count: Number, lower_bound: true });
  });

  t.test(`future: ${name} is null where nothing came early`, async (t) => {
    const body = await ask(asked.path, about('partial', asked, now + 62 * DAY));
    t.strictSame(fieldsOf(body, ['coverage', 'count']), { coverage: 'future', count: null });
    if (body.bound) t.match(body.bound, { lower: null, upper: null });
  });

  t.test(`complete: ${name} of a time in which nothing came is 0, and no lower bound`, async (t) => {
    const body = await ask(asked.path, about('partial', asked, now));
    t.strictSame(fieldsOf(body, ['coverage', 'lower_bound']), {
      coverage: 'complete',
      lower_bound: undefined,
    });
    t.type(body.count, 'number');
  });
}

for (const [name, asked] of Object.entries(points)) {
  t.test(`expired: points of ${name} have the count null`, async (t) => {
    const { coverage, points } = await ask(asked.path, about('expired', asked, start));
    t.equal(coverage, 'expired');
    const [point] = points as Body[];
    t.match(point, { count: null, coverage: 'expired' });
    for (const bound of ['lower', 'upper']) if (bound in point) t.equal(point[bound], null);
  });

  t.test(`partial: points of ${name} are lower bounds and say so`, async (t) => {
    const { coverage, points } = await ask(asked.path, about('partial', asked, start));
    t.equal(coverage, 'partial');
    t.match(points, [{ count: Number, lower_bound: true, coverage: 'partial' }]);
  });
}

t.test('expired: whether somebody was there is null, and no confidence is stated', async (t) => {
  for (const [name, value] of [
    ['user_id', 'ann'],
    ['user_id', 'nobody'],
    ['ip', '192.0.2.1'],
  ]) {
    const body = await ask('activity/check', { system: 'expired', timestamp: start, [name]: value });
    t.strictSame(fieldsOf(body, ['coverage', 'accessed', 'confidence', 'probability']), {
      coverage: 'expired',
      accessed: null,
      confidence: null,
      probability: null,
    });
    t.match(body.note, /Nothing of this time is kept/);
  }
});

t.test('partial: a "no" is not certain, a "yes" is as sure as its filter', async (t) => {
  const no = await ask('activity/check', { system: 'partial', user_id: 'ann', timestamp: start });
  t.strictSame(fieldsOf(no, ['coverage', 'accessed', 'confidence']), {
    coverage: 'partial',
    accessed: false,
    confidence: null,
  });
  t.match(no.note, /no longer kept, so "no" is not certain/);
  const yes = await ask('activity/check', { system: 'partial', user_id: 'cy', timestamp: start });
  t.equal(yes.accessed, true);
  t.equal(yes.confidence, 1 - Number(yes.false_positive_rate));
});

t.test('expired: a top list is empty, and says that more may have been', async (t) => {
  const body = await ask('top/active_users', { system: 'expired', timestamp: start });
  t.strictSame(body.items, []);
  t.match(body, { coverage: 'expired', lower_bound: true });
});

t.test('partial: no item of a top list is guaranteed to be among the first', async (t) => {
  const body = await ask('top/active_users', { system: 'partial', timestamp: start });
  t.match(body, { coverage: 'partial', lower_bound: true });
  t.match(body.items, [{ item: 'cy', count: 3, guaranteed: false }]);
});

t.test('expired: the counts of a summary are null', async (t) => {
  const { hourly, daily } = await ask('summary/expired', { timestamp: start });
  for (const part of [hourly, daily] as Body[]) {
    const names = ['unique_users', 'unique_sessions', 'unique_ips'];
    t.strictSame(fieldsOf(part, ['coverage', ...names]), {
      coverage: 'expired',
      unique_users: null,
      unique_sessions: null,
      unique_ips: null,
    });
    for (const name of names) {
      t.match((part.bounds as Record<string, object>)[name], { lower: null, upper: null }, name);
    }
  }
  t.strictSame(fieldsOf(hourly as Body, ['top_users', 'top_ips']), { top_users: [], top_ips: [] });
});

t.test('partial: the counts of a summary are lower bounds, and its lists guarantee nothing', async (t) => {
  const { hourly, daily } = await ask('summary/partial', { timestamp: start });
  t.match(hourly, { coverage: 'partial', lower_bound: true, unique_users: 1 });
  t.match(daily, { coverage: 'partial', lower_bound: true, unique_users: 1 });
  t.match((hourly as Body).top_users, [{ item: 'cy', guaranteed: false }]);
});

t.test('expired: an SLA is neither met nor missed', async (t) => {
  const asked = compliance('sla/check', {
    system: 'expired',
    metric: 'latency_ms',
    threshold: 100,
    timestamp: start,
  });
  t.match(await get(base, asked), { status: 404, body: { code: 'no_data', coverage: 'expired' } });
});

t.test('an SLA is certain only where all of its time is kept', async (t) => {
  const asked = { metric: 'latency_ms', threshold: 100 };
  const partial = await ask('sla/check', { system: 'partial', timestamp: start, ...asked });
  t.match(partial, { status: 'PASS', coverage: 'partial', certain: false, lower_bound: true });
  await store(row('complete', 'ann', now));
  const complete = await ask('sla/check', { system: 'complete', timestamp: now, ...asked });
  t.match(complete, { status: 'PASS', coverage: 'complete', certain: true });
  t.notOk('lower_bound' in complete);
});

t.test('future: whether somebody will be there is null', async (t) => {
  const body = await ask('activity/check', { system: 'partial', user_id: 'ann', timestamp: now + 3 * DAY });
  t.match(body, { coverage: 'future', accessed: null, confidence: null });
  t.match(body.note, /has not begun/);
});

t.test('future: what came early is counted', async (t) => {
  const soon = now + 20 * HOUR;
  await store(row('early', 'ann', soon));
  const asked = { system: 'early', timestamp: soon };
  t.match(await ask('distinct/users', { window: '1h', ...asked }), { coverage: 'future', count: 1 });
  t.match(await ask('top/active_users', asked), { coverage: 'future', items: [{ item: 'ann', count: 1 }] });
  const tomorrow = { ...asked, timestamp: soon };
  t.match(await ask('frequency/users', { item: 'ann', ...tomorrow }), { coverage: 'future', count: 1 });
  t.match(await ask('activity/check', { user_id: 'ann', ...tomorrow }), {
    coverage: 'future',
    accessed: true,
  });
});

t.test('a window that has begun is not future, though its end is to come', async (t) => {
  const body = await ask('distinct/users', { system: 'partial', window: '1M', timestamp: now });
  t.equal(body.coverage, 'complete');
});

t.test('future: a range and the points of a series say so', async (t) => {
  const from = Math.ceil(now / DAY) * DAY + 3 * DAY;
  const body = await ask('timeseries/users', { system: 'partial', from, to: from + 2 * HOUR });
  t.equal(body.coverage, 'future');
  t.match(body.points, [
    { count: null, coverage: 'future' },
    { count: null, coverage: 'future' },
  ]);
  const range = await ask('distinct/users', { system: 'partial', from, to: from + HOUR });
  t.strictSame(fieldsOf(range, ['coverage', 'count']), { coverage: 'future', count: null });
});

t.test('a series past now is complete as far as it has begun', async (t) => {
  const hour = Math.floor(now / HOUR) * HOUR;
  const body = await ask('timeseries/events', { system: 'complete', from: hour, to: hour + 2 * HOUR });
  const [begun, next] = body.points as Body[];
  t.notOk('coverage' in begun);
  t.match(next, { count: null, coverage: 'future' });
});
