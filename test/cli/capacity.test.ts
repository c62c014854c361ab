/** `papertrail capacity`: the plan as text and as JSON, what it refuses, and the plans that its page shows. */
import { readFileSync } from 'node:fs';
import t, { type Test } from 'tap';
import { commandLine } from '../support/command-line.js';

/** No service is there: it is not needed. */
const capacity = (test: Test, ...values: string[]) =>
  commandLine(test, 'http://127.0.0.1:1').run(['capacity', ...values]);

const page = readFileSync(new URL('../../../docs/capacity.md', import.meta.url), 'utf8');

/** Commands of the page, each followed by what it prints. */
const shown = [...page.matchAll(/```sh\nnpx papertrail capacity ([^\n]*)\n```\n\n```\n(.*?)```/gs)].map(
  ([, command, output]) => ({ words: command.split(' '), output }),
);

t.test('docs/capacity.md shows plans for 500,000 and 5,000,000 events/s', async (t) => {
  const rates = shown.map(({ words }) => words[words.indexOf('--events-per-second') + 1]);
  for (const rate of ['500000', '5000000']) t.ok(rates.includes(rate), rate);
});

for (const { words, output } of shown) {
  t.test(`docs/capacity.md shows what is computed: ${words.join(' ')}`, async (t) => {
    const { status, stdout } = await capacity(t, ...words);
    t.equal(status, 0);
    t.equal(output, stdout);
  });
}

t.test('JSON holds the whole plan, and its memory is that of its items', async (t) => {
  const { status, stdout } = await capacity(t, '--events-per-second', '500000', '--systems', '200', '--json');
  t.equal(status, 0);
  const plan = JSON.parse(stdout);
  t.match(plan, {
    demand: { eventsPerSecond: 500_000, shape: { systems: 200, users: 10_000, ips: 10_000 } },
  });
  t.ok(plan.processes > 1 && plan.masters >= 1 && plan.shards === 1);
  const items = plan.memory_items as { sketch: string; keys: number; bytesEach: number }[];
  const sum = items.reduce((all, { keys, bytesEach }) => all + keys * bytesEach, 0);
  t.ok(Math.abs(sum / plan.memory_bytes - 1) < 1e-9);
  for (const sketch of ['hll', 'bloom', 'cm', 'top', 'digest', 'count', 'written']) {
    t.ok(
      items.some((item) => item.sketch === sketch && item.keys > 0 && item.bytesEach > 0),
      sketch,
    );
  }
});

t.test('a faster core needs fewer of them', async (t) => {
  const of = async (speed: string) => {
    const { stdout } = await capacity(t, '--events-per-second', '500000', '--speed', speed, '--json');
    return JSON.parse(stdout).processes as number;
  };
  t.ok((await of('2')) < (await of('1')));
});

const refused: [values: string[], reason: RegExp][] = [
  [[], /required option '--events-per-second/],
  [['--events-per-second', 'many'], /must be a number from 1 to/],
  [['--events-per-second', '0'], /must be a number from 1 to/],
  [['--events-per-second', '10', '--numeric-keys', '33'], /must be a number from 0 to 32/],
  [['--events-per-second', '10', '--speed', ''], /must be a number from 0.1/],
  [
    ['--events-per-second', '10', '--from-memory-percent', '90', '--from-redis-percent', '11'],
    /more than 100 together/,
  ],
  [
    ['--events-per-second', '1000000000', '--speed', '0.1', '--systems', '1', '--batch', '1'],
    /no cluster is large enough/,
  ],
];

for (const [values, reason] of refused) {
  t.test(`wrong use is said and ends with 2: ${values.join(' ') || 'nothing'}`, async (t) => {
    const { status, stdout, stderr } = await capacity(t, ...values);
    t.equal(status, 2);
    t.equal(stdout, '');
    t.match(stderr, reason);
  });
}
