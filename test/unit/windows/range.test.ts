/** The buckets that cover any range: known examples, and the rules against a search through every tiling. */
import fc from 'fast-check';
import t from 'tap';
import { type Bucket, bucketAt, edgesAt, type Grain, grains } from '../../../src/windows/bucket.js';
import { DAY_MS, HOUR_MS, MINUTE_MS } from '../../../src/windows/civil.js';
import type { Span } from '../../../src/windows/cover.js';
import { coverRange, type KeptGrain, rangeDaysMax } from '../../../src/windows/range.js';

const always = (...kept: Grain[]): KeptGrain[] => kept.map((grain) => ({ grain, from: -Infinity }));
const span = (from: string, to: string): Span => ({ from: Date.parse(from), to: Date.parse(to) });
const names = (from: string, to: string, kept: KeptGrain[]) =>
  coverRange(span(from, to), kept).buckets.map(({ name }) => name);

t.test('whole buckets are one bucket', async (t) => {
  const all = always(...grains);
  t.strictSame(names('2024-02-01T00:00:00Z', '2024-03-01T00:00:00Z', all), ['2024-02']);
  t.strictSame(names('2020-12-28T00:00:00Z', '2021-01-04T00:00:00Z', all), ['2020-W53']);
  t.strictSame(names('2018-12-31T00:00:00Z', '2019-01-07T00:00:00Z', all), ['2019-W01']);
  t.strictSame(names('2024-02-29T00:00:00Z', '2024-03-01T00:00:00Z', all), ['2024-02-29']);
  t.strictSame(names('2024-02-29T23:00:00Z', '2024-03-01T00:00:00Z', all), ['2024-02-29T23']);
  t.strictSame(names('2024-02-29T23:59:00Z', '2024-03-01T00:00:00Z', all), ['2024-02-29T2359']);
});

t.test('a range over the ends of days, weeks, months and years takes the fewest buckets', async (t) => {
  const all = always(...grains);
  t.strictSame(names('2024-01-31T22:00:00Z', '2024-03-02T00:00:00Z', all), [
    '2024-01-31T22',
    '2024-01-31T23',
    '2024-02',
    '2024-03-01',
  ]);
  t.strictSame(names('2020-12-20T00:00:00Z', '2021-01-05T00:00:00Z', all), [
    '2020-12-20',
    '2020-W52',
    '2020-W53',
    '2021-01-04',
  ]);
  t.strictSame(names('2019-12-31T23:58:00Z', '2020-01-01T01:01:00Z', all), [
    '2019-12-31T2358',
    '2019-12-31T2359',
    '2020-01-01T00',
    '2020-01-01T0100',
  ]);
});

t.test('a month that fits is left out where weeks reach further', async (t) => {
  // August 2022 begins and ends amid weeks: with it, the six days before it stand alone.
  const found = names('2022-07-25T00:00:00Z', '2022-09-05T00:00:00Z', always('day', 'week', 'month'));
  t.strictSame(found, ['2022-W30', '2022-W31', '2022-W32', '2022-W33', '2022-W34', '2022-W35']);
});

t.test('ends inside the finest bucket widen to its edges', async (t) => {
  const asked = span('2024-02-29T13:37:42.500Z', '2024-02-29T15:00:00.001Z');
  const ends = (kept: KeptGrain[]) => {
    const { from, to } = coverRange(asked, kept);
    return [new Date(from).toISOString(), new Date(to).toISOString()];
  };
  t.strictSame(ends(always(...grains)), ['2024-02-29T13:37:00.000Z', '2024-02-29T15:01:00.000Z']);
  t.strictSame(ends(always('hour', 'day')), ['2024-02-29T13:00:00.000Z', '2024-02-29T16:00:00.000Z']);
  t.strictSame(ends(always('day')), ['2024-02-29T00:00:00.000Z', '2024-03-01T00:00:00.000Z']);
  t.strictSame(ends(always('week')), ['2024-02-26T00:00:00.000Z', '2024-03-04T00:00:00.000Z']);
  t.strictSame(ends(always('month')), ['2024-02-01T00:00:00.000Z', '2024-03-01T00:00:00.000Z']);
});

t.test('each end widens as far as what is kept at its time demands', async (t) => {
  const now = Date.parse('2026-07-15T13:37:20Z');
  const kept: KeptGrain[] = [
    { grain: 'minute', from: now - 2 * HOUR_MS },
    { grain: 'hour', from: now - 7 * DAY_MS },
    { grain: 'day', from: now - 90 * DAY_MS },
    { grain: 'week', from: now - 364 * DAY_MS },
    { grain: 'month', from: now - 730 * DAY_MS },
  ];
  const from = (days: number) => new Date(coverRange({ from: now - days * DAY_MS, to: now }, kept).from);
  t.equal(
    new Date(coverRange({ from: now - 1, to: now }, kept).to).toISOString(),
    '2026-07-15T13:38:00.000Z',
  );
  t.equal(from(1).toISOString(), '2026-07-14T13:00:00.000Z', 'an hour');
  t.equal(from(30).toISOString(), '2026-06-15T00:00:00.000Z', 'a day');
  t.equal(from(700).toISOString(), '2024-08-01T00:00:00.000Z', 'a month');
  t.equal(from(1_000).toISOString(), '2023-10-01T00:00:00.000Z', 'older than everything: the coarsest');
});

t.test(
  'where neither weeks nor months alone fit at both ends, it widens by as little as can be',
  async (t) => {
    const kept: KeptGrain[] = [
      { grain: 'week', from: Date.parse('2026-01-01T00:00:00Z') },
      { grain: 'month', from: -Infinity },
    ];
    // June 2026 begins on a Monday: months until then, weeks from there.
    t.strictSame(names('2025-12-10T00:00:00Z', '2026-06-10T00:00:00Z', kept), [
      '2025-12',
      '2026-01',
      '2026-02',
      '2026-03',
      '2026-04',
      '2026-05',
      '2026-W23',
      '2026-W24',
    ]);
  },
);

t.test('an empty range has no buckets', async (t) => {
  t.strictSame(coverRange({ from: 5, to: 5 }, always('day')), { from: 5, to: 5, buckets: [] });
  t.strictSame(coverRange({ from: 6, to: 5 }, always('day')).buckets, []);
});

t.test('the first and the last instants there are', async (t) => {
  const first = names('0000-01-01T00:00:00Z', '0000-01-03T00:00:00Z', always(...grains));
  t.strictSame(first, ['0000-01-01', '0000-01-02']);
  t.strictSame(names('0000-01-01T00:00:00Z', '0000-01-01T00:00:00.001Z', always('week')), ['0000-W00']);
  const last = names('9999-12-31T22:59:00Z', '9999-12-31T23:59:59.999Z', always(...grains));
  t.strictSame(last, ['9999-12-31T2259', '9999-12-31T23']);
});

/** Expired time, widened time, number of buckets: less is better, the first first. */
type Cost = readonly [expired: number, widened: number, count: number];
const less = (a: Cost, b: Cost) => {
  const place = a.findIndex((part, i) => part !== b[i]);
  return place >= 0 && a[place] < b[place];
};

/** The best cost of any tiling, from every edge of every grain, last edge first. */
function cheapest({ from, to }: Span, kept: KeptGrain[], step: number): Cost {
  const coarsest = kept.reduce((a, b) => (grains.indexOf(a.grain) > grains.indexOf(b.grain) ? a : b));
  const costs = new Map<number, Cost>();
  let best: Cost = [Infinity, Infinity, Infinity];
  const first = Math.floor((from - 32 * DAY_MS) / step) * step;
  const last = Math.ceil((to + 32 * DAY_MS) / step) * step;
  for (let at = last; at >= first; at -= step) {
    let cost: Cost | undefined = at >= to ? [0, at - to, 0] : undefined;
    for (const { grain, from: keptFrom } of at < to ? kept : []) {
      const { start, end } = edgesAt(grain, at);
      const rest = costs.get(end);
      const readable = end > keptFrom;
      if (start !== at || !rest || (!readable && grain !== coarsest.grain)) continue;
      const whole: Cost = [rest[0] + (readable ? 0 : end - at), rest[1], rest[2] + 1];
      if (!cost || less(whole, cost)) cost = whole;
    }
    if (cost) costs.set(at, cost);
    if (cost && at <= from && less([cost[0], cost[1] + from - at, cost[2]], best)) {
      best = [cost[0], cost[1] + from - at, cost[2]];
    }
  }
  return best;
}

const origin = Date.parse('2020-11-20T00:00:00Z');
const isTiled = (buckets: Bucket[], { from, to }: Span) =>
  buckets.every((bucket, i) => bucket.start === (i === 0 ? from : buckets[i - 1].end)) &&
  buckets.at(-1)?.end === to;

/** Grains kept since random instants around the range, in any order, now and then in an odd one. */
const keptAround = (of: Grain[], days: number) =>
  fc.subarray(of, { minLength: 1 }).chain((some) =>
    fc.tuple(
      ...some.map((grain) =>
        fc.record({
          grain: fc.constant(grain),
          from: fc.oneof(
            fc.constant(-Infinity),
            fc.integer({ min: -40 * 24, max: days * 24 }).map((hours) => origin + hours * HOUR_MS),
          ),
        }),
      ),
    ),
  );

function agrees(asked: Span, kept: KeptGrain[], step: number): boolean {
  const { buckets, ...covered } = coverRange(asked, kept);
  const from = new Map(kept.map((one) => [one.grain, one.from]));
  const expired = buckets
    .filter(({ grain, end }) => end <= (from.get(grain) ?? Infinity))
    .reduce((sum, { start, end }) => sum + end - start, 0);
  const widened = asked.from - covered.from + (covered.to - asked.to);
  const known = buckets.every(({ grain, name, start }) => bucketAt(grain, start).name === name);
  const cost: Cost = [expired, widened, buckets.length];
  const best = cheapest(asked, kept, step);
  return known && isTiled(buckets, covered) && cost.every((part, i) => part === best[i]);
}

t.test('buckets tile the range, and no tiling has less expired, is less widened or shorter', async () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 150 * 24 * 60 }),
      fc.integer({ min: 1, max: 150 * 24 * 60 }),
      keptAround(['hour', 'day', 'week', 'month'], 300),
      (start, minutes, kept) => {
        const from = origin + start * MINUTE_MS;
        return agrees({ from, to: from + minutes * MINUTE_MS }, kept, HOUR_MS);
      },
    ),
    { seed: 1, numRuns: 300 },
  );
});

t.test('the same with minutes', async () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 15 * DAY_MS }),
      fc.integer({ min: 1, max: 3 * DAY_MS }),
      keptAround([...grains], 18),
      (start, ms, kept) => agrees({ from: origin + start, to: origin + start + ms }, kept, MINUTE_MS),
    ),
    { seed: 1, numRuns: 30 },
  );
});

t.test('ten years with ends in minutes are few buckets', async (t) => {
  const from = Date.parse('2015-03-04T05:06:00Z');
  const to = from + rangeDaysMax * DAY_MS + MINUTE_MS;
  const { buckets, ...covered } = coverRange({ from, to }, always(...grains));
  t.ok(isTiled(buckets, covered));
  t.ok(buckets.length < 2 * (59 + 23 + 10) + 120, `${buckets.length} buckets`);
});
