/** Events and questions at once, both as fast as they are answered: what each leaves to the other. */
import { DAY_MS } from '../../src/windows/civil.js';
import { atMost, figureOf } from '../results/result.js';
import { scenario } from '../scenario.js';
import { ask, fire } from '../senders/cannon.js';
import { questionsAbout } from '../senders/questions.js';
import { makeBodies } from '../streams/bodies.js';
import { streamSystems, systemName } from '../streams/events.js';
import { startService } from '../targets/service.js';

const WARM_SECONDS = 2;

export const mixed = scenario({
  name: 'mixed',
  about: 'Events and questions of every route at once.',
  short: { seconds: 10, batch: 100, senders: 25, askers: 25 },
  full: { seconds: 60 },
  async run({ seconds, batch, senders, askers }, context) {
    const bodies = makeBodies({ batch, seed: 20_260_101, start: Date.now() - 60_000, stepMs: 0.5 });
    const from = new Date(Date.now() - DAY_MS).toISOString();
    const service = context.own(await startService());
    const { base } = service;
    const sending = { base, path: '/api/v1/events/batch', bodies, connections: senders };
    const pathsOf = (asker: number) => Object.values(questionsAbout(systemName(asker % streamSystems), from));
    context.say('events alone');
    await fire({ ...sending, seconds: WARM_SECONDS });
    const alone = await fire({ ...sending, seconds: Math.min(seconds, 10) });
    context.say('events and questions');
    const events = context.watch('events, with questions beside', service.processes);
    const [stored, answered] = await Promise.all([
      fire({ ...sending, seconds, note: (ms) => events.note(ms, batch) }),
      ask({ base, connections: askers, seconds, pathsOf }),
    ]);
    events.stop();
    return [
      figureOf('events alone', alone.requests * batch, 'events/s'),
      figureOf('events, with questions beside', stored.requests * batch, 'events/s'),
      figureOf('p99 of events', stored.p99, 'ms'),
      figureOf('questions', answered.requests, 'requests/s'),
      figureOf('p50 of questions', answered.p50, 'ms'),
      figureOf('p99 of questions', answered.p99, 'ms'),
      atMost('events and questions that failed', stored.failures + answered.failures, '', 0),
    ];
  },
});
