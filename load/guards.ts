/**
 * What it costs to ask who sends and how much: ingest with API keys and all limits on (none of which is reached)
 * against ingest without, in turns.
 *
 *   npm run build && node build/load/guards.js [--seconds 5 --connections 50 --rounds 4 --batches 1,100,1000]
 *
 * Ends with 1 where a share is below the goal.
 */
import { parseArgs } from 'node:util';
import { createKey, keyBytes } from '../src/access/create-key.js';
import { fire, type Shot } from './cannon.js';
import { type Service, startService } from './processes.js';
import { makeBodies } from './stream.js';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '5' },
    connections: { type: 'string', default: '50' },
    rounds: { type: 'string', default: '4' },
    batches: { type: 'string', default: '1,100,1000' },
  },
});
const SHARE_MIN = 0.9;
const PLENTY = '1000000';
const connections = Number(values.connections);

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

async function rate(service: Service, batch: number, headers: Record<string, string>): Promise<Shot> {
  const count = batch === 1 ? 4_000 : Math.max(64, Math.min(400, Math.ceil(100_000 / batch)));
  const bodies = makeBodies(batch, count, { seed: 20_260_101, start: Date.now(), stepMs: 0.01 });
  const path = batch === 1 ? '/api/v1/events' : '/api/v1/events/batch';
  return fire({ base: service.base, path, bodies, headers, connections, seconds: Number(values.seconds) });
}
const sum = (shots: readonly Shot[]) => shots.reduce((all, { requests }) => all + requests, 0);
const whole = (value: number) => Math.round(value).toLocaleString('en');

let isGood = true;
console.log('| batch | events/s without | events/s with | share | failures | |\n|---|---|---|---|---|---|');
for (const batch of values.batches.split(',').map(Number)) {
  const open = await startService();
  const closed = await startService(guarded);
  const without: Shot[] = [];
  const withGuards: Shot[] = [];
  await rate(open, batch, {});
  await rate(closed, batch, bearer);
  for (let round = 0; round < Number(values.rounds); round++) {
    without.push(await rate(open, batch, {}));
    withGuards.push(await rate(closed, batch, bearer));
  }
  await open.stop();
  await closed.stop();
  const share = sum(withGuards) / sum(without);
  const failures = [...without, ...withGuards].reduce((all, shot) => all + shot.failures, 0);
  const passes = share >= SHARE_MIN && failures === 0;
  isGood &&= passes;
  const perSecond = (shots: readonly Shot[]) => whole((sum(shots) / shots.length) * batch);
  const cells = [batch, perSecond(without), perSecond(withGuards), `${(share * 100).toFixed(1)}% (goal 90%)`];
  console.log(`| ${cells.join(' | ')} | ${failures} | ${passes ? 'PASS' : 'FAIL'} |`);
}
process.exit(isGood ? 0 : 1);
