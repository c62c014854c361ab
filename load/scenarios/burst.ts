/**
 * Nothing, then five times as much as can be served, then nothing: how long those wait who are taken in, how soon the
 * others are refused, whether health stays green, what memory does, and whether all is well afterwards. The
 * sustainable rate is measured first, then the latency without load, at a tenth of that rate. All but the first come at
 * an even pace, whatever becomes of them. A first short burst, before all that is compared, makes refusals warm.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { atMost, figureOf, type Result } from '../results/result.js';
import { ranksOf } from '../results/statistics.js';
import { scenario } from '../scenario.js';
import { type FiredShot, fire, type Shot } from '../senders/cannon.js';
import { firePaced, type PacedShot } from '../senders/paced.js';
import { makeBodies } from '../streams/bodies.js';
import { type Service, startService } from '../targets/service.js';

const SUSTAINED_CONNECTIONS = 50;
const WARM_SECONDS = 2;
const HEALTH_EVERY_MS = 200;
const LATENCY_TIMES_MAX = 3;
const REFUSED_MS_MAX = 50;
const RSS_MB_MAX = 1_024;

const short = { seconds: 6, 'quiet-seconds': 4, batch: 100, connections: 200, times: 5 };

/** Asks both health paths until told to stop. */
function watchHealth({ base }: Service) {
  const took: number[] = [];
  let bad = 0;
  let isOver = false;
  async function ask(path: string): Promise<void> {
    const began = performance.now();
    const answer = await fetch(base + path).catch(() => undefined);
    took.push(performance.now() - began);
    if (answer?.status !== 200) bad++;
    await answer?.arrayBuffer().catch(() => undefined);
  }
  const watching = (async () => {
    while (!isOver) {
      await Promise.all([ask('/livez'), ask('/readyz')]);
      await pause(HEALTH_EVERY_MS);
    }
  })();
  return async () => {
    isOver = true;
    await watching;
    return { bad, p99: ranksOf(took).p99 };
  };
}

interface Phases {
  sustained: FiredShot;
  unloaded: Shot;
  storm: PacedShot;
  after: Shot;
  health: { bad: number; p99: number };
  rssMb: number;
}

function rowsOf({ sustained, unloaded, storm, after, health, rssMb }: Phases): Result[] {
  const offered = storm.requests + storm.refused.count / storm.seconds;
  return [
    figureOf('sustainable', sustained.requests, 'requests/s'),
    figureOf('p99 at a tenth of it', unloaded.p99, 'ms'),
    atMost('refused until then', sustained.refused.count + unloaded.failures, '', 0),
    figureOf('offered, against the sustainable rate', offered / sustained.requests, 'times'),
    figureOf('accepted', storm.requests, 'requests/s'),
    figureOf('p50 of accepted', storm.p50, 'ms'),
    atMost(
      'p99 of accepted, against that without load',
      storm.p99 / unloaded.p99,
      'times',
      LATENCY_TIMES_MAX,
    ),
    figureOf('p50 of refused', storm.refused.p50, 'ms'),
    atMost('p99 of refused', storm.refused.p99, 'ms', REFUSED_MS_MAX),
    figureOf('slowest accepted of the first half second', storm.lead.accepted, 'ms'),
    figureOf('slowest refused of the first half second', storm.lead.refused, 'ms'),
    atMost('other failures', storm.failures - storm.refused.count, '', 0),
    atMost('health other than 200', health.bad, '', 0),
    figureOf('p99 of health', health.p99, 'ms'),
    atMost('service memory', rssMb, 'MB', RSS_MB_MAX),
    atMost('failures after it, at a tenth of the rate', after.failures, '', 0),
    atMost('p99 after it, against that before', after.p99 / unloaded.p99, 'times', LATENCY_TIMES_MAX),
  ];
}

export const burst = scenario({
  name: 'burst',
  about:
    'Nothing, five times the sustainable rate, nothing: who waits, who is refused, and whether all is well after it.',
  short,
  full: { seconds: 10, 'quiet-seconds': 10 },
  async run(options, context) {
    const { seconds, batch, connections, times } = options;
    const quiet = options['quiet-seconds'];
    const bodies = makeBodies({ batch, count: 400, seed: 20_260_101, start: Date.now(), stepMs: 0.01 });
    const service = context.own(await startService({ LOG_LEVEL: 'error' }));
    const target = { base: service.base, path: '/api/v1/events/batch', bodies };
    const closed = { ...target, connections: SUSTAINED_CONNECTIONS };
    context.say('the sustainable rate');
    await fire({ ...closed, seconds: WARM_SECONDS });
    await service.idle();
    const sustained = await fire({ ...closed, seconds });
    const stormy = { ...target, connections, rate: sustained.requests * times };
    await firePaced({ ...stormy, seconds: WARM_SECONDS });
    context.say('a tenth of it');
    const slowly = { ...closed, rate: sustained.requests / 10, seconds };
    await service.idle();
    const unloaded = await firePaced(slowly);

    const timeline = context.watch('nothing, burst, nothing', service.processes);
    const health = context.own({ stop: watchHealth(service) });
    context.say('nothing');
    await pause(quiet * 1_000);
    context.say(`${times} times the sustainable rate`);
    const note = (ms: number) => timeline.note(ms, batch);
    const storm = await firePaced({ ...stormy, seconds, note });
    context.say('nothing');
    await pause(quiet * 1_000);
    timeline.stop();
    const { rss } = await service.counters();
    const watched = await health.stop();
    context.say('a tenth of the rate again');
    const after = await firePaced(slowly);
    return rowsOf({ sustained, unloaded, storm, after, health: watched, rssMb: rss / 1e6 });
  },
});
