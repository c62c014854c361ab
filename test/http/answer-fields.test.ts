/**
 * The answers that existing clients read: names, types and defaults of every field, held against the list of the
 * public API. Fields may be added; none of these may go, be renamed or change its type.
 */
import t from 'tap';
import { startApp } from '../support/app.js';
import { withoutAsOf } from '../support/as-of.js';
import { historyEnd } from '../support/history.js';
import { compliance, event, get, post, postRows, query } from '../support/http.js';

const { base, stop } = await startApp({ clock: { now: () => historyEnd } });
t.teardown(stop);

type Kind = 'string' | 'number' | 'boolean' | 'instant' | 'null' | readonly [Fields] | Fields;
interface Fields {
  [name: string]: Kind;
}

const rfc3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

/** Where a value is not of a kind: the paths, empty where it is. */
function misfits(value: unknown, kind: Kind, path = ''): string[] {
  if (kind === 'instant') return typeof value === 'string' && rfc3339.test(value) ? [] : [path];
  if (kind === 'null') return value === null ? [] : [path];
  if (typeof kind === 'string') return typeof value === kind ? [] : [path];
  if (Array.isArray(kind)) {
    if (!Array.isArray(value) || value.length === 0) return [path];
    return value.flatMap((item, i) => misfits(item, kind[0], `${path}/${i}`));
  }
  if (typeof value !== 'object' || value === null) return [path];
  return Object.entries(kind).flatMap(([name, inner]) =>
    misfits((value as Record<string, unknown>)[name], inner, `${path}/${name}`),
  );
}

const metadata = { ip: '10.0.0.1', endpoint: '/a', status: 'failure', latency_ms: 12.5, payload_bytes: 7 };
const sent = event({ session_id: 's1', timestamp: '2026-01-31T13:00:00Z', metadata });

await postRows(base, [sent, sent, sent]);

t.test('ingest', async (t) => {
  const earlier = { ...sent, timestamp: '2026-01-30T13:00:00Z' };

  t.test('one event: 201 with success, event_id, message, timestamp', async (t) => {
    const path = '/api/v1/events';
    const { status, body } = await post(base, JSON.stringify(earlier), undefined, path);
    t.equal(status, 201);
    t.strictSame(
      misfits(body, { success: 'boolean', event_id: 'string', message: 'string', timestamp: 'instant' }),
      [],
    );
    t.match(body, { success: true, timestamp: '2026-01-30T13:00:00.000Z' });
  });
  t.test('a batch: 201 with success, processed, total, message', async (t) => {
    const { status, body } = await post(base, JSON.stringify({ events: [earlier, earlier, {}] }));
    t.equal(status, 201);
    t.match(body, { success: true, processed: 2, total: 3 });
    t.strictSame(misfits(body, { message: 'string' }), []);
  });
  t.test('health and stats', async (t) => {
    t.match((await get(base, '/api/v1/events/health')).body, { status: 'healthy', redis: 'connected' });
    const { status, body } = await get(base, '/api/v1/events/stats');
    t.equal(status, 200);
    const fields: Fields = { used_memory_human: 'string', total_keys: 'number', uptime_seconds: 'number' };
    t.strictSame(misfits(body, { connected: 'boolean', ...fields }), []);
    t.match(body, { connected: true, used_memory_human: /^\d+(?:\.\d+)?[BKMG]$/ });
  });
});

const at = { timestamp: 'instant', as_of: 'instant', computed_at: 'instant' } as const;
const bounds = { lower: 'number', upper: 'number', standard_error: 'number' } as const;
const uniques = { unique_users: 'number', unique_sessions: 'number', unique_ips: 'number' } as const;
const item = {
  item: 'string',
  count: 'number',
  lower: 'number',
  upper: 'number',
  guaranteed: 'boolean',
} as const;
const certainty = { confidence: 'number', probability: 'number', false_positive_rate: 'number' } as const;
const rankBound = { rank_error: 'number', lower: 'number', upper: 'number' } as const;
const said = { from: 'instant', to: 'instant', coverage: 'string', ...at } as const;

interface Case {
  path: string;
  parameters?: Record<string, string | number>;
  fields: Fields;
  /** Values that must come out as they are. */
  values: object;
}

const cases: Record<string, Case> = {
  'distinct, window 1h by default': {
    path: 'distinct/users',
    parameters: { system: 'crm' },
    fields: { accuracy: 'string', bound: { ...bounds, confidence: 'number' }, ...said },
    values: { metric: 'users', system: 'crm', window: '1h', count: 1, coverage: 'complete' },
  },
  'activity of a user, window 1d by default': {
    path: 'activity/check',
    parameters: { system: 'crm', user_id: 'alice' },
    fields: { ...certainty, note: 'string', ...said },
    values: { user_id: 'alice', system: 'crm', window: '1d', accessed: true, saturated: false },
  },
  'activity of an IP': {
    path: 'activity/check',
    parameters: { system: 'crm', ip: '10.0.0.2', window: '1w' },
    fields: { ...certainty, note: 'string', ...said },
    values: { ip: '10.0.0.2', system: 'crm', window: '1w', accessed: false, confidence: 1, probability: 1 },
  },
  'top, ten in 1h by default': {
    path: 'top/endpoints',
    parameters: { system: 'crm' },
    fields: { items: [item], floor: 'number', ...said },
    values: { metric: 'endpoints', window: '1h', k: 10, items: [{ item: '/a', count: 3, guaranteed: true }] },
  },
  summary: {
    path: 'summary/crm',
    fields: {
      hourly: {
        ...uniques,
        bounds: { unique_users: bounds, unique_sessions: bounds, unique_ips: bounds },
        top_users: [item],
        top_ips: [item],
        from: 'instant',
        to: 'instant',
        coverage: 'string',
      },
      daily: {
        ...uniques,
        bounds: { unique_users: bounds, unique_sessions: bounds, unique_ips: bounds },
        from: 'instant',
        to: 'instant',
        coverage: 'string',
      },
      ...at,
    },
    values: {
      system: 'crm',
      hourly: { unique_users: 1, top_ips: [{ item: '10.0.0.1', count: 3 }] },
      daily: { unique_sessions: 1 },
    },
  },
  'percentiles 50, 95 and 99 by default': {
    path: 'percentiles/payload_bytes',
    parameters: { system: 'crm' },
    fields: { bounds: { p50: rankBound, p95: rankBound, p99: rankBound }, ...said },
    values: {
      metric: 'payload_bytes',
      system: 'crm',
      window: '1h',
      percentiles: { p50: 7, p95: 7, p99: 7 },
      unit: 'bytes',
      count: 3,
    },
  },
  'percentile 99.9 is p999': {
    path: 'percentiles/api_latency',
    parameters: { system: 'crm', percentiles: '99.9,0', window: '1d' },
    fields: said,
    values: {
      metric: 'api_latency',
      window: '1d',
      percentiles: { p999: 12.5, p0: 12.5 },
      unit: 'milliseconds',
    },
  },
  'sla, percentile 95 in 1h by default, kept': {
    path: 'sla/check',
    parameters: { system: 'crm', metric: 'latency_ms', threshold: 20 },
    fields: { certain: 'boolean', bound: rankBound, ...said },
    values: {
      metric: 'latency_ms',
      system: 'crm',
      percentile: 95,
      value: 12.5,
      threshold: 20,
      status: 'PASS',
      margin: 7.5,
      window: '1h',
    },
  },
  'sla, broken': {
    path: 'sla/check',
    parameters: { system: 'crm', metric: 'api_latency', threshold: 10, percentile: 99.9, window: '1d' },
    fields: said,
    values: { percentile: 99.9, status: 'FAIL', margin: -2.5, window: '1d' },
  },
  'latency summary of api_latency by default': {
    path: 'latency/summary/crm',
    fields: { sla_status: { p95_under_200ms: 'string', p99_under_500ms: 'string' }, ...said },
    values: {
      system: 'crm',
      metric: 'api_latency',
      window: '1h',
      percentiles: { p50: 12.5, p90: 12.5, p95: 12.5, p99: 12.5, p999: 12.5 },
    },
  },
};

t.test('questions', async (t) => {
  for (const [name, { path, parameters, fields, values }] of Object.entries(cases)) {
    t.test(name, async (t) => {
      const { status, body, headers } = await get(base, compliance(path, parameters));
      t.equal(status, 200);
      t.match(headers['content-type'], /^application\/json/);
      t.strictSame(misfits(body, fields), []);
      t.match(body, values);
    });
  }

  t.test('an SLA without any data is a 404 that says so', async (t) => {
    const timestamp = '2026-01-31T10:00:00Z';
    const parameters = { system: 'crm', metric: 'latency_ms', threshold: 1, timestamp };
    const { status, body } = await get(base, compliance('sla/check', parameters));
    t.equal(status, 404);
    t.match(body, { code: 'no_data', coverage: 'complete', error: String, message: String });
  });

  t.test('a system that is known and had nothing in that time is empty, not an error', async (t) => {
    await postRows(base, [event({ system: 'quiet', timestamp: '2026-01-29T10:00:00Z' })]);
    const parameters = { system: 'quiet' };
    t.match((await get(base, compliance('distinct/users', parameters))).body, {
      count: 0,
      coverage: 'complete',
    });
    t.match((await get(base, compliance('top/endpoints', parameters))).body, { items: [] });
    const { body } = await get<object>(base, compliance('percentiles/latency_ms', parameters));
    t.strictSame(misfits(body, { percentiles: { p50: 'null', p95: 'null', p99: 'null' } }), []);
    const summary = await get<object>(base, compliance('summary/quiet'));
    t.match(summary.body, {
      hourly: { unique_users: 0, top_users: [], top_ips: [] },
      daily: { unique_ips: 0 },
    });
  });
});

t.test('a window that a metric does not keep is a 422 that names those it does', async (t) => {
  const kept: [path: string, parameters: Record<string, string | number>, windows: string[]][] = [
    ['activity/check', { system: 'crm', user_id: 'a' }, ['1d', '1w', '1M']],
    ['top/active_users', { system: 'crm' }, ['1h', '1d', '1w', '1M']],
    ['percentiles/latency_ms', { system: 'crm' }, ['1h', '1d', '1w', '1M']],
    ['sla/check', { system: 'crm', metric: 'latency_ms', threshold: 1 }, ['1h', '1d', '1w', '1M']],
    ['latency/summary/crm', {}, ['1h', '1d', '1w', '1M']],
    ['distinct/users', { system: 'crm' }, ['1m', '5m', '15m', '1h', '1d', '1w', '1M']],
  ];
  for (const [path, parameters, windows] of kept) {
    for (const window of ['1m', '5m', '15m', '1h', '1d', '1w', '1M']) {
      const { status, body } = await get(base, compliance(path, { ...parameters, window }));
      t.equal(status, windows.includes(window) ? 200 : 422, `${path} ${window}`);
      if (status !== 422) continue;
      t.match(body, { code: 'window_unsupported', errors: [{ pointer: '/window' }] });
      const named = (body as { detail: string }).detail.split('use one of ')[1].split(', ');
      t.strictSame(named, windows);
    }
  }
});

t.test('k is 1 to 1000', async (t) => {
  const top = (k: number | string) => get(base, compliance('top/active_users', { system: 'crm', k }));
  for (const k of [1, 2, 999, 1_000]) t.match(await top(k), { status: 200, body: { k } }, `${k}`);
  for (const k of [0, -1, 1_001, 1.5, 'ten', '1e9']) {
    t.match(await top(k), { status: 400, body: { errors: [{ pointer: '/k' }] } }, `${k}`);
  }
});

t.test('a timestamp means the same instant in every form, with every window', async (t) => {
  const ms = Date.UTC(2026, 0, 31, 13, 37, 20);
  const forms = [
    '2026-01-31T13:37:20Z',
    '2026-01-31T15:37:20+02:00',
    ms / 1_000,
    ms,
    ms * 1e3,
    `${ms}000000`,
  ];
  for (const window of ['1m', '5m', '15m', '1h', '1d', '1w', '1M']) {
    const answers = await Promise.all(
      forms.map((timestamp) => get(base, compliance('distinct/users', { system: 'crm', window, timestamp }))),
    );
    const texts = answers.map(({ body }) => JSON.stringify(withoutAsOf(body)));
    t.strictSame(new Set(texts).size, 1, window);
    t.match(answers[0], { status: 200, body: { timestamp: '2026-01-31T13:37:20.000Z' } });
  }
  const unencoded = '/api/v1/compliance/distinct/users?system=crm&timestamp=2026-01-31T15:37:20+02:00';
  t.match((await get(base, unencoded)).body, { timestamp: '2026-01-31T13:37:20.000Z' });
  for (const timestamp of ['tomorrow', '2026-02-30T00:00:00Z', '2026-02-30', '1e400', '']) {
    const path = compliance('distinct/users', { system: 'crm', timestamp });
    t.match(await get(base, path), { status: 400, body: { errors: [{ pointer: '/timestamp' }] } }, timestamp);
  }
});

t.test('the list of systems has names and last events, page by page', async (t) => {
  for (const system of ['a', 'b', 'é']) await postRows(base, [event({ system, timestamp: sent.timestamp })]);
  const first = await get<{ systems: { system: string }[]; next: string }>(base, '/api/v1/systems?limit=3');
  t.match(first.body, {
    systems: ['a', 'b', 'crm'].map((system) => ({ system, last_event: '2026-01-31T13:00:00.000Z' })),
    total: 5,
  });
  const rest = await get(base, query('/api/v1/systems', { limit: 3, cursor: first.body.next }));
  t.match(rest.body, { systems: [{ system: 'quiet' }, { system: 'é' }], total: 5, next: null });
});
