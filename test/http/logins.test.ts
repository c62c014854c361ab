/** Log-ins: how many there were and how many failed, exactly, over time, in the summary and by user. */
import { Redis } from 'ioredis';
import t, { type Test } from 'tap';
import { sketchKey, systemKey } from '../../src/redis/keys.js';
import { bucketAt } from '../../src/windows/bucket.js';
import { startApp } from '../support/app.js';
import { historyEnd, instants, makeHistory, spanOf } from '../support/history.js';
import { compliance, event, get, postRows, purge } from '../support/http.js';
import { startRedis } from '../support/redis-server.js';
import { createRollupProcess } from '../support/rollups.js';
import { truthOf } from '../support/truth.js';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const iso = (at: number) => new Date(at).toISOString();

interface Point {
  from: string;
  to: string;
  count: number | null;
  by_type?: Record<string, number>;
  coverage?: string;
}
interface Series {
  coverage: string;
  coverage_note?: string;
  points: Point[];
}
interface Counts {
  logins: number | null;
  failed_logins: number | null;
}
interface Summary {
  hourly: Counts;
  daily: Counts;
}
interface Top {
  coverage: string;
  items: { item: string; count: number }[];
}

async function ask<Body>(base: string, path: string, parameters: Record<string, string | number> = {}) {
  const { status, body, text } = await get<Body>(base, compliance(path, parameters));
  if (status !== 200) throw new Error(text);
  return body;
}
const summaryOf = (base: string, system: string, at: number) =>
  ask<Summary>(base, `summary/${encodeURIComponent(system)}`, { timestamp: iso(at) });
const topOf = async (base: string, metric: string, parameters: Record<string, string | number>) => {
  const { items, coverage } = await ask<Top>(base, `top/${metric}`, parameters);
  return { coverage, counts: Object.fromEntries(items.map(({ item, count }) => [item, count])) };
};
const logins = ({ logins, failed_logins }: Counts) => ({ logins, failed_logins });

t.test('of any stream, late and in no order, they are exact in every minute, hour and day', async (t) => {
  const clock = { at: historyEnd, now: () => clock.at };
  const app = await startApp({ clock });
  const { base, redis } = app;
  t.teardown(app.stop);
  const events = makeHistory(3_000, 7);
  const truth = truthOf(events);
  for (let i = 0; i < events.length; i += 250) await postRows(base, events.slice(i, i + 250));

  async function holds(t: Test): Promise<void> {
    for (const system of truth.systems) {
      for (const at of instants) {
        const { hourly, daily } = await summaryOf(base, system, at);
        const name = `${system} ${iso(at)}`;
        if (clock.at - at < 6 * DAY)
          t.strictSame(logins(hourly), truth.logins(system, spanOf('1h', at)), name);
        t.strictSame(logins(daily), truth.logins(system, spanOf('1d', at)), name);
      }
      for (const [step, days] of [
        ['1m', 0.4],
        ['1h', 6],
        ['1d', 40],
      ] as const) {
        for (const metric of ['logins', 'failed_logins'] as const) {
          const range = { system, step, from: iso(historyEnd - days * DAY), to: iso(historyEnd) };
          const { coverage, points } = await ask<Series>(base, `timeseries/${metric}`, range);
          t.equal(coverage, 'complete');
          const expected = points.map(({ from, to }) => {
            const span = { from: Date.parse(from), to: Date.parse(to) };
            return { from, to, count: truth.logins(system, span)[metric] };
          });
          t.strictSame(points, expected, `${metric} by ${step}`);
          t.ok(expected.some(({ count }) => count > 0));
        }
      }
    }
  }
  await holds(t);

  t.test('and still so after days were folded', async (t) => {
    const leader = await createRollupProcess({ socket: redis.socket, holderId: 'one', clock });
    t.teardown(() => leader.close());
    clock.at += 1.5 * HOUR;
    await leader.round();
    t.match(await leader.outcomes(), { rolled: Number });
    await holds(t);
  });

  t.test('all systems together have the sum', async (t) => {
    const sums = truth.systems.map((system) => truth.logins(system, spanOf('1d', historyEnd)));
    const { daily } = await summaryOf(base, '*', historyEnd);
    t.equal(
      daily.logins,
      sums.reduce((sum, one) => sum + one.logins, 0),
    );
    t.equal(
      daily.failed_logins,
      sums.reduce((sum, one) => sum + one.failed_logins, 0),
    );
  });

  t.test('events are not counted twice for it', async (t) => {
    const [system] = truth.systems;
    const range = { system, step: '1d', from: iso(historyEnd - 3 * DAY), to: iso(historyEnd) };
    for (const { from, to, count, by_type = {} } of (await ask<Series>(base, 'timeseries/events', range))
      .points) {
      const span = { from: Date.parse(from), to: Date.parse(to) };
      const minutes = [...truth.minutes(system, span).values()];
      t.equal(
        count,
        minutes.reduce((sum, one) => sum + one, 0),
      );
      t.notOk('unknown' in by_type);
    }
  });
});

t.test('a failed log-in is counted and listed by IP and by user, another event is not', async (t) => {
  const { base, stop } = await startApp({ clock: { now: () => historyEnd } });
  t.teardown(stop);
  const row = (user_id: string, metadata: object, event_type = 'user_login') =>
    event({ event_type, user_id, metadata: { ip: '192.0.2.1', ...metadata } });
  await postRows(base, [
    ...[{ status_code: 401 }, { status_code: '401' }, { status: 'invalid password' }].map((said) =>
      row('ada', said),
    ),
    ...[{ outcome: 'failure' }, { success: false }, { status_id: 2 }].map((said) => row('bob', said)),
    row('eve', { status_code: 403 }, 'security_event'),
    row('ada', { status_code: 200 }, 'security_event'),
    row('ada', { status_code: 200, status: 'failed' }),
    row('ada', { status: 'failed' }, 'api_access'),
  ]);
  const crm = { system: 'crm', window: '1h', timestamp: iso(historyEnd) };
  t.strictSame((await topOf(base, 'failed_logins', crm)).counts, { '192.0.2.1': 7 });
  t.strictSame((await topOf(base, 'failed_logins_by_user', crm)).counts, { ada: 3, bob: 3, eve: 1 });
  const { hourly, daily } = await summaryOf(base, 'crm', historyEnd);
  for (const counts of [hourly, daily]) t.strictSame(logins(counts), { logins: 7, failed_logins: 7 });
  const range = { system: 'crm', from: iso(historyEnd - HOUR), to: iso(historyEnd) };
  const byUser = await ask<Series>(base, 'timeseries/failed_logins_by_user', { ...range, item: 'bob' });
  t.equal(byUser.points.at(-1)?.count, 3);
  const byIp = await ask<Series>(base, 'timeseries/failed_logins', { ...range, item: '192.0.2.1' });
  t.equal(byIp.points.at(-1)?.count, 7, 'with an item it is the top list, as ever');
});

t.test('a system that had none has 0', async (t) => {
  const { base, stop } = await startApp({ clock: { now: () => historyEnd } });
  t.teardown(stop);
  await postRows(base, [event({ event_type: 'custom' })]);
  const { hourly, daily } = await summaryOf(base, 'crm', historyEnd);
  for (const counts of [hourly, daily]) t.strictSame(logins(counts), { logins: 0, failed_logins: 0 });
});

t.test(
  'what an earlier release wrote, which did not count failed log-ins, is not taken for none',
  async (t) => {
    const server = await startRedis();
    const redis = new Redis(server.socket, { protocol: 2 });
    const clock = { at: Date.UTC(2026, 0, 31, 12, 30), now: () => clock.at };
    const noon = clock.at;
    t.teardown(async () => {
      redis.disconnect();
      await server.stop();
    });
    const failed = (user_id: string) => event({ user_id, metadata: { ip: '192.0.2.1', status: 'failed' } });
    const before = await startApp({ redis: server, clock });
    await postRows(before.base, [failed('ada'), failed('ada'), event()]);
    await before.stop();
    // What it had not.
    await redis.hdel(systemKey('crm'), 'failed_logins');
    const [hour, day] = [bucketAt('hour', noon), bucketAt('day', noon)];
    await redis.del(sketchKey('crm', 'count', 'failed_logins', day));
    await redis.del(sketchKey('crm', 'top', 'failed_logins_by_user', hour));

    clock.at += HOUR;
    const { base, stop } = await startApp({ redis: server, clock });
    t.teardown(stop);

    t.test('before anything is written by this release', async (t) => {
      const { hourly, daily } = await summaryOf(base, 'crm', noon);
      for (const counts of [hourly, daily]) t.strictSame(logins(counts), { logins: 3, failed_logins: null });
      const list = await topOf(base, 'failed_logins_by_user', {
        system: 'crm',
        window: '1h',
        timestamp: iso(noon),
      });
      t.strictSame(list, { coverage: 'partial', counts: {} });
      const range = { system: 'crm', from: iso(noon), to: iso(noon + HOUR) };
      const { coverage, coverage_note, points } = await ask<Series>(base, 'timeseries/failed_logins', range);
      t.equal(coverage, 'partial');
      t.match(coverage_note, 'did not count failed log-ins');
      t.match(points, [{ count: null, coverage: 'expired' }, { count: 0 }]);
      t.notOk('coverage' in points[1], 'where nothing was written there is nothing to miss');
    });

    t.test('and after', async (t) => {
      await postRows(base, [failed('bob'), { ...failed('bob'), timestamp: iso(noon) }]);
      const then = await summaryOf(base, 'crm', noon);
      t.strictSame(logins(then.hourly), { logins: 4, failed_logins: null });
      const now = await summaryOf(base, 'crm', clock.at);
      t.strictSame(
        logins(now.hourly),
        { logins: 1, failed_logins: 1 },
        'the hour that this one wrote first is known',
      );
      t.strictSame(logins(now.daily), { logins: 5, failed_logins: null });
      const top = (window: string, at: number) =>
        topOf(base, 'failed_logins_by_user', { system: 'crm', window, timestamp: iso(at) });
      t.strictSame(await top('1h', clock.at), { coverage: 'complete', counts: { bob: 1 } });
      t.strictSame(await top('1h', noon), { coverage: 'partial', counts: { bob: 1 } });
      t.strictSame(await top('1d', noon), { coverage: 'partial', counts: { bob: 2 } });
      const range = { system: 'crm', from: iso(noon), to: iso(clock.at) };
      const hours = await ask<Series>(base, 'timeseries/failed_logins', range);
      t.match(hours.points, [{ count: 1, coverage: 'partial' }, { count: 1 }], 'at least one');
      const days = await ask<Series>(base, 'timeseries/failed_logins', { ...range, step: '1d' });
      t.match(days.points, [{ count: 2, coverage: 'partial' }]);
      const tomorrow = clock.at + DAY;
      clock.at = tomorrow;
      await postRows(base, [failed('bob')]);
      t.strictSame(logins((await summaryOf(base, 'crm', tomorrow)).daily), { logins: 1, failed_logins: 1 });
    });

    t.test('a purge begins anew, and from then on all is known', async (t) => {
      const { confirm } = (await purge(base, { system: 'crm' })).body;
      t.ok((await purge(base, { confirm })).body.done);
      await postRows(base, [failed('bob')]);
      t.strictSame(logins((await summaryOf(base, 'crm', clock.at)).daily), { logins: 1, failed_logins: 1 });
    });
  },
);
