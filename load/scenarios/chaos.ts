/**
 * A storm (test/chaos/storm.ts): senders with idempotency keys go on while everything between the service and its data
 * fails, one fault after the other, and at the end every event that was acknowledged is counted, once.
 */
import { runStorm } from '../../test/chaos/storm.js';
import { formatTable, whole } from '../results/format.js';
import { atLeast, atMost, figureOf } from '../results/result.js';
import { largestOf, sumOf } from '../results/statistics.js';
import { scenario } from '../scenario.js';

/** Those of a storm wait no longer for an acknowledgement: then it is broken off. */
const READY_MS_MAX = 20_000;
const MEMORY_MB_MAX = 1_024;

export const chaos = scenario({
  name: 'chaos',
  about:
    'Everything between the service and its data fails in turn: nothing acknowledged is lost or counted twice.',
  short: { faults: 14, events: 0, senders: 20, batch: 200, seed: 1 },
  full: { faults: 50 },
  async run({ faults, events, senders, batch, seed }, context) {
    let note = (_ms: number): void => undefined;
    const storm = await runStorm({
      faults,
      events,
      senders,
      eventsPerBatch: batch,
      seed,
      onStart(processes) {
        const timeline = context.watch('faults', () => ({ ...processes(), sender: process.pid }));
        note = (ms) => timeline.note(ms, batch);
      },
      note: (ms) => note(ms),
      onFault(name, recoveryMs, { acknowledged }) {
        const after = `acknowledging ${whole(recoveryMs)} ms after it`;
        context.say(`${name}: ${after}, ${whole(acknowledged)} events acknowledged`);
      },
    });
    const { sent, counted, samples } = storm;
    const ways = [...storm.faults].map(([name, { times, recoveryMs }]) => [
      name,
      whole(times),
      `${whole(recoveryMs)} ms`,
    ]);
    context.detail(formatTable(['fault', 'times', 'next acknowledgement at most after'], ways));
    const tries = [...sent.tries].map(([outcome, times]) => [outcome, whole(times)]);
    context.detail(formatTable(['tries that ended with', 'times'], tries));
    const recoveries = [...storm.faults.values()];
    return [
      figureOf(
        'faults',
        sumOf(recoveries, ({ times }) => times),
        '',
      ),
      atLeast('events acknowledged', sent.acknowledged, '', 1),
      atMost('acknowledged and not counted', Math.max(0, sent.acknowledged - counted), '', 0),
      atMost('counted twice', Math.max(0, counted - sent.acknowledged), '', 0),
      atMost('samples lost or counted twice', Math.abs(samples - sent.acknowledged), '', 0),
      atMost('requests that hung', sent.hangs, '', 0),
      figureOf('slowest request', sent.slowestMs, 'ms'),
      atMost(
        'slowest to acknowledge again',
        largestOf(recoveries.map(({ recoveryMs }) => recoveryMs)),
        'ms',
        READY_MS_MAX,
      ),
      atMost('service memory', storm.largestServiceBytes / 1e6, 'MB', MEMORY_MB_MAX),
    ];
  },
});
