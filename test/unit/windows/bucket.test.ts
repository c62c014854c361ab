/** Buckets of every grain against known dates, and the laws that keys and queries rely on. */
import fc from 'fast-check';
import t from 'tap';
import { type Bucket, bucketAt, bucketsIn, type Grain, grains } from '../../../src/windows/bucket.js';
import { DAY_MS, MINUTE_MS } from '../../../src/windows/civil.js';

const seed = 1;
const earliest = Date.parse('0000-01-01T00:00:00Z');
const latest = Date.parse('9999-12-31T23:59:59.999Z');
/** From the first ISO week of the year 0 on; what lies before has a test of its own. */
const instant = fc.integer({ min: earliest + 2 * DAY_MS, max: latest });
const name = (grain: Grain, text: string) => bucketAt(grain, Date.parse(text)).name;
const span = ({ start, end }: Bucket) => [new Date(start).toISOString(), new Date(end).toISOString()];

t.test('one instant in every grain', async (t) => {
  const at = Date.parse('2017-03-27T13:06:59.999Z');
  t.strictSame(
    grains.map((grain) => bucketAt(grain, at).name),
    ['2017-03-27T1306', '2017-03-27T13', '2017-03-27', '2017-W13', '2017-03'],
  );
  t.strictSame(span(bucketAt('minute', at)), ['2017-03-27T13:06:00.000Z', '2017-03-27T13:07:00.000Z']);
  t.strictSame(span(bucketAt('hour', at)), ['2017-03-27T13:00:00.000Z', '2017-03-27T14:00:00.000Z']);
  t.strictSame(span(bucketAt('day', at)), ['2017-03-27T00:00:00.000Z', '2017-03-28T00:00:00.000Z']);
  t.strictSame(span(bucketAt('week', at)), ['2017-03-27T00:00:00.000Z', '2017-04-03T00:00:00.000Z']);
  t.strictSame(span(bucketAt('month', at)), ['2017-03-01T00:00:00.000Z', '2017-04-01T00:00:00.000Z']);
});

t.test('ISO weeks at the edges of years', async (t) => {
  const known: Record<string, string> = {
    '1969-12-28': '1969-W52',
    '1969-12-29': '1970-W01',
    '1977-01-01': '1976-W53',
    '1977-01-02': '1976-W53',
    '1977-01-03': '1977-W01',
    '1978-12-31': '1978-W52',
    '1979-12-31': '1980-W01',
    '1981-12-31': '1981-W53',
    '2000-01-02': '1999-W52',
    '2008-12-28': '2008-W52',
    '2008-12-29': '2009-W01',
    '2010-01-03': '2009-W53',
    '2010-01-04': '2010-W01',
    '2020-12-27': '2020-W52',
    '2020-12-31': '2020-W53',
    '2021-01-01': '2020-W53',
    '2021-01-03': '2020-W53',
    '2021-01-04': '2021-W01',
    '2024-12-29': '2024-W52',
    '2024-12-30': '2025-W01',
    '2026-01-01': '2026-W01',
    '2026-12-28': '2026-W53',
    '2027-01-03': '2026-W53',
    '2027-01-04': '2027-W01',
    '9999-12-31': '9999-W52',
  };
  for (const [date, week] of Object.entries(known)) {
    t.equal(name('week', `${date}T00:00:00Z`), week, date);
    t.equal(name('week', `${date}T23:59:59.999Z`), week, `the end of ${date}`);
  }
});

t.test('months have their days, in leap years and centuries too', async (t) => {
  const days: Record<string, number> = {
    '2023-02': 28,
    '2024-02': 29,
    '1900-02': 28,
    '2000-02': 29,
    '2100-02': 28,
    '0000-02': 29,
    '2026-01': 31,
    '2026-03': 31,
    '2026-04': 30,
    '2026-05': 31,
    '2026-06': 30,
    '2026-07': 31,
    '2026-08': 31,
    '2026-09': 30,
    '2026-10': 31,
    '2026-11': 30,
    '2026-12': 31,
  };
  for (const [month, count] of Object.entries(days)) {
    const bucket = bucketAt('month', Date.parse(`${month}-15T12:00:00Z`));
    t.equal(bucket.name, month);
    t.equal((bucket.end - bucket.start) / DAY_MS, count, month);
  }
  t.equal(name('day', '2024-02-29T12:00:00Z'), '2024-02-29');
});

t.test('before 1970, and at its first instant', async (t) => {
  t.equal(bucketAt('minute', -1).name, '1969-12-31T2359');
  t.equal(bucketAt('hour', -1).name, '1969-12-31T23');
  t.equal(bucketAt('day', -1).name, '1969-12-31');
  t.equal(bucketAt('month', -1).name, '1969-12');
  t.equal(bucketAt('minute', 0).name, '1970-01-01T0000');
  t.equal(bucketAt('hour', -DAY_MS).name, '1969-12-31T00');
  t.equal(name('minute', '1582-10-10T09:08:00Z'), '1582-10-10T0908');
});

t.test('the first and the last days there are', async (t) => {
  t.equal(name('day', '0000-01-01T00:00:00Z'), '0000-01-01');
  t.equal(name('month', '0000-12-31T00:00:00Z'), '0000-12');
  t.equal(name('minute', '9999-12-31T23:59:59.999Z'), '9999-12-31T2359');
  t.equal(name('week', '0000-01-03T00:00:00Z'), '0000-W01');
});

const shapes: Record<Grain, RegExp> = {
  minute: /^\d{4}-\d\d-\d\dT\d{4}$/,
  hour: /^\d{4}-\d\d-\d\dT\d\d$/,
  day: /^\d{4}-\d\d-\d\d$/,
  week: /^\d{4}-W\d\d$/,
  month: /^\d{4}-\d\d$/,
};

for (const grain of grains) {
  t.test(
    `${grain}: a bucket holds its instant, is found from both its ends and is named as agreed`,
    async () => {
      fc.assert(
        fc.property(instant, (at) => {
          const bucket = bucketAt(grain, at);
          const same = (other: Bucket) => other.name === bucket.name && other.start === bucket.start;
          return (
            bucket.start <= at &&
            at < bucket.end &&
            same(bucketAt(grain, bucket.start)) &&
            same(bucketAt(grain, bucket.end - 1)) &&
            bucketAt(grain, bucket.end).start === bucket.end &&
            bucketAt(grain, bucket.start - 1).end === bucket.start &&
            shapes[grain].test(bucket.name)
          );
        }),
        { seed, numRuns: 2_000 },
      );
    },
  );

  t.test(`${grain}: names sort as time does`, async () => {
    fc.assert(
      fc.property(instant, instant, (a, b) => {
        const [one, two] = [bucketAt(grain, a), bucketAt(grain, b)];
        return Math.sign(one.start - two.start) === (one.name < two.name ? -1 : Number(one.name > two.name));
      }),
      { seed, numRuns: 2_000 },
    );
  });

  t.test(`${grain}: the name at the first and the last instant is as agreed`, async (t) => {
    for (const at of [earliest, latest]) t.match(bucketAt(grain, at).name, shapes[grain]);
  });
}

t.test('what the platform says about the date of a bucket', async () => {
  fc.assert(
    fc.property(instant, (at) => {
      const iso = new Date(at).toISOString();
      return (
        bucketAt('day', at).name === iso.slice(0, 10) &&
        bucketAt('month', at).name === iso.slice(0, 7) &&
        bucketAt('hour', at).name === iso.slice(0, 13) &&
        bucketAt('minute', at).name === iso.slice(0, 16).replace(/:/g, '')
      );
    }),
    { seed, numRuns: 2_000 },
  );
});

t.test('the buckets of a span follow each other without a gap and cover it', async () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...grains),
      fc.integer({ min: 0, max: 4e12 }),
      fc.integer({ min: 1, max: 400 }),
      (grain, from, minutes) => {
        const to = from + minutes * MINUTE_MS;
        const buckets = bucketsIn(grain, from, to);
        return (
          buckets[0].start <= from &&
          (buckets.at(-1) as Bucket).end >= to &&
          (buckets.at(-1) as Bucket).start < to &&
          buckets.every((bucket, i) => i === 0 || bucket.start === buckets[i - 1].end)
        );
      },
    ),
    { seed, numRuns: 500 },
  );
});

t.test('an empty span has no buckets', async (t) => {
  t.strictSame(bucketsIn('day', 5, 5), []);
});
