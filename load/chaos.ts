/**
 * Chaos, the long form: as many faults and events as asked (test/chaos/storm.ts says what happens).
 *
 *   npm run chaos [-- --faults 50 --events 10000000 --batch 1000 --senders 20 --seed 1]
 *
 * Ends with 1 where an event is lost or counted twice, a request hangs, or the service does not acknowledge again in
 * time.
 */
import { parseArgs } from 'node:util';
import { runStorm } from '../test/chaos/storm.js';

const { values } = parseArgs({
  options: {
    faults: { type: 'string', default: '50' },
    events: { type: 'string', default: '0' },
    batch: { type: 'string', default: '200' },
    senders: { type: 'string', default: '20' },
    seed: { type: 'string', default: '1' },
  },
});
const MEMORY_BYTES_MAX = 1024 ** 3;

let faultsDone = 0;
const { sent, faults, counted, samples, largestServiceBytes, seconds } = await runStorm({
  faults: Number(values.faults),
  events: Number(values.events),
  senders: Number(values.senders),
  eventsPerBatch: Number(values.batch),
  seed: Number(values.seed),
  onFault(name, recoveryMs, { acknowledged }) {
    process.stderr.write(
      `${++faultsDone} ${name}: acknowledging after ${recoveryMs.toFixed(0)} ms, ${acknowledged} acknowledged\n`,
    );
  },
});

console.log(`${faultsDone} faults in ${seconds.toFixed(0)} s\n`);
console.log('| fault | times | next acknowledgement after, ms at most |\n|---|---|---|');
for (const [name, { times, recoveryMs }] of faults)
  console.log(`| ${name} | ${times} | ${recoveryMs.toFixed(0)} |`);
const whole = (value: number) => value.toLocaleString('en');
const lost = sent.acknowledged - counted;
const rows: [string, string, boolean][] = [
  ['events acknowledged', whole(sent.acknowledged), sent.acknowledged > 0],
  ['events counted', whole(counted), lost === 0],
  ['lost (or, negative, counted twice)', whole(lost), lost === 0],
  ['samples in digests', whole(samples), samples === sent.acknowledged],
  ['requests that hung', whole(sent.hangs), sent.hangs === 0],
  ['slowest request, ms', sent.slowestMs.toFixed(0), true],
  ['largest service, MB', (largestServiceBytes / 1e6).toFixed(0), largestServiceBytes < MEMORY_BYTES_MAX],
];
console.log('\n| what | figure | |\n|---|---|---|');
for (const [what, figure, isGood] of rows)
  console.log(`| ${what} | ${figure} | ${isGood ? 'PASS' : 'FAIL'} |`);
console.log('\n| tries that ended with | times |\n|---|---|');
for (const [outcome, times] of sent.tries) console.log(`| ${outcome} | ${times} |`);
process.exit(rows.every(([, , isGood]) => isGood) ? 0 : 1);
