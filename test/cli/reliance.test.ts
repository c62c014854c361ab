/** What `papertrail query` says of how far an answer may be relied upon: systems that do not exist, data that is gone, its age. */
import { Redis } from 'ioredis';
import t, { type Test } from 'tap';
import { startApp } from '../support/app.js';
import { commandLine } from '../support/command-line.js';
import { event, postRows } from '../support/http.js';
import { letPass } from '../support/time-travel.js';

const DAY = 86_400_000;
const start = Date.UTC(2026, 0, 5, 10, 20);
let now = start;
const { base, redis, stop } = await startApp({
  clock: { now: () => now },
  config: { QUERY_CACHE: 'on', RETENTION_HOUR_SECONDS: 6 * 3_600, RETENTION_DAY_SECONDS: 2 * 86_400 },
});
t.teardown(stop);

const row = (system: string, user_id: string, timestamp: number) =>
  event({ system, user_id, timestamp, metadata: { latency_ms: 5 } });
t.before(async () => {
  await postRows(base, [row('gone', 'ann', start), row('rest', 'ann', start)]);
  now += 10 * DAY;
  const connection = new Redis(redis.url, { protocol: 2 });
  await letPass(connection, 10 * DAY);
  connection.disconnect();
  await postRows(base, [row('rest', 'cy', start), row('billing', 'ann', now), row('crm', 'bob', now)]);
});

const query = (test: Test, ...values: string[]) => commandLine(test, base).run(['query', ...values]);
const then = ['--timestamp', String(start)];

t.test('a system that does not exist ends it with status 2 and the names nearest to it', async (t) => {
  for (const values of [
    ['activity', '--system', 'biling', '--user', 'ann'],
    ['distinct', 'users', '--system', 'biling'],
    ['summary', 'biling'],
  ]) {
    const { status, stdout, stderr } = await query(t, ...values);
    t.match({ status, stdout }, { status: 2, stdout: '' }, values.join(' '));
    t.match(stderr, /^papertrail: 404 .*"biling".*billing\?\n$/);
  }
});

t.test('beside others the answer is printed with a warning, and the status is 2', async (t) => {
  const values = ['distinct', 'users', '--system', 'billing', '--system', 'nosuch'];
  const { status, stdout } = await query(t, ...values);
  t.equal(status, 2);
  t.match(stdout, /^count +1$/m);
  t.match(stdout, /^WARNING +no such system: nosuch$/m);
  const asJson = await query(t, ...values, '--json');
  t.equal(asJson.status, 2);
  t.match(JSON.parse(asJson.stdout), { count: 1, unknown_systems: ['nosuch'] });
});

t.test('an SLA that is met by some systems ends with status 2 where others do not exist', async (t) => {
  const values = [
    'sla',
    '--metric',
    'latency_ms',
    '--threshold',
    '10',
    '--system',
    'billing',
    '--system',
    'nosuch',
  ];
  t.match(await query(t, ...values), { status: 2, stdout: /^status +PASS$/m });
});

t.test('a measurement that does not exist ends it with status 2 and those there are', async (t) => {
  const { status, stdout, stderr } = await query(t, 'stats', 'latencyms', '--system', 'crm');
  t.match({ status, stdout }, { status: 2, stdout: '' });
  t.match(stderr, /^papertrail: 404 .*"latencyms".*latency_ms\n$/);
});

t.test('a "no" says as of when it is certain', async (t) => {
  const { status, stdout } = await query(t, 'activity', '--system', 'crm', '--user', 'ann');
  t.equal(status, 0);
  const [, asOf] = /^as of +(\S+)$/m.exec(stdout) ?? [];
  t.match(asOf, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
  t.match(stdout, /^answer +no$/m);
  t.ok(stdout.includes(`certain as of ${asOf}`));
});

t.test('what is gone is unknown, and not 0 or no', async (t) => {
  const count = await query(t, 'distinct', 'users', '--system', 'gone', ...then);
  t.match(count.stdout, /^count +unknown$/m);
  t.match(count.stdout, /^coverage +EXPIRED: /m);
  t.notMatch(count.stdout, /^bound/m);
  const activity = await query(t, 'activity', '--system', 'gone', '--user', 'ann', ...then);
  t.match(activity.stdout, /^answer +unknown$/m);
  t.match(activity.stdout, /^certainty +not certain: see coverage$/m);
  const summary = await query(t, 'summary', 'gone', ...then);
  t.match(summary.stdout, /^hour +unknown +unknown +unknown .*EXPIRED/m);
});

t.test('a count of what is partly gone is a lower bound, and a "no" is not certain', async (t) => {
  const count = await query(t, 'distinct', 'users', '--system', 'rest', ...then);
  t.match(count.stdout, /^count +at least 1$/m);
  t.match(count.stdout, /^coverage +PARTIAL: /m);
  const activity = await query(t, 'activity', '--system', 'rest', '--user', 'ann', ...then);
  t.match(activity.stdout, /^answer +no$/m);
  t.match(activity.stdout, /^certainty +not certain: see coverage$/m);
  const sla = ['sla', '--metric', 'latency_ms', '--threshold', '10', '--system', 'rest', ...then];
  t.match(await query(t, ...sla), {
    status: 0,
    stdout: /^status +PASS, but not certain: see bound and coverage$/m,
  });
});

t.test('a time that has not begun is unknown', async (t) => {
  const values = ['distinct', 'users', '--system', 'crm', '--timestamp', String(now + 5 * DAY)];
  const { stdout } = await query(t, ...values);
  t.match(stdout, /^count +unknown$/m);
  t.match(stdout, /^coverage +FUTURE: /m);
});

t.test('--fresh computes the answer now, whatever was kept', async (t) => {
  const values = ['distinct', 'users', '--system', 'crm', '--timestamp', String(now)];
  t.match((await query(t, ...values)).stdout, /^count +1$/m);
  await postRows(base, [row('crm', 'dee', now)]);
  t.match((await query(t, ...values)).stdout, /^count +1$/m, 'it is kept');
  t.match((await query(t, ...values, '--fresh')).stdout, /^count +2$/m);
});
