/**
 * A wall of dashboards: 1,000 screens, each of which asks 6 questions about one of 20 systems every 5 seconds, of two
 * processes on one Redis, while 20,000 events a second come in.
 */
import { atLeast, atMost, figureOf, type Result } from '../results/result.js';
import { sumOf } from '../results/statistics.js';
import { scenario } from '../scenario.js';
import { fire, type Shot } from '../senders/cannon.js';
import { screenAbout } from '../senders/questions.js';
import { lookAtScreens } from '../senders/screens.js';
import { makeBodies } from '../streams/bodies.js';
import { systemName } from '../streams/events.js';
import { type Service, startService } from '../targets/service.js';

const EVERY_SECONDS = 5;
const BATCH = 1_000;
const WRITERS = 4;
const HITS_PERCENT_MIN = 90;
const P95_MS_MAX = 100;
/** The rate of a limited load is kept a little below what is asked for. */
const RATE_SHARE_MIN = 0.9;

/** What only questions ask; what their scripts ask counts, too. */
const QUESTION_COMMANDS = ['pfcount', 'zrange', 'zrevrange', 'zcount', 'hgetall', 'lrange'];

/** How often these were executed so far. */
async function commandsOf({ redis }: Service): Promise<number> {
  const stats = await redis.info('commandstats');
  return sumOf(QUESTION_COMMANDS, (name) =>
    Number(new RegExp(`cmdstat_${name}:calls=(\\d+)`).exec(stats)?.[1] ?? 0),
  );
}

async function figuresOf(services: readonly Service[]) {
  const counters = await Promise.all(services.map((service) => service.counters()));
  return {
    misses: sumOf(counters, ({ misses }) => misses),
    answers: sumOf(counters, ({ answers }) => answers),
    renewed: sumOf(counters, ({ renewed }) => renewed),
    commands: await commandsOf(services[0]),
  };
}

interface Seen {
  events: Shot[];
  answers: Shot;
  before: Awaited<ReturnType<typeof figuresOf>>;
  after: Awaited<ReturnType<typeof figuresOf>>;
}

function rowsOf({ events, answers, before, after }: Seen, asked: number, sent: number): Result[] {
  const missed = after.misses - before.misses;
  const hits = 100 * (1 - missed / (after.answers - before.answers));
  const computed = (missed + after.renewed - before.renewed) / answers.seconds;
  const stored = BATCH * sumOf(events, ({ requests }) => requests);
  const failures = answers.failures + sumOf(events, (shot) => shot.failures);
  return [
    atLeast('questions', answers.requests, 'requests/s', RATE_SHARE_MIN * asked),
    atLeast('events', stored, 'events/s', RATE_SHARE_MIN * sent),
    atLeast('answers not computed for their request', hits, '%', HITS_PERCENT_MIN),
    figureOf('p50 of a question', answers.p50, 'ms'),
    atMost('p95 of a question', answers.p95, 'ms', P95_MS_MAX),
    figureOf('p99 of a question', answers.p99, 'ms'),
    atMost('failures', failures, '', 0),
    figureOf('answers computed, almost all behind older ones', computed, 'a second'),
    figureOf(
      'Redis commands that only questions use',
      (after.commands - before.commands) / answers.seconds,
      'a second',
    ),
  ];
}

export const dashboards = scenario({
  name: 'dashboards',
  about: '1,000 screens ask two processes 6 questions each every 5 seconds while events come in.',
  short: { seconds: 15, screens: 1_000, 'events-per-second': 20_000 },
  full: { seconds: 60 },
  async run({ seconds, screens, 'events-per-second': eventsPerSecond }, context) {
    const start = Date.now() - 30_000;
    const bodies = makeBodies({ batch: BATCH, count: 200, seed: 20_260_101, start, stepMs: 0.15 });
    const first = context.own(await startService());
    const second = context.own(await startService({}, first.server));
    const services = [first, second];
    const processes = () => ({ ...first.processes(), 'second service': second.processes().service });
    const questionsOf = (screen: number) => {
      const { base } = services[screen % services.length];
      return screenAbout(systemName(screen)).map((question) => base + question);
    };
    /** Events and questions at once. */
    async function run(forSeconds: number, note: (ms: number) => void) {
      const rate = eventsPerSecond / BATCH / services.length;
      const target = { path: '/api/v1/events/batch', bodies, connections: WRITERS, rate };
      const writing = services.map(({ base }) => fire({ base, ...target, seconds: forSeconds }));
      const wall = { screens, everySeconds: EVERY_SECONDS, seconds: forSeconds, questionsOf, note };
      const [answers, ...events] = await Promise.all([lookAtScreens(wall), ...writing]);
      return { answers, events };
    }
    context.say('filling the caches');
    await run(EVERY_SECONDS + 1, () => undefined);
    const before = await figuresOf(services);
    context.say(`${screens} screens`);
    const timeline = context.watch('questions', processes);
    const seen = await run(seconds, (ms) => timeline.note(ms, 1));
    timeline.stop();
    const after = await figuresOf(services);
    const asked = (screens * screenAbout('').length) / EVERY_SECONDS;
    return rowsOf({ ...seen, before, after }, asked, eventsPerSecond);
  },
});
