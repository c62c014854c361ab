/**
 * How long a request of 100 events takes while the service has half of what it can do: the top rate is measured first,
 * then half of it comes at an even pace, timed from when each request was due.
 */
import { atMost, figureOf } from '../results/result.js';
import { scenario } from '../scenario.js';
import { fire } from '../senders/cannon.js';
import { firePaced } from '../senders/paced.js';
import { makeBodies } from '../streams/bodies.js';
import { startService } from '../targets/service.js';

const P50_MS_MAX = 2;
const P99_MS_MAX = 10;
const WARM_SECONDS = 2;

export const latency = scenario({
  name: 'latency',
  about: 'How long a request takes at half the top rate, at an even pace.',
  short: { seconds: 10, connections: 50, batch: 100, share: 0.5 },
  full: { seconds: 60 },
  async run({ seconds, connections, batch, share }, context) {
    const bodies = makeBodies({ batch, seed: 20_260_101, start: Date.now(), stepMs: 0.01 });
    const service = context.own(await startService());
    const target = { base: service.base, path: '/api/v1/events/batch', bodies, connections };
    context.say('the top rate');
    await fire({ ...target, seconds: WARM_SECONDS });
    const top = await fire({ ...target, seconds: Math.min(seconds, 10) });
    const rate = top.requests * share;
    context.say(`${Math.round(rate)} requests/s`);
    await firePaced({ ...target, rate, seconds: WARM_SECONDS });
    const timeline = context.watch('half the top rate', service.processes);
    const shot = await firePaced({ ...target, rate, seconds, note: (ms) => timeline.note(ms, batch) });
    timeline.stop();
    return [
      figureOf(`top rate, ${batch} a batch`, top.requests, 'requests/s'),
      figureOf('sent at an even pace', shot.requests, 'requests/s'),
      atMost('p50 of a request', shot.p50, 'ms', P50_MS_MAX),
      figureOf('p95', shot.p95, 'ms'),
      atMost('p99 of a request', shot.p99, 'ms', P99_MS_MAX),
      atMost('requests that failed', shot.failures + top.failures, '', 0),
    ];
  },
});
