/**
 * How fast a question is answered: from memory, from Redis and computed, against a bare route that sends the same
 * headers and body, in the same run. Memory and the bare route take turns, since the speed of a machine changes by the
 * minute. Then each route for itself, from memory and computed.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DAY_MS } from '../../src/windows/civil.js';
import { formatRanks, formatTable, whole } from '../results/format.js';
import { atLeast, atMost, figureOf } from '../results/result.js';
import { meanOf, sumOf } from '../results/statistics.js';
import { type Context, scenario } from '../scenario.js';
import { ask, fire, type Shot } from '../senders/cannon.js';
import { questionsAbout } from '../senders/questions.js';
import { makeBodies } from '../streams/bodies.js';
import { systemName } from '../streams/events.js';
import { startBareAnswer } from '../targets/bare.js';
import { type Service, startService } from '../targets/service.js';

const CACHED_MIN = 15_000;
/** Percent of the bare route's requests a second, and times its p99. */
const SHARE_MIN = 80;
const P99_TIMES_MAX = 3;
/** Questions that another process has answered before. */
const SHARED_QUESTIONS = 400;
const WARM_SECONDS = 2;
const FILL_SECONDS = 3;

const short = { seconds: 3, rounds: 2, connections: 50, 'route-seconds': 1 };
type Options = typeof short;

const path = `/api/v1/compliance/summary/${systemName(0)}`;
const one = () => [path];

const meanShot = (shots: readonly Shot[]): Shot => ({
  requests: meanOf(shots, (shot) => shot.requests),
  p50: meanOf(shots, (shot) => shot.p50),
  p95: meanOf(shots, (shot) => shot.p95),
  p99: meanOf(shots, (shot) => shot.p99),
  failures: sumOf(shots, (shot) => shot.failures),
  seconds: sumOf(shots, (shot) => shot.seconds),
});

/** Headers that the server itself adds to every answer. */
const OWN_HEADERS = ['date', 'connection', 'keep-alive', 'content-length', 'transfer-encoding'];

/** A bare route that sends what the service answers from memory. */
async function startSame({ base }: Service) {
  const plainly = { headers: { 'accept-encoding': 'identity' } };
  await fetch(base + path, plainly);
  const held = await fetch(base + path, plainly);
  const body = await held.text();
  const headers = Object.fromEntries([...held.headers].filter(([name]) => !OWN_HEADERS.includes(name)));
  const directory = mkdtempSync(join(tmpdir(), 'papertrail-bare-'));
  const file = join(directory, 'answer.json');
  writeFileSync(file, JSON.stringify({ headers, body }));
  try {
    return { ...(await startBareAnswer(file)), bytes: body.length };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** The service from memory and the bare route, in turns. */
async function takeTurns(service: Service, options: Options, context: Context) {
  const { seconds, connections, rounds } = options;
  const bare = context.own(await startSame(service));
  for (const { base } of [bare, service]) {
    await ask({ base, connections, seconds: WARM_SECONDS, pathsOf: one });
  }
  const shots: Record<'bare' | 'cached', Shot[]> = { bare: [], cached: [] };
  const timeline = context.watch('summary from memory', service.processes);
  const note = (ms: number) => timeline.note(ms, 1);
  for (let round = 0; round < rounds; round++) {
    shots.bare.push(await ask({ base: bare.base, connections, seconds, pathsOf: one }));
    shots.cached.push(await ask({ base: service.base, connections, seconds, pathsOf: one, note }));
  }
  timeline.stop();
  await bare.stop();
  return { ceiling: meanShot(shots.bare), cached: meanShot(shots.cached), bytes: bare.bytes };
}

/** A second process answers what the first has computed: each connection has questions of its own, none asked twice. */
async function askShared(service: Service, { connections }: Options, context: Context) {
  const ownPaths = (connection: number) =>
    Array.from({ length: SHARED_QUESTIONS }, (_, i) => {
      const at = Math.floor(Date.now() / 1_000) - (connection * SHARED_QUESTIONS + i) / 1_000;
      return `/api/v1/compliance/summary/${systemName(i)}?timestamp=${at.toFixed(3)}`;
    });
  const paths = Array.from({ length: connections }, (_, connection) => ownPaths(connection));
  const pathsOf = (connection: number) => paths[connection];
  await ask({ base: service.base, connections, seconds: WARM_SECONDS, pathsOf });
  const second = context.own(await startService({}, service.server));
  const shot = await ask({ base: second.base, connections, seconds: 1, pathsOf });
  const { answers, misses } = await second.counters();
  await second.stop();
  return { shot, answers, misses };
}

/** Every route from memory and computed. @returns rows of a table, and how many answers failed */
async function askEach(cached: Service, computing: Service, options: Options, context: Context) {
  const seconds = options['route-seconds'];
  const rows: string[][] = [];
  let failures = 0;
  const from = new Date(Date.now() - DAY_MS).toISOString();
  for (const [name, question] of Object.entries(questionsAbout(systemName(0), from))) {
    context.say(`each route: ${name}`);
    const shots: Shot[] = [];
    for (const { base } of [cached, computing]) {
      shots.push(await ask({ base, connections: options.connections, seconds, pathsOf: () => [question] }));
    }
    failures += sumOf(shots, (shot) => shot.failures);
    rows.push([name, ...shots.flatMap((shot) => [whole(shot.requests), formatRanks(shot)])]);
  }
  return { rows, failures };
}

const head = ['summary of a system', 'requests/s', 'p50 / p95 / p99 ms', 'failures', ''];
const lineOf = (name: string, shot: Shot, note = '') => [
  name,
  whole(shot.requests),
  formatRanks(shot),
  String(shot.failures),
  note,
];

export const queries = scenario({
  name: 'queries',
  about: 'How fast questions are answered: from memory, from Redis, computed; and each route.',
  short,
  full: { seconds: 5, rounds: 3, 'route-seconds': 5 },
  async run(options, context) {
    const { seconds, connections } = options;
    context.say('filling');
    const service = context.own(await startService());
    const bodies = makeBodies({ batch: 1_000, seed: 20_260_101, start: Date.now() - 60_000, stepMs: 0.5 });
    const filling = { base: service.base, path: '/api/v1/events/batch', bodies, connections: 10 };
    await fire({ ...filling, seconds: FILL_SECONDS });
    context.say('from memory, and the bare route');
    const { ceiling, cached, bytes } = await takeTurns(service, options, context);
    context.say('from Redis');
    const shared = await askShared(service, options, context);
    context.say('computed');
    const plain = context.own(await startService({ QUERY_CACHE: 'off' }, service.server));
    const computed = await ask({ base: plain.base, connections, seconds, pathsOf: one });
    const each = await askEach(service, plain, options, context);

    const missed = `${whole(shared.misses)} of ${whole(shared.answers)} computed all the same`;
    context.detail(
      formatTable(head, [
        lineOf(`bare route, the same ${whole(bytes)} bytes`, ceiling),
        lineOf('from memory', cached),
        lineOf('from Redis', shared.shot, missed),
        lineOf('computed', computed, 'QUERY_CACHE=off'),
      ]),
    );
    const columns = ['from memory, requests/s', 'ms', 'computed, requests/s', 'ms'];
    context.detail(formatTable(['route', ...columns], each.rows));
    const shots = [ceiling, cached, shared.shot, computed];
    return [
      atLeast('cached summary', cached.requests, 'requests/s', CACHED_MIN),
      atLeast(
        'cached summary, of the bare route',
        (100 * cached.requests) / ceiling.requests,
        '%',
        SHARE_MIN,
      ),
      atMost('p99 of it, against the bare route', cached.p99 / ceiling.p99, 'times', P99_TIMES_MAX),
      figureOf('summary from Redis', shared.shot.requests, 'requests/s'),
      figureOf('summary computed', computed.requests, 'requests/s'),
      atMost('questions that failed', sumOf(shots, (shot) => shot.failures) + each.failures, '', 0),
    ];
  },
});
