/** Results: what is met, how figures are written, and what statistics say. */
import t from 'tap';
import { formatFigure, formatTable } from '../../../load/results/format.js';
import { formatResults, isPassed, type Outcome } from '../../../load/results/report.js';
import { atLeast, atMost, figureOf } from '../../../load/results/result.js';
import { growthPercentOf, largestOf, meanOf, ranksOf } from '../../../load/results/statistics.js';
import { createTimeline } from '../../../load/results/timeline.js';

const outcomeOf = (...results: Outcome['results']): Outcome => ({
  scenario: 'ingest',
  about: '',
  options: {},
  seconds: 1,
  results,
  details: [],
  timelines: [],
});

t.test('a target is met at its very value, and missed by what is not a number', async (t) => {
  t.equal(atLeast('rate', 10, '', 10).isMet, true);
  t.equal(atLeast('rate', 9.99, '', 10).isMet, false);
  t.equal(atMost('time', 10, 'ms', 10).isMet, true);
  t.equal(atMost('time', 10.01, 'ms', 10).isMet, false);
  t.equal(atLeast('rate', Number.NaN, '', 0).isMet, false);
  t.equal(atMost('rate', Number.NaN, '', 10).isMet, false);
  t.equal(figureOf('rate', 3, '').isMet, undefined);
});

t.test('a run passes where no target is missed; figures without one do not count', async (t) => {
  const fine = outcomeOf(figureOf('a', 1, ''), atMost('b', 0, '', 0));
  t.equal(isPassed([fine]), true);
  t.equal(isPassed([fine, outcomeOf(atMost('b', 1, '', 0))]), false);
});

t.test('the table has a row for each result, with target, figure and verdict', async (t) => {
  const missed = atLeast('events/s', 171_234.5, 'events/s', 200_000);
  const lines = formatResults([outcomeOf(missed, figureOf('share', 41.26, '%'), atMost('lost', 0, '', 0))])
    .split('\n')
    .map((line) => line.split('|').map((cell) => cell.trim()));
  t.strictSame(lines[2].slice(1, 6), [
    'ingest',
    'events/s',
    'at least 200,000 events/s',
    '171,235 events/s',
    'FAIL',
  ]);
  t.strictSame(lines[3].slice(1, 6), ['', 'share', '', '41.3%', '']);
  t.strictSame(lines[4].slice(1, 6), ['', 'lost', 'none', '0', 'PASS']);
  t.equal(lines.length, 5);
});

t.test('figures have the digits that are needed to compare them', async (t) => {
  const written = [0.000123, 0.5, 1.234, 56.78, 999.4, 12_345.6, 7, Number.NaN, Number.POSITIVE_INFINITY];
  t.strictSame(
    written.map((value) => formatFigure(value, 'ms')),
    ['0.00012 ms', '0.5 ms', '1.23 ms', '56.8 ms', '999 ms', '12,346 ms', '7 ms', 'unknown ms', '∞ ms'],
  );
});

t.test('no cell can end its column or its row', async (t) => {
  t.equal(formatTable(['a'], [['x|y\nz']]), '| a      |\n|--------|\n| x\\|y z |');
});

t.test('ranks are of values that were measured', async (t) => {
  const values = Array.from({ length: 200 }, (_, i) => 200 - i);
  t.strictSame(ranksOf(values), { p50: 100, p95: 190, p99: 198 });
  t.strictSame(ranksOf([7]), { p50: 7, p95: 7, p99: 7 });
  t.strictSame(ranksOf([]), { p50: 0, p95: 0, p99: 0 });
});

t.test('growth compares the last third with the middle one, whatever was before', async (t) => {
  t.equal(growthPercentOf([1, 1, 100, 100, 110, 110]).toFixed(6), '10.000000');
  t.equal(growthPercentOf([500, 90, 80, 80, 80, 80, 80]).toFixed(6) < '5', true);
  t.ok(Number.isNaN(growthPercentOf([1, 2])));
  t.equal(largestOf([3, 9, 4]), 9);
  t.equal(
    meanOf([2, 4], (value) => value),
    3,
  );
});

t.test('a timeline cuts what is noted into samples, and forgets it then', async (t) => {
  let now = 0;
  let cpuSeconds = 10;
  const timeline = createTimeline({
    now: () => now,
    readUsage: () => ({ service: { cpuSeconds, memoryBytes: 5e6 } }),
  });
  timeline.note(3, 100);
  timeline.note(5, 100);
  now = 2_000;
  cpuSeconds = 11;
  timeline.sample();
  now = 3_000;
  cpuSeconds = 0.25; // started again
  timeline.sample();
  t.strictSame(timeline.samples, [
    { second: 2, rate: 100, p50: 3, p99: 5, cpu: { service: 50 }, memoryMb: { service: 5 } },
    { second: 3, rate: 0, p50: 0, p99: 0, cpu: { service: 25 }, memoryMb: { service: 5 } },
  ]);
});
