/**
 * A wall of dashboards: 1,000 screens, each of which asks 6 questions about one of 20 systems every 5 seconds, of two
 * processes on one Redis, while 20,000 events a second come in.
 *
 *   npm run build && node build/load/dashboards.js [--seconds 30 --screens 1000 --events 20000]
 *
 * Ends with 1 where a goal is missed.
 */
import { parseArgs } from 'node:util';
import { fire, type Shot } from './cannon.js';
import { type Service, startService } from './processes.js';
import { lookAtScreens } from './screens.js';
import { makeBodies, streamSystems } from './stream.js';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '30' },
    screens: { type: 'string', default: '1000' },
    events: { type: 'string', default: '20000' },
  },
});
const seconds = Number(values.seconds);
const screens = Number(values.screens);
const eventsPerSecond = Number(values.events);
const QUESTIONS = 6;
const EVERY_SECONDS = 5;
const BATCH = 1_000;
const PROCESSES = 2;
const HIT_RATIO_MIN = 0.9;
const P95_MS_MAX = 100;
/** The rate of a limited load is kept a little below what is asked for. */
const RATE_SHARE_MIN = 0.9;

/** What one screen shows. */
function questionsOf(screen: number): string[] {
  const { base } = services[screen % PROCESSES];
  const system = `system-${String(screen % streamSystems).padStart(2, '0')}`;
  return [
    `summary/${system}`,
    `distinct/users?system=${system}&window=1w`,
    `top/endpoints?system=${system}&window=1h`,
    `top/failed_logins?system=${system}&window=1d`,
    `latency/summary/${system}`,
    `sla/check?system=${system}&metric=api_latency&threshold=500`,
  ].map((question) => `${base}/api/v1/compliance/${question}`);
}

const bodies = makeBodies(BATCH, 200, { seed: 20_260_101, start: Date.now() - 30_000, stepMs: 0.15 });
const first = await startService();
const second = await startService({}, first.server);
const services = [first, second];

/** Events and questions at once; questions only where `isAsked`. */
async function run(
  forSeconds: number,
  isAsked: boolean,
): Promise<{ events: Shot[]; answers: Shot | undefined }> {
  const writing = services.map(({ base }) => {
    const rate = eventsPerSecond / BATCH / PROCESSES;
    const path = '/api/v1/events/batch';
    return fire({ base, path, bodies, connections: 4, seconds: forSeconds, rate });
  });
  const asking = isAsked
    ? lookAtScreens({ screens, everySeconds: EVERY_SECONDS, seconds: forSeconds, questionsOf })
    : undefined;
  return { events: await Promise.all(writing), answers: await asking };
}

const sum = (shots: readonly Shot[], of: (shot: Shot) => number) =>
  shots.reduce((all, shot) => all + of(shot), 0);

/** What only questions ask; what their scripts ask counts, too. */
const QUESTION_COMMANDS = ['pfcount', 'zrange', 'zrevrange', 'zcount', 'hgetall', 'lrange'];

/** How often these were executed so far. */
async function commandsOf({ redis }: Service): Promise<number> {
  const stats = await redis.info('commandstats');
  return QUESTION_COMMANDS.reduce(
    (all, name) => all + Number(new RegExp(`cmdstat_${name}:calls=(\\d+)`).exec(stats)?.[1] ?? 0),
    0,
  );
}

await run(EVERY_SECONDS + 1, true);
const cacheOf = async () => {
  const counters = await Promise.all(services.map((service) => service.counters()));
  return {
    misses: counters.reduce((all, { misses }) => all + misses, 0),
    answers: counters.reduce((all, { answers }) => all + answers, 0),
    renewed: counters.reduce((all, { renewed }) => all + renewed, 0),
  };
};
const before = { ...(await cacheOf()), commands: await commandsOf(first) };
const { answers, events } = await run(seconds, true);
const after = { ...(await cacheOf()), commands: await commandsOf(first) };
for (const service of [second, first]) await service.stop();

if (!answers) throw new Error('nothing was asked');
const stored = sum(events, (shot) => shot.requests) * BATCH;
const ratio = 1 - (after.misses - before.misses) / (after.answers - before.answers);
const computed = (after.misses - before.misses + after.renewed - before.renewed) / answers.seconds;
const commands = (after.commands - before.commands) / answers.seconds;
const failures = answers.failures + sum(events, (shot) => shot.failures);
const asked = (screens * QUESTIONS) / EVERY_SECONDS;
const rows: [what: string, goal: string, figure: string, isMet: boolean][] = [
  ['questions/s', String(asked), answers.requests.toFixed(0), answers.requests >= RATE_SHARE_MIN * asked],
  ['events/s', String(eventsPerSecond), stored.toFixed(0), stored >= RATE_SHARE_MIN * eventsPerSecond],
  ['hit ratio', `at least ${HIT_RATIO_MIN * 100}%`, `${(ratio * 100).toFixed(2)}%`, ratio >= HIT_RATIO_MIN],
  ['failures', '0', String(failures), failures === 0],
  [
    'p50 / p95 / p99 of a question, ms',
    `p95 under ${P95_MS_MAX}`,
    [answers.p50, answers.p95, answers.p99].map((ms) => ms.toFixed(1)).join(' / '),
    answers.p95 < P95_MS_MAX,
  ],
  ['answers computed/s, almost all behind older ones', '', computed.toFixed(1), true],
  ['Redis commands/s that only questions use', '', commands.toFixed(0), true],
];
console.log(
  `${screens} screens, ${PROCESSES} processes, ${seconds} s\n\n| what | goal | figure | |\n|---|---|---|---|`,
);
for (const [what, goal, figure, isMet] of rows) {
  console.log(`| ${what} | ${goal} | ${figure} | ${goal === '' ? '' : isMet ? 'PASS' : 'FAIL'} |`);
}
process.exit(rows.every(([, , , isMet]) => isMet) ? 0 : 1);
