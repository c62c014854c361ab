/**
 * All that an answer depends on is in its key: whatever was asked before, an answer from the cache is the one that a
 * service without a cache gives to the same address. Both read the same Redis at the same instant.
 */
import t, { type Test } from 'tap';
import { startApp, startAppOn } from '../support/app.js';
import { historyEnd, makeHistory } from '../support/history.js';
import { get, postRows } from '../support/http.js';
import { pick, seededRandom } from '../support/random.js';

let now = historyEnd;
const clock = { now: () => now };
const cached = await startApp({ clock, monotonic: clock, config: { QUERY_CACHE: 'on' } });
const plain = await startAppOn({ clock, address: { path: cached.redis.socket } });
t.teardown(async () => {
  await plain.stop();
  await cached.stop();
});

const root = '/api/v1/compliance';
const random = seededRandom(20_260_131);
const iso = (at: number) => new Date(at).toISOString();
const HOUR = 3_600_000;

/** Names of zones, of which many mean the same. */
const zones = [
  ...['UTC', 'utc', 'Etc/UTC', 'etc/utc', 'Etc/UCT', 'Etc/GMT', 'Etc/GMT0', 'Etc/GMT%2B0', 'Etc/GMT-0'],
  ...['Etc/Zulu', 'Etc/Universal', 'Etc/Greenwich', 'GMT', 'Zulu', 'Europe/London', 'Africa/Abidjan'],
  ...['Europe/Kyiv', 'Europe/Kiev', 'europe/kiev', 'Europe/Berlin', 'Asia/Kolkata', 'Etc/GMT%2B1'],
];
const instants = [
  historyEnd,
  historyEnd - 95 * 60_000,
  historyEnd - 3 * HOUR,
  historyEnd - 26 * HOUR,
].flatMap((at) => [iso(at), String(at), String(at / 1_000), iso(at).replace('Z', '%2B00:00'), iso(at - 1)]);
const windows = ['1m', '5m', '15m', '1h', '1d', '1w', '1M'];
const questions = [
  'distinct/users?',
  'top/active_users?',
  'top/active_users?k=10&',
  'top/active_users?k=2&',
  'activity/check?user_id=user-1&',
  'frequency/users?item=user-1&',
  'percentiles/latency_ms?percentiles=9.99&',
  'percentiles/latency_ms?percentiles=99.9&',
  'percentiles/latency_ms?percentiles=50,95&',
  'percentiles/latency_ms?percentiles=95,50.0&',
  'percentiles/api_latency?percentiles=50,95&',
  'stats/latency_ms?',
  'sla/check?metric=latency_ms&threshold=1000&',
  'sla/check?metric=latency_ms&threshold=1e3&percentile=95.0&',
];
const series = ['users?', 'events?', 'latency_ms?percentiles=9.99&', 'latency_ms?percentiles=99.9&'];

function somePath(): string {
  const maybe = (chance: number, text: () => string) => (random() < chance ? text() : '');
  const tz = maybe(0.7, () => `&tz=${pick(zones, random)}`);
  if (random() < 0.2) {
    const [from, to] = [historyEnd - pick([2, 27], random) * HOUR, historyEnd - pick([0, 1], random) * HOUR];
    const step = maybe(0.8, () => `&step=${pick(['1h', '1d'], random)}`);
    return `${root}/timeseries/${pick(series, random)}system=crm&from=${iso(from)}&to=${iso(to)}${step}${tz}`;
  }
  const window = maybe(0.9, () => `&window=${pick(windows, random)}`);
  const timestamp = maybe(0.7, () => `&timestamp=${pick(instants, random)}`);
  const place = random() < 0.15 ? '&rolling=true' : tz;
  return `${root}/${pick(questions, random)}system=crm${window}${timestamp}${place}`;
}

/** What does not depend on when it was computed, as the `timestamp` of a range does, which is now. */
function stable({ status, body }: { status: number; body: Record<string, unknown> }) {
  const { as_of: _, computed_at: __, requestId: ___, timestamp, ...rest } = body;
  return { status, ...rest, ...(body.window === null || body.step ? {} : { timestamp }) };
}

/** Asks both, and compares. @returns the status, and whether the answer came from the cache */
async function askBoth(t: Test, path: string): Promise<{ status: number; isHit: boolean }> {
  const [ours, right] = await Promise.all([
    get<Record<string, unknown>>(cached.base, path),
    get<Record<string, unknown>>(plain.base, path),
  ]);
  if (JSON.stringify(stable(ours)) !== JSON.stringify(stable(right))) {
    t.strictSame(stable(ours), stable(right), `${path} at ${iso(now)}`);
  }
  return { status: right.status, isHit: String(ours.headers['cache-status']).includes('hit') };
}

t.before(() => postRows(plain.base, makeHistory(4_000, 1)));

t.test('an answer does not depend on who asked first', async (t) => {
  let hits = 0;
  const statuses = new Set<number>();
  for (let i = 0; i < 1_200; i++) {
    const { status, isHit } = await askBoth(t, somePath());
    if (isHit) hits++;
    statuses.add(status);
  }
  t.ok(hits > 100, `${hits} from the cache`);
  t.strictSame([...statuses].sort(), [200, 422]);
});

t.test('what is said relative to now is another question every minute', async (t) => {
  const berlin = 'tz=Europe/Berlin';
  const times = [
    ...['from=-2h', 'from=-95m&to=-5m', 'from=yesterday&to=today', `from=yesterday&to=${iso(now)}`],
    ...['window=1h&timestamp=-24h', 'window=1m&timestamp=-30m', 'window=1d&timestamp=yesterday'],
    ...['window=1h&rolling=true&timestamp=-1h', 'window=5m&rolling=true&timestamp=-7m'],
    ...[`window=1d&timestamp=yesterday&${berlin}`, `window=1d&timestamp=today&${berlin}`],
  ];
  const paths = [
    ...times.map((time) => `${root}/distinct/users?system=crm&${time}`),
    `${root}/timeseries/users?system=crm&from=-3h`,
    `${root}/timeseries/users?system=crm&from=yesterday&to=today&${berlin}`,
  ];
  let hits = 0;
  // Past the end of a minute, and the midnights of Berlin and of UTC.
  for (const at of [
    [13, 40],
    [22, 59],
    [23, 59],
  ]) {
    now = Date.UTC(2026, 0, 31, at[0], at[1], 45);
    for (let i = 0; i < 12; i++) {
      now += 500 + Math.floor(random() * 4_000);
      for (const path of paths) if ((await askBoth(t, path)).isHit) hits++;
    }
  }
  t.ok(hits > 50, `${hits} from the cache`);
});
