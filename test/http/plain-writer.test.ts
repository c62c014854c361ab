/** The same events through both writers: keys, lifetimes and the answers to every question are the same. */
import t from 'tap';
import { startApp, type TestApp } from '../support/app.js';
import { withoutAsOf } from '../support/as-of.js';
import { historyEnd, makeHistory } from '../support/history.js';
import { compliance, get, postRows } from '../support/http.js';
import { withRedis } from '../support/redis-state.js';
import { truthOf } from '../support/truth.js';

const clock = { now: () => historyEnd };
const grouped = await startApp({ clock });
const plain = await startApp({ clock, config: { WRITER: 'plain' } });
const both = [grouped, plain];
t.teardown(() => Promise.all(both.map((service) => service.stop())));

const events = makeHistory(1_500, 7);
const truth = truthOf(events);
for (let at = 0; at < events.length; at += 150) {
  const answers = await Promise.all(both.map(({ base }) => postRows(base, events.slice(at, at + 150))));
  for (const { status, body } of answers) {
    if (status !== 201 || body.accepted !== 150) throw new Error(JSON.stringify(body));
  }
}

type Answer = Record<string, unknown>;

const timestamp = new Date(historyEnd).toISOString();

/**
 * What both answer, but for when, for the confidence of a count, which depends on what was counted together, and for the
 * rate of false positives, which depends on the order in which a filter took its values.
 */
async function ask(path: string, parameters: Record<string, string | number>): Promise<Answer[]> {
  const answers = both.map(({ base }) => get<Answer>(base, compliance(path, parameters)));
  return (await Promise.all(answers)).map(({ status, body, text }) => {
    if (status !== 200) throw new Error(`${path}: ${status} ${text}`);
    const { lower, upper } = (body.bound ?? {}) as Answer;
    const { false_positive_rate: _, confidence: __, probability: ___, ...rest } = withoutAsOf(body);
    return { ...rest, bound: { lower, upper } };
  });
}

t.test('both keep the same keys, of the same types and lifetimes', async (t) => {
  const keysOf = ({ redis }: TestApp) =>
    withRedis(redis, async (direct) => {
      const keys = await direct.keys('pt:*{*');
      const kept = keys.sort().map(async (key) => {
        const ttl = await direct.ttl(key);
        return [key, await direct.type(key), ttl > 0 && Math.round(ttl / 600)] as const;
      });
      return Promise.all(kept);
    });
  const [wanted, found] = await Promise.all(both.map(keysOf));
  t.ok(wanted.length > 1_000, `${wanted.length} keys`);
  t.strictSame(found, wanted);
});

const exact: [path: string, parameters: Record<string, string | number>, windows: string[]][] = [
  ...['users', 'sessions', 'ips'].map((metric): (typeof exact)[number] => [
    `distinct/${metric}`,
    {},
    ['1m', '15m', '1h', '1d', '1w', '1M'],
  ]),
  ...['active_users', 'active_ips', 'endpoints', 'event_types', 'failed_logins'].map(
    (metric): (typeof exact)[number] => [`top/${metric}`, { k: 1_000 }, ['1h', '1d', '1w']],
  ),
  ...[0, 3, 250, 9_999].flatMap((user): typeof exact => [
    ['activity/check', { user_id: `user-${user}` }, ['1d', '1w', '1M']],
    ['frequency/users', { item: `user-${user}` }, ['1d', '1w', '1M']],
  ]),
  [
    'timeseries/events',
    { from: new Date(historyEnd - 86_400_000).toISOString(), to: timestamp, step: '1h' },
    [''],
  ],
];

t.test('sets, counts and frequencies are answered with the same figures', async (t) => {
  for (const [path, parameters, windows] of exact) {
    for (const window of windows) {
      for (const system of truth.systems) {
        const asked = { system, ...parameters, ...(window !== '' && { window, timestamp }) };
        const [wanted, found] = await ask(path, asked);
        t.strictSame(found, wanted, `${path} ${JSON.stringify(asked)}`);
      }
    }
  }
});

t.test('measurements: the same samples, and percentiles within two points of rank', async (t) => {
  for (const metric of ['latency_ms', 'rows']) {
    for (const window of ['1h', '1d', '1w']) {
      const asked = { system: truth.systems[0], window, timestamp };
      const [wanted, found] = await ask(`stats/${metric}`, asked);
      for (const [name, value] of Object.entries(wanted)) {
        if (typeof value === 'number') {
          t.ok(Math.abs(Number(found[name]) - value) <= 1e-9 * Math.abs(value) + 1e-9, `${metric} ${name}`);
        } else t.strictSame(found[name], value, name);
      }
      const spread = Number(wanted.max) - Number(wanted.min);
      const percentiles = (await ask(`percentiles/${metric}`, { ...asked, percentiles: '5,50,95' })).map(
        (answer) => Object.values(answer.percentiles as Record<string, number>),
      );
      percentiles[0].forEach((value, i) => {
        t.ok(Math.abs(percentiles[1][i] - value) <= 0.05 * spread, `${metric} ${window}: ${percentiles}`);
      });
    }
  }
});
