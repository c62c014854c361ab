/** `papertrail query`: every question, as text and as JSON, and how it ends. */
import t, { type Test } from 'tap';
import { startApp } from '../support/app.js';
import { clock } from '../support/cli-events.js';
import { commandLine } from '../support/command-line.js';
import { startFront } from '../support/front.js';

const { base, stop } = await startApp({ clock });
t.teardown(stop);

const odd = 'a/b?c#d {é}:"\'&%2e\u202e \t';
const systems = ['crm', '-db', odd, '..', '%2E'];

/** Five log-ins of a system, four users, latencies of 10 to 50 ms. */
const events = (system: string) =>
  ['ann', 'bob', 'cy', 'dee', 'ann'].map((user_id, index) => ({
    event_type: 'user_login',
    system,
    user_id,
    session_id: `s${index}`,
    metadata: { ip: '192.0.2.1', endpoint: '/in', latency_ms: 10 * (index + 1) },
  }));

t.before(async () => {
  const body = JSON.stringify(systems.flatMap(events));
  const headers = { 'content-type': 'application/json' };
  const { status } = await fetch(`${base}/api/v1/events/batch`, { method: 'POST', headers, body });
  t.equal(status, 201);
});

const query = (test: Test, ...values: string[]) => commandLine(test, base).run(['query', ...values]);

/** A question that all are asked with, what its text says, and what its JSON holds. */
const questions: [values: string[], lines: RegExp[], json: object][] = [
  [
    ['distinct', 'users', '--system', 'crm'],
    [/^distinct +users of crm$/m, /^window +1h, 2026-03-02T10:00/m, /^count +4$/m, /^coverage +complete$/m],
    { metric: 'users', system: 'crm', count: 4 },
  ],
  [
    ['activity', '--system', 'crm', '--user', 'ann'],
    [/^did +user ann touch crm$/m, /^answer +yes$/m, /^certainty +wrong with a probability of [\d.e-]+$/m],
    { user_id: 'ann', accessed: true },
  ],
  [
    ['activity', '--system', 'crm', '--ip', '192.0.2.9'],
    [/^did +IP 192.0.2.9 touch crm$/m, /^answer +no$/m, /^certainty +certain as of \d{4}-[\d:.T-]+Z$/m],
    { ip: '192.0.2.9', accessed: false },
  ],
  [
    ['top', 'active_users', '--system', 'crm', '-k', '1'],
    [/^top +active_users of crm$/m, /^1 +ann +2 +2 +yes$/m],
    { items: [{ item: 'ann', count: 2 }] },
  ],
  [
    ['frequency', 'users', '--item', 'ann', '--system', 'crm'],
    [/^frequency +of ann among users of crm$/m, /^count +2$/m, /^bound +2 to 2 with /m],
    { item: 'ann', count: 2 },
  ],
  [
    ['summary', 'crm'],
    [/^summary +of crm at 2026-03-02T10:30/m, /^hour +4 +5 +1 /m, /^day +4 +5 +1 /m, /^1 +ann +2 /m],
    { system: 'crm', daily: { unique_users: 4 } },
  ],
  [
    ['percentiles', 'api_latency', '--system', 'crm', '--percentiles', '50,99.9'],
    [/^samples +5$/m, /^p50 +30 milliseconds /m, /^p999 +50 milliseconds /m, /^max +50 milliseconds$/m],
    { percentiles: { p50: 30 }, unit: 'milliseconds' },
  ],
  [
    ['sla', '--metric', 'api_latency', '--system', 'crm', '--threshold', '1000'],
    [/^sla +percentile 95 of api_latency of crm$/m, /^status +PASS$/m, /^threshold +1000 milliseconds$/m],
    { status: 'PASS', threshold: 1000 },
  ],
  [
    ['latency', 'crm'],
    [/^percentiles +api_latency of crm$/m, /^p999 +50 milliseconds /m],
    { system: 'crm', percentiles: { p50: 30 } },
  ],
  [
    ['stats', 'api_latency', '--system', 'crm'],
    [/^samples +5$/m, /^mean +30 milliseconds$/m, /^variance +200$/m, /^skewness +0$/m],
    { mean: 30, min: 10, max: 50 },
  ],
  [
    ['series', 'events', '--system', 'crm', '--from', '2026-03-02T08:00:00Z'],
    [
      /^window +steps of 1h, widened to 2026-03-02T08:00/m,
      /^2026-03-02T09:00\S+ +0$/m,
      /^2026-03-02T10:00\S+ +5$/m,
    ],
    { points: [{ count: 0 }, { count: 0 }, { count: 5, by_type: { user_login: 5 } }] },
  ],
  [
    ['series', 'api_latency', '--system', 'crm', '--from', '2026-03-02T09:00:00Z', '--percentiles', '50'],
    [/^2026-03-02T09:00\S+ +0 +no data$/m, /^2026-03-02T10:00\S+ +5 +30 milliseconds$/m],
    { points: [{ percentiles: { p50: null } }, { percentiles: { p50: 30 } }] },
  ],
  [
    ['series', 'active_users', '--item', 'ann', '--system', '*', '--from', '2026-03-02T10:00:00Z'],
    [/^series +ann in active_users of 5 systems$/m, /^2026-03-02T10:00\S+ +10$/m],
    { item: 'ann', system: '*', points: [{ count: 10, lower: 10, upper: 10 }] },
  ],
  [
    ['distinct', 'users', '--system', 'crm', '--system', '..', '--window', '1d', '--tz', 'Europe/Berlin'],
    [
      /^distinct +users of 2 systems$/m,
      /^window +1d, 2026-03-01T23:00\S+ to 2026-03-02T23:00/m,
      /^count +4$/m,
    ],
    { system: null, systems: ['..', 'crm'], count: 4 },
  ],
  [
    ['top', 'active_users', '--system', 'crm', '--from', '2026-03-02T10:00:00Z'],
    [/^window +widened to 2026-03-02T10:00\S+ to 2026-03-02T11:00/m, /^1 +ann +2 /m],
    { window: null, items: [{ item: 'ann' }, {}, {}, {}] },
  ],
  [
    ['distinct', 'users', '--system', 'crm', '--window', '1d', '--rolling'],
    [/^window +1d, widened to 2026-03-01T10:00\S+ to 2026-03-02T11:00/m, /^count +4$/m],
    { window: '1d', widened: true },
  ],
  [
    ['top', 'active_users', '--system', 'crm', '--from', '-24h', '--to', 'now'],
    [/^window +widened to 2026-03-01T10:00\S+ to 2026-03-02T11:00/m, /^1 +ann +2 /m],
    { window: null, widened: true },
  ],
  [
    ['distinct', 'users', '--system', 'crm', '--from=-7d'],
    [/^window +widened to 2026-02-23T10:00\S+ to 2026-03-02T10:30/m],
    { from: '2026-02-23T10:00:00.000Z' },
  ],
  [
    ['distinct', 'users', '--system', 'crm', '--window', '1d', '--timestamp', 'yesterday'],
    [/^window +1d, 2026-03-01T00:00\S+ to 2026-03-02T00:00/m, /^count +0$/m],
    { timestamp: '2026-03-01T00:00:00.000Z' },
  ],
  [
    ['distinct', 'users', '--system', 'crm', '--window', '1h', '--timestamp', '-30m'],
    [/^window +1h, 2026-03-02T10:00/m, /^count +4$/m],
    { timestamp: '2026-03-02T10:00:00.000Z' },
  ],
  [
    ['series', 'events', '--system', 'crm', '--from', '2026-03-02', '--step', '1d'],
    [/^window +steps of 1d, widened to 2026-03-02T00:00\S+ to 2026-03-03T00:00/m],
    { points: [{ count: 5 }] },
  ],
  [
    ['systems'],
    [/^crm +2026-03-02T10:30/m, /^5 of 5 systems$/m],
    { total: 5, systems: [{ system: '%2E' }, { system: '-db' }, { system: '..' }], next: null },
  ],
];

for (const [values, lines, json] of questions) {
  t.test(`query ${values.join(' ')}`, async (t) => {
    const table = await query(t, ...values);
    t.match(table, { status: 0, stderr: '' });
    for (const line of lines) t.match(table.stdout, line);
    if (values[0] !== 'systems') t.match(table.stdout, /^as of +\d{4}-[\d:.T-]+Z$/m);
    const { status, stdout } = await query(t, ...values, '--json');
    t.equal(status, 0);
    t.match(JSON.parse(stdout), json);
    t.equal(stdout.indexOf('\n'), stdout.length - 1, 'JSON is one line');
  });
}

t.test('an SLA that is not met ends with status 1', async (t) => {
  const sla = ['sla', '--metric', 'api_latency', '--system', 'crm'];
  t.match(await query(t, ...sla, '--threshold', '5'), { status: 1, stdout: /^status +FAIL$/m });
});

t.test('a system may have any name', async (t) => {
  for (const system of systems) {
    const { stdout } = await query(t, 'distinct', 'users', '--system', system, '--json');
    t.match(JSON.parse(stdout), { system, count: 4 });
    if (system === '..') continue; // no address can end with it
    const summary = await query(t, 'summary', '--json', '--', system);
    t.match(JSON.parse(summary.stdout), { system, hourly: { unique_users: 4 } });
  }
  const { stdout } = await query(t, 'summary', odd);
  t.match(stdout, 'a/b?c#d {é}:"\'&%2e\\u202e \\t');
  t.notMatch(stdout, /[\u202e\t]/, 'nothing in it steers the terminal');
});

t.test('a list of systems goes on at its cursor', async (t) => {
  const first = JSON.parse((await query(t, 'systems', '--limit', '2', '--json')).stdout);
  t.equal(first.systems.length, 2);
  const rest = JSON.parse((await query(t, 'systems', '--cursor', first.next, '--json')).stdout);
  t.same(
    [...first.systems, ...rest.systems].map(({ system }) => system),
    [...systems].sort(),
  );
  t.match(
    (await query(t, 'systems', '--limit', '2')).stdout,
    `2 of 5 systems, more with --cursor ${first.next}`,
  );
});

t.test('a question that the service does not take ends with status 2 and its words', async (t) => {
  const wrong: [values: string[], text: RegExp][] = [
    [['distinct', 'cats', '--system', 'crm'], /metric.*users, sessions, ips/],
    [['distinct', 'users', '--system', 'crm', '--window', '2h'], /window/],
    [['activity', '--system', 'crm'], /user_id.*ip/],
    [['activity', '--system', 'crm', '--user', 'ann', '--window', '1h'], /window/],
    [['top', 'active_users', '--system', 'crm', '-k', '0'], /\/k/],
    [['top', 'active_users', '--system', 'crm', '--window', '1m'], /window/],
    [['summary', 'crm', '--timestamp', 'noon'], /timestamp/],
    [['percentiles', 'api_latency', '--system', 'crm', '--percentiles', '101'], /percentile/],
    [['sla', '--metric', 'api_latency', '--system', 'crm', '--threshold', 'x'], /threshold/],
    [['sla', '--metric', 'api_latency', '--system', 'nobody', '--threshold', '1'], /404.*"nobody"/],
    [['stats', 'api_latancy', '--system', 'crm'], /404.*latency_ms/],
    [['latency', 'crm', '--window', '1m'], /window/],
    [['systems', '--cursor', '!'], /cursor/],
  ];
  for (const [values, text] of wrong) {
    const { status, stdout, stderr } = await query(t, ...values);
    t.match({ status, stdout }, { status: 2, stdout: '' }, values.join(' '));
    t.match(stderr, /^papertrail: 4\d\d .*\n$/);
    t.match(stderr, text);
  }
});

t.test('wrong use ends with status 2 before anything is asked', async (t) => {
  for (const values of [[], ['distinct'], ['distinct', 'users'], ['cats'], ['summary', 'crm', '--cats']]) {
    t.match(await query(t, ...values), { status: 2, stdout: '', stderr: /\w/ }, values.join(' '));
  }
  const both = ['activity', '--system', 'crm', '--user', 'ann', '--ip', '::1'];
  t.match(await query(t, ...both), { status: 2, stderr: /cannot be used with/ });
});

t.test('--help ends with status 0', async (t) => {
  t.match(await query(t, '--help'), { status: 0, stdout: /distinct.*\n.*activity/, stderr: '' });
});

t.test('a service that fails or is away ends it with status 3', async (t) => {
  const front = await startFront(t, base, () => ({ status: 503 }));
  const { run } = commandLine(t, front.base);
  t.match(await run(['query', 'summary', 'crm']), { status: 3, stdout: '', stderr: /answered 503/ });
  const away = ['query', 'summary', 'crm', '--base', 'http://127.0.0.1:1'];
  t.match(await run(away), { status: 3, stderr: /cannot be reached: / });
});

t.test('a series says which of its points are not kept any more', async (t) => {
  const late = { event_type: 'custom', system: 'late', user_id: 'ann', timestamp: '2026-03-02T07:03:00Z' };
  const headers = { 'content-type': 'application/json' };
  await fetch(`${base}/api/v1/events`, { method: 'POST', headers, body: JSON.stringify(late) });
  const time = ['--from', '2026-03-02T07:00:00Z', '--to', '2026-03-02T07:05:00Z', '--step', '5m'];
  const { status, stdout } = await query(t, 'series', 'users', '--system', 'late', ...time);
  t.equal(status, 0);
  t.match(stdout, /^from +count +coverage$/m);
  t.match(stdout, /^2026-03-02T07:00\S+ +unknown +expired$/m);
});
