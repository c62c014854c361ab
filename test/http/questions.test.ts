/** Every question in every window, at instants near and far, against what brute force counts in the same events. */
import t, { type Test } from 'tap';
import { distinctBounds, relativeStandardError } from '../../src/sketches/hyperloglog.js';
import { startApp } from '../support/app.js';
import { historyEnd, instants, makeHistory, spanOf } from '../support/history.js';
import { compliance, get, postRows } from '../support/http.js';
import { distinctMetricNames, topMetricNames, truthOf } from '../support/truth.js';

const windows = ['1m', '5m', '15m', '1h', '1d', '1w', '1M'];
const minuteWindows = ['1m', '5m', '15m'];
const events = makeHistory(6_000, 42);
const truth = truthOf(events);
const { base, stop } = await startApp({ clock: { now: () => historyEnd } });
t.teardown(stop);
for (let at = 0; at < events.length; at += 250) {
  const { status, body } = await postRows(base, events.slice(at, at + 250));
  if (status !== 201 || body.rejected > 0) throw new Error(JSON.stringify(body));
}

interface Said {
  from: string;
  to: string;
  timestamp: string;
  coverage: string;
}
type Parameters = Record<string, string | number>;

async function ask<Answer>(path: string, parameters: Parameters): Promise<Answer & Said> {
  const { status, body, text } = await get<Answer & Said>(base, compliance(path, parameters));
  if (status !== 200) throw new Error(`${path} ${JSON.stringify(parameters)}: ${status} ${text}`);
  return body;
}

/** Asks about all systems and instants, in the given windows. */
async function everywhere(
  t: Test,
  asked: readonly string[],
  check: (
    t: Test,
    parameters: { system: string; window: string; timestamp: string },
    at: number,
  ) => Promise<void>,
): Promise<void> {
  for (const window of asked) {
    await t.test(window, async (t) => {
      for (const system of truth.systems) {
        for (const at of instants) {
          await check(t, { system, window, timestamp: new Date(at).toISOString() }, at);
        }
      }
    });
  }
}

/**
 * What an answer says about itself. Minutes are kept for two hours, the rest far longer than this history; of an
 * hour in which nothing was ever written nothing can be gone.
 */
function checkSaid(
  t: Test,
  answer: Said,
  { system, window }: { system: string; window: string },
  at: number,
): void {
  const { from, to } = spanOf(window, at);
  const iso = (instant: number) => new Date(instant).toISOString();
  const wasWritten = truth.minutes(system, spanOf('1h', at)).size > 0;
  const gone = minuteWindows.includes(window) && from < historyEnd - 2 * 3_600_000 && wasWritten;
  t.match(answer, {
    from: iso(from),
    to: iso(to),
    timestamp: iso(at),
    coverage: gone ? /^(?:partial|expired)$/ : 'complete',
  });
}

t.test('distinct: the truth is within the bounds, which are those of the count', async (t) => {
  type Distinct = {
    count: number | null;
    lower_bound?: true;
    accuracy: string;
    bound: { standard_error: number; lower: number | null; upper: number | null };
  };
  let inside = 0;
  let asked = 0;
  await everywhere(t, windows, async (t, parameters, at) => {
    for (const metric of distinctMetricNames) {
      const answer = await ask<Distinct>(`distinct/${metric}`, parameters);
      checkSaid(t, answer, parameters, at);
      t.equal(answer.lower_bound, answer.coverage === 'partial' ? true : undefined);
      if (answer.coverage === 'expired') {
        t.match(answer, { count: null, bound: { lower: null, upper: null } }, 'nothing is left to count');
        continue;
      }
      if (answer.count === null) throw new Error(`no count, though the time is ${answer.coverage}`);
      const { lower, upper, standardError } = distinctBounds(answer.count);
      t.match(answer.bound, { lower, upper, standard_error: standardError });
      t.equal(answer.accuracy, `±${(100 * standardError).toFixed(2)}%`);
      if (answer.coverage !== 'complete') continue;
      const wanted = truth.distinct(metric, parameters.system, spanOf(parameters.window, at)).size;
      const slack = 2 + 4 * relativeStandardError(wanted) * wanted;
      t.ok(Math.abs(answer.count - wanted) <= slack, `${metric}: ${answer.count} for ${wanted}`);
      if (wanted === 0) continue;
      asked++;
      if (lower <= wanted && wanted <= upper) inside++;
    }
  });
  t.ok(asked > 200 && inside >= 0.9 * asked, `the 95% interval held the truth ${inside} of ${asked} times`);
});

t.test('membership: who was there is never denied, and strangers are hardly ever found', async (t) => {
  type Activity = {
    accessed: boolean;
    confidence: number;
    probability: number;
    false_positive_rate: number;
  };
  let foreign = 0;
  let wrong = 0;
  await everywhere(t, ['1d', '1w', '1M'], async (t, parameters, at) => {
    for (const [metric, name] of [
      ['users', 'user_id'],
      ['ips', 'ip'],
    ]) {
      const there = truth.distinct(metric, parameters.system, spanOf(parameters.window, at));
      const some = [...there].filter((_, i) => i % 17 === 0);
      for (const value of some) {
        const answer = await ask<Activity>('activity/check', { ...parameters, [name]: value });
        checkSaid(t, answer, parameters, at);
        t.equal(answer.accessed, true, value);
        t.equal(answer.confidence, 1 - answer.false_positive_rate);
        t.equal(answer.probability, answer.confidence);
        t.ok(answer.false_positive_rate < 0.01, `${answer.false_positive_rate}`);
      }
      for (const value of [`nobody-${at}`, `10.9.9.${parameters.window}`]) {
        const answer = await ask<Activity>('activity/check', { ...parameters, [name]: value });
        foreign++;
        if (answer.accessed) wrong++;
        else t.match(answer, { confidence: 1, probability: 1 }, 'a no is certain');
      }
    }
  });
  t.ok(wrong <= 1, `${wrong} of ${foreign}`);
});

t.test('top: items, counts and order are those of the truth, below the capacity of a list', async (t) => {
  type Top = {
    k: number;
    floor: number;
    items: { item: string; count: number; lower: number; upper: number; guaranteed: boolean }[];
  };
  await everywhere(t, ['1h', '1d'], async (t, parameters, at) => {
    for (const metric of topMetricNames) {
      const wanted = truth.top(metric, parameters.system, spanOf(parameters.window, at));
      for (const k of [1, 10, 1_000]) {
        const answer = await ask<Top>(`top/${metric}`, { ...parameters, k });
        checkSaid(t, answer, parameters, at);
        t.match(answer, { k, floor: 0 });
        const exact = wanted.slice(0, k).map(([item, count]) => {
          return { item, count, lower: count, upper: count, guaranteed: true };
        });
        t.strictSame(answer.items, exact, `${metric}, ${k}`);
      }
    }
  });
});

const rankErrorOf = (samples: readonly number[], value: number, percent: number) => {
  const below = samples.filter((sample) => sample < value).length / samples.length;
  const upTo = samples.filter((sample) => sample <= value).length / samples.length;
  return Math.max(0, below - percent / 100, percent / 100 - upTo);
};

t.test(
  'percentiles: count, min and max exact, ranks within a point and a sample, few samples exact',
  async (t) => {
    type Percentiles = {
      count: number;
      min: number;
      max: number;
      percentiles: Record<string, number | null>;
    };
    const percentiles = { '1': 'p1', '50': 'p50', '95': 'p95', '99.9': 'p999' };
    await everywhere(t, ['1h', '1d'], async (t, parameters, at) => {
      for (const metric of ['latency_ms', 'rows']) {
        const samples = truth.samples(metric, parameters.system, spanOf(parameters.window, at));
        const asked = { ...parameters, percentiles: Object.keys(percentiles).join() };
        const answer = await ask<Percentiles>(`percentiles/${metric}`, asked);
        checkSaid(t, answer, parameters, at);
        const [min = null] = samples;
        t.match(answer, { count: samples.length, min, max: samples.at(-1) ?? null });
        for (const [percent, name] of Object.entries(percentiles)) {
          const value = answer.percentiles[name];
          if (samples.length === 0) t.equal(value, null);
          else if (samples.length > 100)
            t.ok(rankErrorOf(samples, Number(value), Number(percent)) <= 0.01 + 1 / samples.length, name);
          else t.equal(value, samples[Math.max(1, Math.ceil((samples.length * Number(percent)) / 100)) - 1]);
        }
      }
    });
  },
);

t.test('sla and latency summary: the verdicts follow from the percentiles', async (t) => {
  type Sla = { value: number; status: string; margin: number; threshold: number; certain: boolean };
  type Latency = { percentiles: Record<string, number>; sla_status: Record<string, string>; count: number };
  await everywhere(t, ['1h', '1d'], async (t, parameters, at) => {
    const { system, ...when } = parameters;
    const samples = truth.samples('latency_ms', system, spanOf(parameters.window, at));
    const latency = await ask<Latency>(`latency/summary/${encodeURIComponent(system)}`, when);
    checkSaid(t, latency, parameters, at);
    t.equal(latency.count, samples.length);
    for (const threshold of [-1, 30, 55.5, 1e6]) {
      const asked = { ...parameters, metric: 'api_latency', percentile: 95, threshold };
      if (samples.length === 0) {
        t.equal((await get(base, compliance('sla/check', asked))).status, 404);
        continue;
      }
      const answer = await ask<Sla>('sla/check', asked);
      checkSaid(t, answer, parameters, at);
      t.equal(answer.value, latency.percentiles.p95);
      t.match(answer, {
        threshold,
        margin: threshold - answer.value,
        status: answer.value <= threshold ? 'PASS' : 'FAIL',
      });
    }
    if (samples.length === 0) return;
    t.strictSame(latency.sla_status, {
      p95_under_200ms: latency.percentiles.p95 <= 200 ? 'PASS' : 'FAIL',
      p99_under_500ms: latency.percentiles.p99 <= 500 ? 'PASS' : 'FAIL',
    });
  });
});

t.test('summary: what the questions it is made of answer', async (t) => {
  type Summary = { hourly: Record<string, unknown>; daily: Record<string, unknown> };
  for (const system of truth.systems) {
    for (const at of instants) {
      const timestamp = new Date(at).toISOString();
      const { hourly, daily } = await ask<Summary>(`summary/${encodeURIComponent(system)}`, { timestamp });
      for (const [part, window] of [
        [hourly, '1h'],
        [daily, '1d'],
      ] as const) {
        for (const metric of distinctMetricNames) {
          const asked = { system, window, timestamp };
          const { count, from, to } = await ask<{ count: number }>(`distinct/${metric}`, asked);
          t.match(part, { [`unique_${metric}`]: count, from, to, coverage: 'complete' });
        }
      }
      for (const metric of ['users', 'ips']) {
        const asked = { system, window: '1h', timestamp };
        const { items } = await ask<{ items: unknown }>(`top/active_${metric}`, asked);
        t.strictSame(hourly[`top_${metric}`], items);
      }
    }
  }
});
