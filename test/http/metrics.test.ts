/** `/metrics`: named by convention, moved by what happens, and with labels that no client can choose. */
import { Redis } from 'ioredis';
import t from 'tap';
import { rowErrorCodes } from '../../src/errors.js';
import { shedReasons } from '../../src/metrics.js';
import { systemKey } from '../../src/redis/keys.js';
import { digestFoldLength } from '../../src/redis/scripts.js';
import { numericKeysMax } from '../../src/sketches/registry.js';
import { startApp } from '../support/app.js';
import { compliance, event, get, post, postRows, send } from '../support/http.js';
import { until } from '../support/until.js';

// However busy the machine is, no question counts as slow.
const { base, redis, stop } = await startApp({ config: { SLOW_QUERY_MS: 60_000 } });
const connection = new Redis(redis.url, { protocol: 2 });
t.teardown(async () => {
  connection.disconnect();
  await stop();
});

const scrape = async () => (await get(base, '/metrics')).text;

/** Every series and its value, without those of the process, which move by themselves. */
async function series(): Promise<Map<string, number>> {
  const lines = (await scrape()).split('\n').filter((line) => /^papertrail_(?!nodejs_|process_)/.test(line));
  return new Map(
    lines.map((line) => {
      const end = line.lastIndexOf(' ');
      return [line.slice(0, end), Number(line.slice(end + 1))];
    }),
  );
}

/** How much each series moved while something was done; what did not move is not in it. */
async function movedBy(act: () => Promise<unknown>): Promise<Record<string, number>> {
  const before = await series();
  await act();
  const moved: Record<string, number> = {};
  for (const [name, value] of await series()) {
    const difference = value - (before.get(name) ?? 0);
    if (difference !== 0) moved[name] = difference;
  }
  return moved;
}

t.test('names follow the conventions of Prometheus, and each has a type and a help text', async (t) => {
  const { text, headers } = await get(base, '/metrics');
  t.match(headers['content-type'], /^text\/plain; version=0\.0\.4/);
  const types = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => [name, type]);
  t.ok(types.length > 12);
  for (const [name, type] of types) {
    t.match(name, /^papertrail_[a-z][a-z0-9_]*[a-z0-9]$/);
    t.match(text, new RegExp(`^# HELP ${name} \\S`, 'm'));
    if (/_(?:nodejs|process)_/.test(name)) continue; // named by the library, as everybody's are
    t.equal(type === 'counter', name.endsWith('_total'), `${name} is a ${type}`);
    if (/duration|time/.test(name)) t.match(name, /_seconds$/);
    if (/size/.test(name)) t.match(name, /_bytes$/);
  }
});

t.test('the release of the time zone data is shown', async (t) => {
  t.equal((await series()).get(`papertrail_tzdata_info{version="${process.versions.tz}"}`), 1);
});

t.test('events and rows are counted when they are stored or refused', async (t) => {
  const bad = event({ timestamp: 'yesterday' });
  const moved = await movedBy(() => postRows(base, [event(), event(), event(), bad, bad, {}]));
  t.match(moved, {
    papertrail_events_accepted_total: 3,
    papertrail_events_undated_total: 3,
    'papertrail_events_rejected_total{reason="timestamp_invalid"}': 2,
    'papertrail_events_rejected_total{reason="required"}': 1,
    papertrail_group_commit_events_sum: 3,
    papertrail_group_commit_events_count: 1,
    papertrail_pipeline_duration_seconds_count: 1,
    papertrail_pipeline_size_bytes_count: 1,
  });
  t.ok(moved.papertrail_pipeline_size_bytes_sum > 10 && moved.papertrail_pipeline_duration_seconds_sum > 0);
  t.equal((await series()).get('papertrail_ingest_pending_bytes'), 0, 'nothing waits any more');
  const unread = await movedBy(() =>
    postRows(base, [event({ ip: 'a', timestamp: 1_700_000_000, host: 'b' })]),
  );
  t.match(unread, { papertrail_events_accepted_total: 1, papertrail_event_fields_ignored_total: 2 });
  t.notOk('papertrail_events_undated_total' in unread);
  const refused = await movedBy(() => postRows(base, [{}]));
  t.notOk('papertrail_events_accepted_total' in refused || 'papertrail_group_commit_events_count' in refused);
});

t.test('requests are counted by the pattern of their route and by status', async (t) => {
  const requests: [act: () => Promise<unknown>, labels: string][] = [
    [() => postRows(base, [event()]), 'method="POST",route="/api/v1/events/batch",status="201"'],
    [() => post(base, '{', undefined, '/api/v1/events'), 'method="POST",route="/api/v1/events",status="400"'],
    [
      () => get(base, compliance('distinct/users', { system: 'crm' })),
      'method="GET",route="/api/v1/compliance/distinct/:metric",status="200"',
    ],
    [
      () => get(base, compliance('top/active_users', { system: 'crm', window: '1m' })),
      'method="GET",route="/api/v1/compliance/top/:metric",status="422"',
    ],
    [() => get(base, '/nowhere/at/all'), 'method="GET",route="none",status="404"'],
  ];
  for (const [act, labels] of requests) {
    const moved = await movedBy(act);
    t.equal(moved[`papertrail_http_request_duration_seconds_count{${labels}}`], 1, labels);
    t.equal(moved[`papertrail_http_request_duration_seconds_bucket{le="+Inf",${labels}}`], 1);
  }
});

t.test('rare things are counted: changed epochs, folds, samples not kept', async (t) => {
  await postRows(base, [event()]);
  await connection.hset(systemKey('crm'), 'epoch', 'another');
  t.match(await movedBy(() => postRows(base, [event()])), { papertrail_epoch_mismatches_total: 1 });

  const before = await series();
  const folds = 'papertrail_digest_folds_total{outcome="folded"}';
  const sample = event({ system: 'folding', metadata: { latency_ms: 1 } });
  for (let i = 0; i < digestFoldLength; i++) await postRows(base, [sample]);
  await until(async () => ((await series()).get(folds) ?? 0) > (before.get(folds) ?? 0), 'a fold');

  const metadata = Object.fromEntries(Array.from({ length: numericKeysMax + 4 }, (_, i) => [`n${i}`, i]));
  const moved = await movedBy(() => postRows(base, [event({ system: 'wide', metadata })]));
  t.equal(moved.papertrail_numeric_samples_dropped_total, 5, 'one place is reserved');
});

t.test('no series is added by what clients choose to send', async (t) => {
  async function visit(word: string): Promise<void> {
    const metadata = { ip: word, endpoint: word, [word]: 1, status: word };
    const named = { user_id: word, session_id: word, system: word, metadata };
    await postRows(base, [event(named), event({ ...named, event_type: word }), event({ [word]: word })]);
    await post(base, `"${word}"`, { 'content-type': 'application/json', 'x-request-id': word, prefer: word });
    await post(base, '{}', { 'content-type': `application/${word}` });
    const asked = { system: word, timestamp: word, window: word, k: word };
    for (const path of [`distinct/${word}`, `top/${word}`, `summary/${word}`, `percentiles/${word}`, word]) {
      await get(base, compliance(path, { system: word }));
      await get(base, compliance(path, asked));
    }
    await get(base, `/${word}?${word}=${word}`);
    await get(base, '/%');
    await get(base, `/api/v1/compliance/distinct/${word.repeat(500)}`);
    for (const method of ['PUT', 'DELETE', 'PATCH', 'PROPFIND', 'OPTIONS']) {
      await send(base, { method, path: '/api/v1/events' });
    }
  }
  await visit('first-zebra');
  const names = [...(await series()).keys()].sort();
  await visit('second-zebra');
  await visit('third-zebra');
  t.strictSame([...(await series()).keys()].sort(), names);
  t.notMatch(await scrape(), /zebra|PROPFIND/);
  const labels = names.flatMap((name) => [...name.matchAll(/(\w+)="([^"]*)"/g)]);
  t.strictSame(
    [...new Set(labels.map(([, label]) => label))].sort(),
    ['connection', 'kind', 'le', 'method', 'outcome', 'reason', 'route', 'status', 'version'].filter(
      (label) => labels.some(([, used]) => used === label),
    ),
  );
  for (const [, label, value] of labels) {
    if (label === 'reason') t.ok(value in rowErrorCodes || shedReasons.some((one) => one === value), value);
    if (label === 'method') t.ok(['GET', 'HEAD', 'POST', 'DELETE', 'other'].includes(value), value);
  }
});
