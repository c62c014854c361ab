/** Pictures of runs: well-formed, on a scale, and with everything in them that was measured. */
import t from 'tap';
import { drawChart, ticksUpTo } from '../../../load/results/chart.js';
import { drawTimeline } from '../../../load/results/picture.js';

const picture = drawChart({
  title: 'a < b & "c"',
  xLabel: 'time, s',
  panels: [
    {
      label: 'events/s',
      lines: [
        { name: 'fast', points: [0, 5, 10].map((x) => [x, 100 * x] as const) },
        { name: 'slow', points: [[10, 5] as const, [20, Number.NaN] as const] },
      ],
    },
    { label: 'latency, ms', lines: [{ name: 'p50', points: [] }] },
  ],
});

/** Every element is closed, in the order in which they were opened. */
function unclosed(xml: string): string[] {
  const open: string[] = [];
  for (const [, isEnd, name, isWhole] of xml.matchAll(/<(\/?)(\w+)[^<>]*?(\/?)>/g)) {
    if (isEnd) {
      if (open.at(-1) === name) open.pop();
      else open.push(`/${name}`);
    } else if (!isWhole) open.push(name);
  }
  return open;
}

t.test('a chart is XML in which text cannot be taken for markup', async (t) => {
  t.strictSame(unclosed(picture), []);
  t.match(picture, '>a &lt; b &amp; &quot;c&quot;<');
  t.notMatch(picture, 'NaN');
});

t.test('axes, panels and lines are named', async (t) => {
  for (const name of ['time, s', 'events/s', 'latency, ms', 'fast', 'slow', 'p50']) {
    t.match(picture, `>${name}</text>`);
  }
});

t.test('the largest values stand at the ends of their axes, and 0 at the beginning', async (t) => {
  const [, way = ''] = /<path d="M([\d. L]+)" fill="none"/.exec(picture) ?? [];
  const points = way.split('L').map((pair) => pair.split(' ').map(Number));
  const [left, top] = [78, 44];
  t.strictSame(points[0], [left, top + 170]);
  t.strictSame(points.at(-1), [860 - 150, top]);
});

t.test('ticks are round, begin with 0 and reach the largest value', async (t) => {
  t.strictSame(ticksUpTo(10), [0, 2, 4, 6, 8, 10]);
  t.strictSame(ticksUpTo(0.3, 3), [0, 0.1, 0.2, 0.3]);
  t.strictSame(ticksUpTo(171_000), [0, 50_000, 100_000, 150_000, 200_000]);
  t.strictSame(
    [0, Number.NaN, Number.POSITIVE_INFINITY].map((most) => ticksUpTo(most)),
    [
      [0, 1],
      [0, 1],
      [0, 1],
    ],
  );
});

t.test('a timeline shows every process, also one that was away for a while', async (t) => {
  const sample = { rate: 5, p50: 1, p99: 2 };
  const svg = drawTimeline('run', [
    { ...sample, second: 1, cpu: { service: 50, redis: 20 }, memoryMb: { service: 90, redis: 9 } },
    { ...sample, second: 2, cpu: { service: 60 }, memoryMb: { service: 91 } },
  ]);
  t.equal(svg.split('>redis</text>').length - 1, 2, 'in the panels of CPU and memory');
  t.strictSame(unclosed(svg), []);
});

t.test('a timeline without a sample is still a picture', async (t) => {
  t.strictSame(unclosed(drawTimeline('run', [])), []);
});
