/**
 * Hostile requests to the service, as many as asked: every operation and format, with the caches on.
 *
 *   npm run build && node build/load/fuzz.js [--cases 100000 --seed 1]
 *
 * Ends with 1 where an answer is a 5xx, none comes, or a key is in Redis that is not its own; the seed repeats a run.
 */
import { parseArgs } from 'node:util';
import { fuzz, strayKeys } from '../test/support/fuzz.js';
import { startService } from './targets/service.js';

const { values } = parseArgs({
  options: { cases: { type: 'string', default: '100000' }, seed: { type: 'string', default: '1' } },
});
const cases = Number(values.cases);
const TELL_EVERY = 10_000;

const service = await startService();
const began = performance.now();
const statuses = await fuzz({
  base: service.base,
  cases,
  seed: Number(values.seed),
  progress(done) {
    if (done % TELL_EVERY === 0) process.stderr.write(`${done} of ${cases}\n`);
  },
});
const stray = await strayKeys(service.server);
const keys = await service.redis.dbsize();
await service.stop();

const seconds = (performance.now() - began) / 1_000;
console.log(
  `${cases} cases in ${seconds.toFixed(0)} s, ${keys} keys, of them ${stray.length} that are not their own`,
);
console.log('\n| status | answers |\n|---|---|');
for (const [status, count] of [...statuses].sort(([a], [b]) => a - b))
  console.log(`| ${status} | ${count} |`);
for (const key of stray.slice(0, 10)) console.log(JSON.stringify(key));
process.exit(stray.length === 0 ? 0 : 1);
