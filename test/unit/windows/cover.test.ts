/** The aligned span of every window, and the buckets that make it up. */
import fc from 'fast-check';
import t from 'tap';
import { readGrains } from '../../../src/sketches/registry.js';
import { type Bucket, bucketAt, type Grain } from '../../../src/windows/bucket.js';
import { cover, spanOf, type Window, windows } from '../../../src/windows/cover.js';

const at = Date.parse('2024-02-29T13:37:42.500Z');

t.test('every window as the aligned span that holds the instant', async (t) => {
  const spans: Record<Window, [from: string, to: string]> = {
    '1m': ['2024-02-29T13:37:00.000Z', '2024-02-29T13:38:00.000Z'],
    '5m': ['2024-02-29T13:35:00.000Z', '2024-02-29T13:40:00.000Z'],
    '15m': ['2024-02-29T13:30:00.000Z', '2024-02-29T13:45:00.000Z'],
    '1h': ['2024-02-29T13:00:00.000Z', '2024-02-29T14:00:00.000Z'],
    '1d': ['2024-02-29T00:00:00.000Z', '2024-03-01T00:00:00.000Z'],
    '1w': ['2024-02-26T00:00:00.000Z', '2024-03-04T00:00:00.000Z'],
    '1M': ['2024-02-01T00:00:00.000Z', '2024-03-01T00:00:00.000Z'],
  };
  t.strictSame(Object.keys(spans), [...windows]);
  for (const window of windows) {
    const { from, to } = spanOf(window, at);
    t.strictSame([new Date(from).toISOString(), new Date(to).toISOString()], spans[window], window);
  }
});

t.test('every window in the buckets that a metric keeps for it', async (t) => {
  const expected: [window: Window, grain: Grain, count: number, first: string, last: string][] = [
    ['1m', 'minute', 1, '2024-02-29T1337', '2024-02-29T1337'],
    ['5m', 'minute', 5, '2024-02-29T1335', '2024-02-29T1339'],
    ['15m', 'minute', 15, '2024-02-29T1330', '2024-02-29T1344'],
    ['1h', 'hour', 1, '2024-02-29T13', '2024-02-29T13'],
    ['1d', 'day', 1, '2024-02-29', '2024-02-29'],
    ['1w', 'week', 1, '2024-W09', '2024-W09'],
    ['1M', 'month', 1, '2024-02', '2024-02'],
    ['1d', 'hour', 24, '2024-02-29T00', '2024-02-29T23'],
    ['1w', 'day', 7, '2024-02-26', '2024-03-03'],
    ['1M', 'day', 29, '2024-02-01', '2024-02-29'],
  ];
  for (const [window, grain, count, first, last] of expected) {
    const buckets = cover(window, at, grain);
    t.strictSame(
      [buckets.length, buckets[0].name, buckets.at(-1)?.name],
      [count, first, last],
      `${window} in ${grain}s`,
    );
  }
});

t.test('before 1970 spans are aligned too', async (t) => {
  const before = Date.parse('1969-12-31T23:59:59.999Z');
  t.strictSame(spanOf('15m', before), { from: -900_000, to: 0 });
  t.equal(spanOf('1w', before).to, Date.parse('1970-01-05T00:00:00Z'));
});

t.test('what a metric keeps for a window makes up the whole of it and nothing more', async () => {
  const kept = Object.values(readGrains).flatMap((grains) => Object.entries(grains) as [Window, Grain][]);
  fc.assert(
    fc.property(
      fc.constantFrom(...kept),
      fc.integer({ min: Date.parse('0001-01-01T00:00:00Z'), max: Date.parse('9999-01-01T00:00:00Z') }),
      ([window, grain], instant) => {
        const { from, to } = spanOf(window, instant);
        const buckets = cover(window, instant, grain);
        return (
          from <= instant &&
          instant < to &&
          buckets[0].start === from &&
          (buckets.at(-1) as Bucket).end === to &&
          buckets.every((bucket) => bucketAt(grain, bucket.start).name === bucket.name)
        );
      },
    ),
    { seed: 1, numRuns: 500 },
  );
});
