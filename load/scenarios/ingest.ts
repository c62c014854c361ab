/**
 * How fast events go in, against what bounds it: the bare route that parses and drops them (the ceiling), the same
 * write path without HTTP, and one command at a time. All of them take turns with the service, round by round, since the
 * speed of a machine that is shared changes by the minute: shares of one run can be trusted where rates cannot.
 *
 * A case is a batch size, a format and a stream. The selection has every batch size in the first format and stream, and every
 * other format and stream at 1,000 a batch; the matrix has all.
 */
import { availableParallelism } from 'node:os';
import { formatRanks, formatTable, whole } from '../results/format.js';
import { atLeast, atMost, figureOf, type Result } from '../results/result.js';
import { meanOf, sumOf } from '../results/statistics.js';
import { type Context, scenario, wordsOf } from '../scenario.js';
import { type FiredShot, fire } from '../senders/cannon.js';
import { type Format, formats, isFormat, makeBodies } from '../streams/bodies.js';
import { isStreamKind, type StreamKind } from '../streams/events.js';
import { startBareIngest } from '../targets/bare.js';
import { startRaw } from '../targets/raw.js';
import { type Counters, hasSetting, type Service, startService } from '../targets/service.js';

const WARM_SECONDS = 1.5;
/** Of every shot, so that all connections are under way when it is counted. */
const LEAD_SECONDS = 1;
/** Under way at once; with more, a run of some seconds would see each request once. */
const EVENTS_UNDER_WAY_MAX = 100_000;
const MAIN_BATCH = 1_000;
/** Of a request that is sent one command at a time: of more it would take longer than a run. */
const PLAIN_BATCH = 100;
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

interface Case {
  batch: number;
  format: Format;
  stream: StreamKind;
}

const short = {
  seconds: 4,
  rounds: 2,
  connections: 50,
  batches: '1,10,100,1000,10000',
  formats: 'json,ndjson,msgpack',
  streams: 'realistic,unique,one-hot',
  cases: 'selection',
};

type Options = typeof short;

const known = <Name extends string>(list: string, isKnown: (name: string) => name is Name): Name[] =>
  wordsOf(list).map((word) => {
    if (!isKnown(word)) throw new Error(`"${word}" is not known here`);
    return word;
  });

/** The worst case is always among them. */
function casesOf({ batches, formats: formatList, streams, cases }: Options): Case[] {
  const [someFormats, someStreams] = [known(formatList, isFormat), known(streams, isStreamKind)];
  const isChosen = ({ batch, format, stream }: Case) =>
    cases === 'matrix' ||
    (format === someFormats[0] && stream === someStreams[0]) ||
    (batch === MAIN_BATCH && (format === someFormats[0] || stream === someStreams[0]));
  const all = wordsOf(batches).flatMap((batch) =>
    someStreams.flatMap((stream) =>
      someFormats.map((format): Case => ({ batch: Number(batch), format, stream })),
    ),
  );
  const worst: Case = { batch: MAIN_BATCH, format: 'json', stream: 'unique' };
  const isWorst = (one: Case) => nameOf(one) === nameOf(worst);
  return [...all.filter((one) => isChosen(one) && !isWorst(one)), worst];
}

const nameOf = ({ batch, format, stream }: Case) => `${whole(batch)} a batch, ${format}, ${stream}`;

function aimOf({ batch, format, stream }: Case, { connections }: Options) {
  const bodies = makeBodies({
    batch,
    format,
    kind: stream,
    seed: 20_260_101,
    start: Date.now(),
    stepMs: 0.01,
  });
  const path = batch === 1 ? '/api/v1/events' : '/api/v1/events/batch';
  return {
    path,
    bodies,
    connections: Math.min(connections, Math.ceil(EVENTS_UNDER_WAY_MAX / batch)),
    leadSeconds: LEAD_SECONDS,
    headers: { 'content-type': formats[format] },
  };
}

const rateOf = (shots: readonly FiredShot[], batch: number) =>
  batch * meanOf(shots, ({ requests }) => requests);

/** What the counters of a service have gone on by. */
function difference(before: Counters, after: Counters): Counters {
  const names = Object.keys(after) as (keyof Counters)[];
  return Object.fromEntries(names.map((name) => [name, after[name] - before[name]])) as Counters;
}

/** The longest digest list there is, in elements. */
async function longestDigestList({ redis }: Service): Promise<number> {
  let longest = 0;
  for await (const keys of redis.scanStream({ match: 'pt:{*}:digest:*', count: 1_000 })) {
    for (const key of keys as string[]) longest = Math.max(longest, await redis.llen(key));
  }
  return longest;
}

interface Measured {
  case: Case;
  /** Events/s. */
  rate: number;
  /** Events/s of the bare route, and without HTTP; NaN where they were not measured. */
  ceiling: number;
  raw: number;
  shots: FiredShot[];
  used: Counters;
  rss: number;
  digests: number;
  failures: number;
}

const isMain = ({ format, stream }: Case) => format === 'json' && stream === 'realistic';

async function measure(one: Case, options: Options, context: Context): Promise<Measured> {
  const { seconds, rounds, connections } = options;
  const aim = aimOf(one, options);
  const service = context.own(await startService());
  // The bare route takes JSON only, and parses it as fast whatever it is about.
  const bare = isMain(one) ? context.own(await startBareIngest()) : undefined;
  const raw =
    isMain(one) && one.batch === MAIN_BATCH ? context.own(await startRaw(one.batch, connections)) : undefined;
  for (const target of [bare, service]) {
    if (target) await fire({ ...aim, base: target.base, seconds: WARM_SECONDS });
  }
  await raw?.run(WARM_SECONDS);
  const before = await service.counters();
  const timeline = context.watch(nameOf(one), service.processes);
  const shots: FiredShot[] = [];
  const ceilings: FiredShot[] = [];
  const raws: number[] = [];
  const note = (ms: number) => timeline.note(ms, one.batch);
  for (let round = 0; round < rounds; round++) {
    if (bare) ceilings.push(await fire({ ...aim, base: bare.base, seconds }));
    if (raw) raws.push(await raw.run(seconds));
    shots.push(await fire({ ...aim, base: service.base, seconds, note }));
  }
  timeline.stop();
  const after = await service.counters();
  const digests = await longestDigestList(service);
  for (const thing of [service, bare, raw]) await thing?.stop();
  return {
    case: one,
    rate: rateOf(shots, one.batch),
    ceiling: rateOf(ceilings, one.batch),
    raw: meanOf(raws, (rate) => rate),
    shots,
    used: difference(before, after),
    rss: after.rss,
    digests,
    failures: sumOf([...shots, ...ceilings], ({ failures }) => failures),
  };
}

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

/** How many times as fast the service is with one set of settings as with another. */
async function compare(
  options: Options,
  context: Context,
  { batch, env, than }: { batch: number; env: Record<string, string>; than: Record<string, string> },
): Promise<{ times: number; slower: number }> {
  const one: Case = { batch, format: 'json', stream: 'realistic' };
  const aim = aimOf(one, options);
  const services = [context.own(await startService(than)), context.own(await startService(env))];
  const rates: FiredShot[][] = [[], []];
  for (const { base } of services) await fire({ ...aim, base, seconds: WARM_SECONDS });
  for (let round = 0; round < options.rounds; round++) {
    for (const [i, { base }] of services.entries()) {
      rates[i].push(await fire({ ...aim, base, seconds: options.seconds }));
    }
  }
  for (const service of services) await service.stop();
  const [slower, faster] = rates.map((shots) => rateOf(shots, batch));
  return { times: faster / slower, slower };
}

/** What settings are worth that another version of the service may not have. */
async function settingRows(options: Options, context: Context): Promise<Result[]> {
  const rows: Result[] = [];
  if (hasSetting('WORKERS') && availableParallelism() >= WORKERS_CORES_MIN) {
    context.say('two processes against one');
    const workers = { batch: MAIN_BATCH, env: { WORKERS: '2' }, than: { WORKERS: '1' } };
    const { times } = await compare(options, context, workers);
    rows.push(atLeast('two processes against one', times, 'times', WORKERS_TIMES_MIN));
  }
  if (hasSetting('WRITER')) {
    context.say('one command at a time');
    const than = { WRITER: 'plain', INGEST_QUEUE_MS_MAX: '60000' };
    const { times, slower } = await compare(options, context, { batch: PLAIN_BATCH, env: {}, than });
    rows.push(figureOf(`one command at a time, ${PLAIN_BATCH} a batch`, slower, 'events/s'));
    const what = `times as fast as one command at a time, ${options.connections} connections`;
    rows.push(atLeast(what, times, 'times', PLAIN_TIMES_MIN));
  }
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
    return [
      ...measured.flatMap(rowsOf),
      atMost('requests that failed', failures, '', 0),
      ...(await settingRows(options, context)),
    ];
  },
});
