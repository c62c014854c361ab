/**
 * How fast events go in, against what bounds it: the bare route that parses and drops them (the ceiling), the same
 * write path without HTTP, and one command at a time. All of them take turns with the service, round by round, since the
 * speed of a machine that is shared changes by the minute: shares of one run can be trusted where rates cannot.
 */
import { availableParallelism } from 'node:os';
import { casesOf, isMain, LEAD_SECONDS, MAIN_BATCH, nameOf, type Options, short } from '../ingest/cases.js';
import { compare, type Measured, measure } from '../ingest/measure.js';
import { formatRanks, formatTable, whole } from '../results/format.js';
import { atLeast, atMost, figureOf, type Result } from '../results/result.js';
import { meanOf, sumOf } from '../results/statistics.js';
import { type Context, scenario } from '../scenario.js';

/**
 * Of a request that is sent one command at a time. Of 100 events it takes a second and more, and 50 connections would
 * be answered in waves, of which a round sees two or three; what an event costs is the same.
 */
const PLAIN_BATCH = 10;
/** Of those that it is compared with. */
const GROUPED_BATCH = 100;
const PLAIN_TIMES_MIN = 50;
const ROUND_TRIPS_MAX = 0.0005;
const UNIQUE_EVENTS_MIN = 60_000;
const WORKERS_TIMES_MIN = 1.8;
/** Processes of a service, its Redis, and the sender each want a core. */
const WORKERS_CORES_MIN = 4;

interface Target {
  /** Percent of the ceiling. */
  share: number;
  events?: number;
}

/** By batch size, of the realistic stream as JSON. */
const targets = new Map<number, Target>([
  [1, { share: 85 }],
  [100, { share: 60, events: 220_000 }],
  [1_000, { share: 55, events: 200_000 }],
]);

function rowsOf({ case: one, rate, ceiling, raw, used }: Measured): Result[] {
  const what = nameOf(one);
  const { share, events } = (isMain(one) && targets.get(one.batch)) || {};
  const least =
    one.stream === 'unique' && one.batch === MAIN_BATCH && one.format === 'json' ? UNIQUE_EVENTS_MIN : events;
  const rows = [
    least === undefined ? figureOf(what, rate, 'events/s') : atLeast(what, rate, 'events/s', least),
  ];
  if (isMain(one)) {
    const percent = (100 * rate) / ceiling;
    const of = `of the bare route, ${whole(one.batch)} a batch`;
    rows.push(share === undefined ? figureOf(of, percent, '%') : atLeast(of, percent, '%', share));
  }
  if (Number.isFinite(raw)) {
    rows.push(figureOf('raw Redis: the same deltas without HTTP', raw, 'events/s'));
    rows.push(figureOf('of raw Redis', (100 * rate) / raw, '%'));
    const trips = used.roundTrips / used.events;
    rows.push(atMost(`round trips to Redis per event, ${what}`, trips, '', ROUND_TRIPS_MAX));
  }
  return rows;
}

function detailOf(measured: readonly Measured[]): string {
  const micros = (seconds: number) => (seconds * 1e6).toFixed(2);
  const head = [
    'case',
    'ceiling events/s',
    'events/s',
    'p50 / p95 / p99 ms',
    'Node us/event',
    'Redis us/event',
  ];
  const more = ['pipelines/s', 'events/pipeline', 'RSS MB', 'longest digest list', 'failures'];
  const rows = measured.map(({ case: one, rate, ceiling, shots, used, rss, digests, failures }) => [
    nameOf(one),
    Number.isNaN(ceiling) ? '' : whole(ceiling),
    whole(rate),
    formatRanks({
      p50: meanOf(shots, ({ p50 }) => p50),
      p95: meanOf(shots, ({ p95 }) => p95),
      p99: meanOf(shots, ({ p99 }) => p99),
    }),
    micros(used.nodeCpu / used.events),
    micros(used.redisCpu / used.events),
    whole(used.pipelines / sumOf(shots, ({ seconds }) => seconds + LEAD_SECONDS)),
    whole(used.events / used.pipelines),
    whole(rss / 1e6),
    String(digests),
    String(failures),
  ]);
  return formatTable([...head, ...more], rows);
}

/** What settings are worth. */
async function settingRows(options: Options, context: Context): Promise<Result[]> {
  const rows: Result[] = [];
  if (availableParallelism() >= WORKERS_CORES_MIN) {
    context.say('two processes against one');
    const { times, failures } = await compare(options, context, {
      faster: { batch: MAIN_BATCH, env: { WORKERS: '2' } },
      slower: { batch: MAIN_BATCH, env: { WORKERS: '1' } },
    });
    rows.push(atLeast('two processes against one', times, 'times', WORKERS_TIMES_MIN));
    rows.push(atMost('requests that failed there', failures, '', 0));
  }
  context.say('one command at a time');
  const { times, slower, failures } = await compare(options, context, {
    faster: { batch: GROUPED_BATCH, env: {} },
    slower: { batch: PLAIN_BATCH, env: { WRITER: 'plain', INGEST_QUEUE_MS_MAX: '60000' } },
  });
  const what = `${GROUPED_BATCH} a batch, times as fast as one command at a time, ${options.connections} connections`;
  rows.push(figureOf('one command at a time', slower, 'events/s'));
  rows.push(atMost('requests that failed there', failures, '', 0));
  rows.push(atLeast(what, times, 'times', PLAIN_TIMES_MIN));
  return rows;
}

export const ingest = scenario({
  name: 'ingest',
  about:
    'How fast events go in, against the bare route, against Redis without HTTP, and against one command at a time.',
  short,
  full: { seconds: 10, cases: 'matrix' },
  async run(options, context) {
    const measured: Measured[] = [];
    for (const one of casesOf(options)) {
      context.say(nameOf(one));
      measured.push(await measure(one, options, context));
    }
    context.detail(detailOf(measured));
    const failures = sumOf(measured, (one) => one.failures);
    const refused = sumOf(measured, ({ used }) => used.refused);
    return [
      ...measured.flatMap(rowsOf),
      atMost('requests that failed', failures, '', 0),
      atMost('events refused', refused, '', 0),
      ...(await settingRows(options, context)),
    ];
  },
});
