/**
 * As much as the service takes, for as long as asked: whether its rate holds and its memory stays flat and small. Events
 * happen when they are sent, so minutes and hours pass as they do in life.
 */
import { atMost, figureOf } from '../results/result.js';
import { growthPercentOf, largestOf, meanOf } from '../results/statistics.js';
import { scenario } from '../scenario.js';
import { fire } from '../senders/cannon.js';
import { makeBodies } from '../streams/bodies.js';
import { startService } from '../targets/service.js';

const RSS_MB_MAX = 256;
/** What a series that is flat may gain from its second third to its last. */
const GROWTH_PERCENT_MAX = 5;
/** Shorter runs have not warmed up. */
const JUDGED_SECONDS_MIN = 30;

export const sustained = scenario({
  name: 'sustained',
  about: 'Full load for as long as asked: whether memory stays flat and the rate holds.',
  short: { seconds: 45, connections: 50, batch: 1_000 },
  full: { seconds: 600 },
  async run({ seconds, connections, batch }, context) {
    const bodies = makeBodies({ batch, seed: 20_260_101, start: 0, stepMs: 0, isLive: true });
    const service = context.own(await startService());
    const timeline = context.watch('full load', service.processes);
    context.say(`${seconds} s of full load`);
    const target = { base: service.base, path: '/api/v1/events/batch', bodies, connections };
    const shot = await fire({ ...target, seconds, note: (ms) => timeline.note(ms, batch) });
    timeline.stop();
    const memory = timeline.samples.map(({ memoryMb }) => memoryMb.service ?? 0);
    const rates = timeline.samples.map(({ rate }) => rate);
    const growth = growthPercentOf(memory);
    const flat = 'service memory, last third against the middle one';
    return [
      figureOf('events/s', shot.requests * batch, 'events/s'),
      figureOf('events/s, last third against the middle one', growthPercentOf(rates), '%'),
      atMost('service memory (RSS) at its largest', largestOf(memory), 'MB', RSS_MB_MAX),
      figureOf(
        'service memory (RSS), mean',
        meanOf(memory, (mb) => mb),
        'MB',
      ),
      seconds < JUDGED_SECONDS_MIN
        ? figureOf(flat, growth, '%')
        : atMost(flat, growth, '%', GROWTH_PERCENT_MAX),
      atMost('requests that failed', shot.failures, '', 0),
    ];
  },
});
