/**
 * Any range: for random events, ranges, zones and sets of systems an answer is that of one sketch fed with
 * exactly the events of the time that it says it covers. The covered time holds what was asked for. It is so while
 * days are read from their hours, after they were folded, and with late events that came after that.
 */
import { Redis } from 'ioredis';
import t, { type Test } from 'tap';
import { startApp } from '../support/app.js';
import { compliance, get, postRows } from '../support/http.js';
import { pick, seededRandom } from '../support/random.js';
import { createRollupProcess } from '../support/rollups.js';
import { type StreamEvent, truthOf } from '../support/truth.js';
import { until } from '../support/until.js';

const DAY_MS = 86_400_000;
const systems = ['crm', 'erp', 'a}:x{b'];
const zones = ['UTC', 'Europe/Berlin', 'America/New_York', 'Australia/Sydney', 'America/Sao_Paulo'];
const random = seededRandom(20_260_131);
const between = (from: number, to: number) => Math.floor(from + random() * (to - from));

/** Two stretches: around ISO week 2019-W01, and from 2020-W53 past the changes of the clocks in March. */
const stretches = [
  { from: Date.UTC(2018, 11, 20), to: Date.UTC(2019, 0, 12) },
  { from: Date.UTC(2020, 11, 24), to: Date.UTC(2021, 3, 10, 9, 30) },
] as const;
let now: number = stretches[1].to;

function someEvent(): StreamEvent {
  const { from, to } = pick(stretches, random);
  const recent = random() < 0.2;
  const at = recent ? between(now - 2 * 3_600_000, now) : between(from, to);
  return {
    event_type: pick(['user_login', 'api_access', 'error_event'], random),
    system: pick(systems, random),
    user_id: `u${between(0, 400)}`,
    session_id: `s${between(0, 3_000)}`,
    timestamp: new Date(at).toISOString(),
    metadata: { ip: `10.0.0.${between(0, 200)}`, latency_ms: Math.round(random() * 1e4) / 10 },
  };
}

interface Answer {
  from: string;
  to: string;
  coverage: string;
}

const events: StreamEvent[] = [];
let truth = truthOf(events);
const { base, redis, stop } = await startApp({ clock: { now: () => now } });
const direct = new Redis(redis.url, { protocol: 2 });
t.teardown(async () => {
  direct.disconnect();
  await stop();
});

async function store(count: number): Promise<void> {
  for (let i = 0; i < count; i += 1_000) {
    const some = Array.from({ length: Math.min(1_000, count - i) }, someEvent);
    const { status } = await postRows(base, some);
    if (status !== 201) throw new Error(`events were answered ${status}`);
    events.push(...some);
  }
  truth = truthOf(events);
}

/** The states of days that were folded and have not changed since. */
async function foldedDays(): Promise<number> {
  const states = await Promise.all((await direct.keys('*:roll:*')).map((key) => direct.hgetall(key)));
  return states.filter(({ rolled, changes }) => rolled === changes).length;
}

/** Lets all days that are over be folded, by this process or the service's own. */
async function fold(t: Test): Promise<void> {
  now += 20 * 60_000;
  const rollups = await createRollupProcess({
    socket: redis.socket,
    holderId: 'test',
    clock: { now: () => now },
  });
  const all = (await direct.keys('*:roll:*')).length;
  await until(async () => {
    await rollups.round();
    return (await foldedDays()) >= all - systems.length; // today is not over
  }, 'all days to be folded');
  await rollups.resign();
  rollups.close();
  t.ok((await foldedDays()) > 50, 'days were folded');
}

interface Question {
  systems: string[];
  time: Record<string, string>;
}

function someQuestion(windows: readonly string[]): Question {
  const { from, to } = pick(stretches, random);
  const kind = random();
  const some = systems.filter(() => random() < 0.5);
  const asked = some.length === 0 ? [pick(systems, random)] : some;
  const a = between(from, to);
  const instant = (at: number) => new Date(at).toISOString();
  if (kind < 0.5) {
    const length = 10 ** (random() * 3.5) * 60_000 * 10;
    return { systems: asked, time: { from: instant(a), to: instant(Math.min(a + length, to + DAY_MS)) } };
  }
  const window = pick(windows, random);
  if (kind < 0.6) return { systems: asked, time: { window, rolling: 'true', timestamp: instant(a) } };
  return { systems: asked, time: { window, tz: pick(zones, random), timestamp: instant(a) } };
}

const pathOf = (question: string, { systems, time }: Question, terms: Record<string, string> = {}) =>
  `${compliance(question, { ...time, ...terms })}${systems.map((one) => `&system=${encodeURIComponent(one)}`).join('')}`;

/** Asks, and checks that the covered time holds the range that was asked for and is all there. */
async function ask<Body extends Answer>(t: Test, path: string, { time }: Question) {
  const { status, body, text } = await get<Body>(base, path);
  if (status !== 200) throw new Error(`${status} ${path} ${text}`);
  const span = { from: Date.parse(body.from), to: Date.parse(body.to) };
  if (time.from && time.to) {
    t.ok(span.from <= Date.parse(time.from) && span.to >= Date.parse(time.to), path);
    t.ok(Date.parse(time.from) - span.from < DAY_MS && span.to - Date.parse(time.to) < DAY_MS, path);
  }
  t.equal(body.coverage, 'complete', path);
  return { body, span };
}

const CASES = 40;

async function askEverything(t: Test): Promise<void> {
  t.test('distinct: the count of one HyperLogLog of exactly those values', async (t) => {
    let counted = 0;
    for (let i = 0; i < CASES; i++) {
      const question = someQuestion(['1h', '1d', '1w', '1M']);
      const metric = pick(['users', 'sessions', 'ips'], random);
      const { body, span } = await ask<Answer & { count: number }>(
        t,
        pathOf(`distinct/${metric}`, question),
        question,
      );
      const values = question.systems.flatMap((system) => [...truth.distinct(metric, system, span)]);
      await direct.del('one');
      if (values.length > 0) await direct.pfadd('one', ...values);
      t.equal(body.count, await direct.pfcount('one'), JSON.stringify({ question, span }));
      counted += body.count;
    }
    t.ok(counted > 10 * CASES, `${counted} were counted`);
  });

  t.test('membership: who was there, and nobody else', async (t) => {
    for (let i = 0; i < CASES; i++) {
      const question = someQuestion(['1d', '1w', '1M']);
      const user = `u${between(0, 500)}`;
      const path = pathOf('activity/check', question, { user_id: user });
      const { body, span } = await ask<Answer & { accessed: boolean }>(t, path, question);
      const wasThere = question.systems.some((system) => truth.distinct('users', system, span).has(user));
      t.equal(body.accessed, wasThere, JSON.stringify({ question, span, user }));
    }
  });

  t.test('top: exact counts, below what a list holds', async (t) => {
    for (let i = 0; i < CASES; i++) {
      const question = someQuestion(['1d', '1w', '1M']);
      const path = pathOf('top/active_users', question, { k: '1000' });
      const { body, span } = await ask<Answer & { items: { item: string; count: number; lower: number }[] }>(
        t,
        path,
        question,
      );
      const counts = new Map<string, number>();
      for (const system of question.systems) {
        for (const [item, count] of truth.top('active_users', system, span)) {
          counts.set(item, (counts.get(item) ?? 0) + count);
        }
      }
      const answered = new Map(body.items.map(({ item, count }) => [item, count]));
      t.strictSame(answered.size, counts.size, JSON.stringify({ question, span }));
      t.ok(
        [...counts].every(([item, count]) => answered.get(item) === count),
        JSON.stringify(question),
      );
    }
  });

  t.test('percentiles: within one point of rank', async (t) => {
    for (let i = 0; i < CASES; i++) {
      const question = someQuestion(['1d', '1w', '1M']);
      const path = pathOf('percentiles/latency_ms', question, { percentiles: '5,50,95' });
      const { body, span } = await ask<Answer & { count: number; percentiles: Record<string, number> }>(
        t,
        path,
        question,
      );
      const samples = question.systems.flatMap((system) => truth.samples('latency_ms', system, span));
      t.equal(body.count, samples.length);
      for (const [name, value] of Object.entries(body.percentiles)) {
        if (samples.length === 0) continue;
        const q = Number(name.slice(1)) / 100;
        const below = samples.filter((one) => one < value).length / samples.length;
        const upTo = samples.filter((one) => one <= value).length / samples.length;
        const slack = 0.01 + 1 / samples.length;
        t.ok(below - slack <= q && q <= upTo + slack, `${name} ${value} ${below} ${upTo}`);
      }
    }
  });

  t.test('frequency: never less than the truth, and the truth within the bound', async (t) => {
    let exact = 0;
    for (let i = 0; i < CASES; i++) {
      const question = someQuestion(['1d', '1w', '1M']);
      const item = `u${between(0, 420)}`;
      const path = pathOf('frequency/users', question, { item });
      const { body, span } = await ask<Answer & { count: number; bound: { lower: number; upper: number } }>(
        t,
        path,
        question,
      );
      const counts = question.systems.flatMap((system) => truth.top('active_users', system, span));
      const count = counts.filter(([one]) => one === item).reduce((sum, [, many]) => sum + many, 0);
      t.ok(
        body.count >= count && body.bound.lower <= count && count <= body.bound.upper,
        JSON.stringify(question),
      );
      if (body.count === count) exact++;
    }
    t.ok(exact > 0.9 * CASES, `${exact} of ${CASES} are exact`);
  });

  t.test('statistics: those of exactly these samples', async (t) => {
    for (let i = 0; i < CASES; i++) {
      const question = someQuestion(['1d', '1w', '1M']);
      const path = pathOf('stats/latency_ms', question);
      const { body, span } = await ask<Answer & Record<string, number>>(t, path, question);
      const samples = question.systems.flatMap((system) => truth.samples('latency_ms', system, span));
      t.equal(body.count, samples.length);
      if (samples.length === 0) continue;
      const mean = samples.reduce((sum, one) => sum + one, 0) / samples.length;
      const variance = samples.reduce((sum, one) => sum + (one - mean) ** 2, 0) / samples.length;
      t.ok(Math.abs(body.mean - mean) <= 1e-9 * Math.abs(mean));
      t.ok(Math.abs(body.variance - variance) <= 1e-9 * variance + 1e-9);
      t.strictSame([body.min, body.max], [Math.min(...samples), Math.max(...samples)]);
    }
  });
}

t.test('while days are read from their hours', async (t) => {
  await store(6_000);
  await askEverything(t);
});

t.test('after days were folded', async (t) => {
  await fold(t);
  await askEverything(t);
});

t.test('with late events, before and after their days are folded again', async (t) => {
  await store(600);
  await askEverything(t);
  await fold(t);
  await askEverything(t);
});

t.test('series: each point is the answer for its step, and they tile the range', async (t) => {
  for (const step of ['1h', '1d', '1w', '1M']) {
    for (const tz of zones) {
      const { from } = stretches[1];
      const time = { from: new Date(from).toISOString(), to: new Date(from + 20 * DAY_MS).toISOString() };
      const path = pathOf('timeseries/events', { systems: ['crm'], time: { ...time, step, tz } });
      const { body } = await ask<Answer & { points: { from: string; to: string; count: number }[] }>(
        t,
        path,
        {
          systems: ['crm'],
          time: {},
        },
      );
      const points = body.points.map((point) => ({
        ...point,
        span: { from: Date.parse(point.from), to: Date.parse(point.to) },
      }));
      t.ok(
        points.every((point, i) => i === 0 || point.from === points[i - 1].to),
        `${step} ${tz}`,
      );
      for (const { count, span } of points) {
        const all = [...truth.minutes('crm', span).values()].reduce((sum, one) => sum + one, 0);
        if (count !== all) t.fail(`${step} ${tz} ${JSON.stringify(span)}: ${count}, not ${all}`);
      }
      t.ok(points.some(({ count }) => count > 0));
    }
  }
});
