/**
 * What it costs to ask who sends and how much: ingest with API keys and all limits on (none of which is reached)
 * against ingest without, in turns.
 */
import { createKey, keyBytes } from '../../src/access/create-key.js';
import { atLeast, atMost, figureOf } from '../results/result.js';
import { meanOf, sumOf } from '../results/statistics.js';
import { type Context, numbersOf, scenario } from '../scenario.js';
import { fire, type Shot } from '../senders/cannon.js';
import { makeBodies } from '../streams/bodies.js';
import { type Service, startService } from '../targets/service.js';

const SHARE_PERCENT_MIN = 90;
const PLENTY = '1000000';

const { key, record } = createKey(
  { name: 'load', scopes: ['ingest'] },
  Buffer.alloc(keyBytes, 1),
  Date.UTC(2026, 0, 1),
);
const guarded = {
  API_KEYS: JSON.stringify([record]),
  LIMIT_INGEST_EVENTS_PER_SECOND: PLENTY,
  LIMIT_QUERIES_PER_SECOND: PLENTY,
  LIMIT_REQUESTS_PER_SECOND_PER_ADDRESS: PLENTY,
};
const bearer = { authorization: `Bearer ${key}` };

/** Turns are short and many: a machine that others use changes its speed within seconds, by more than guards cost. */
const short = { seconds: 1, connections: 50, rounds: 6, batches: '1,100,1000' };

async function compare(batch: number, { seconds, connections, rounds }: typeof short, context: Context) {
  const bodies = makeBodies({ batch, seed: 20_260_101, start: Date.now(), stepMs: 0.01 });
  const path = batch === 1 ? '/api/v1/events' : '/api/v1/events/batch';
  const open = context.own(await startService());
  const closed = context.own(await startService(guarded));
  const target = { path, bodies, connections, seconds };
  const fireAt = async ({ base, idle }: Service, headers = {}) => {
    await idle();
    return fire({ ...target, base, headers });
  };
  const fireOpen = () => fireAt(open);
  const fireClosed = () => fireAt(closed, bearer);
  const without: Shot[] = [];
  const withGuards: Shot[] = [];
  await fireOpen();
  await fireClosed();
  for (let round = 0; round < rounds; round++) {
    // Who comes first changes, so that a machine that gets slower or faster does so for both.
    if (round % 2 === 0) without.push(await fireOpen());
    withGuards.push(await fireClosed());
    if (round % 2 === 1) without.push(await fireOpen());
  }
  await open.stop();
  await closed.stop();
  const rate = (shots: readonly Shot[]) => batch * meanOf(shots, ({ requests }) => requests);
  return {
    without: rate(without),
    withGuards: rate(withGuards),
    failures: sumOf([...without, ...withGuards], ({ failures }) => failures),
  };
}

export const guards = scenario({
  name: 'guards',
  about: 'What API keys and limits cost, none of which is reached.',
  short,
  full: { rounds: 24 },
  async run(options, context) {
    const rows = [];
    let failed = 0;
    for (const batch of numbersOf(options.batches)) {
      context.say(`${batch} a batch`);
      const { without, withGuards, failures } = await compare(batch, options, context);
      failed += failures;
      rows.push(
        figureOf(`without, ${batch} a batch`, without, 'events/s'),
        figureOf(`with, ${batch} a batch`, withGuards, 'events/s'),
        atLeast(`share, ${batch} a batch`, (100 * withGuards) / without, '%', SHARE_PERCENT_MIN),
      );
    }
    return [...rows, atMost('requests that failed', failed, '', 0)];
  },
});
