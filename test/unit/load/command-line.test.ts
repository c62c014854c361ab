/** What is typed after `npm run bench --`. */
import t from 'tap';
import { describe, readCommand } from '../../../load/command-line.js';
import { scenario } from '../../../load/scenario.js';
import { scenarios } from '../../../load/scenarios/all.js';

const run = async () => [];
const some = [
  scenario({ name: 'in', about: 'In.', short: { seconds: 3, batches: '1,100' }, full: { seconds: 10 }, run }),
  scenario({ name: 'out', about: 'Out.', short: { seconds: 5 }, run }),
];
const chosenBy = (...words: string[]) =>
  readCommand(words, some).chosen.map(({ scenario: { name }, options }) => [name, options]);

t.test('without a word, the short form of all', async (t) => {
  t.strictSame(chosenBy(), [
    ['in', { seconds: 3, batches: '1,100' }],
    ['out', { seconds: 5 }],
  ]);
  t.match(readCommand([], some), { isList: false, isFull: false, out: 'bench-results' });
});

t.test('names choose, options go to those that have them, and win over --full', async (t) => {
  t.strictSame(chosenBy('out'), [['out', { seconds: 5 }]]);
  t.strictSame(chosenBy('--full'), [
    ['in', { seconds: 10, batches: '1,100' }],
    ['out', { seconds: 5 }],
  ]);
  t.strictSame(chosenBy('--full', '--seconds', '20', 'in', '--batches=10'), [
    ['in', { seconds: 20, batches: '10' }],
  ]);
  t.strictSame(chosenBy('--batches', '10'), [
    ['in', { seconds: 3, batches: '10' }],
    ['out', { seconds: 5 }],
  ]);
  t.equal(readCommand(['--out', 'there'], some).out, 'there');
  for (const word of ['--list', '--help']) t.equal(readCommand([word], some).isList, true, word);
});

t.test('what nobody has is refused, with what there is', async (t) => {
  const refused: [words: string[], why: RegExp][] = [
    [['up'], /no scenario "up"; there are in, out/],
    [['--speed', '3'], /none of these scenarios has --speed/],
    [['out', '--batches', '1'], /none of these scenarios has --batches/],
    [['--seconds'], /--seconds wants a value/],
    [['--seconds', 'two'], /--seconds wants a number, not "two"/],
  ];
  for (const [words, why] of refused) {
    t.throws(() => readCommand(words, some), { message: why }, words.join(' '));
  }
});

t.test('--list names every scenario, option and what is other with --full', async (t) => {
  const text = describe(some);
  t.match(text, 'in\n  In.\n  --seconds 3 (full 10)  --batches 1,100');
  t.match(text, 'out\n  Out.\n  --seconds 5');
});

t.test('no two scenarios have one name', async (t) => {
  const names = scenarios.map(({ name }) => name);
  t.strictSame([...new Set(names)], names);
  t.ok(names.length > 10);
});
