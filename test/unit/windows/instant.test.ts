/** Timestamps: every form that is taken, its exact meaning, and every one that is refused. */
import fc from 'fast-check';
import t from 'tap';
import { formatInstant, parseDay, parseInstant, parseTimestamp } from '../../../src/windows/instant.js';

const noon = Date.UTC(2026, 0, 31, 12);

t.test('RFC 3339 in all its forms', async (t) => {
  const known: [text: string, at: number][] = [
    ['2026-01-31T12:00:00Z', noon],
    ['2026-01-31t12:00:00z', noon],
    ['2026-01-31 12:00:00Z', noon],
    ['2026-01-31T12:00:00+00:00', noon],
    ['2026-01-31T12:00:00-00:00', noon],
    ['2026-01-31T17:30:00+05:30', noon],
    ['2026-01-31T04:00:00-08:00', noon],
    ['2026-02-01T11:59:00+23:59', noon],
    ['2026-01-30T12:01:00-23:59', noon],
    ['2026-01-31T12:00:00.1Z', noon + 100],
    ['2026-01-31T12:00:00.12+00:00', noon + 120],
    ['2026-01-31T12:00:00.123Z', noon + 123],
    ['2026-01-31T12:00:00.1239999Z', noon + 123],
    [`2026-01-31T12:00:00.${'9'.repeat(300)}Z`, noon + 999],
    ['2026-01-31T12:00:00.000000001Z', noon],
    ['2024-02-29T00:00:00Z', Date.UTC(2024, 1, 29)],
    ['1969-12-31T23:59:59.999Z', -1],
    ['1582-10-10T00:00:00Z', Date.UTC(1582, 9, 10)],
    ['0000-01-01T00:00:00Z', Date.parse('0000-01-01T00:00:00Z')],
    ['9999-12-31T23:59:59.999Z', Date.parse('9999-12-31T23:59:59.999Z')],
  ];
  for (const [text, at] of known) t.equal(parseInstant(text), at, text.slice(0, 40));
});

t.test('a leap second is the last millisecond of its minute', async (t) => {
  const last = Date.UTC(2017, 0, 1) - 1;
  for (const text of ['2016-12-31T23:59:60Z', '2016-12-31T23:59:60.5Z', '2017-01-01T05:29:60+05:30']) {
    t.equal(parseInstant(text), last, text);
  }
});

t.test('text that is not RFC 3339, has no offset or names no date of the calendar is refused', async (t) => {
  const refused = [
    '2026-02-30T00:00:00Z',
    '2025-02-29T00:00:00Z',
    '1900-02-29T00:00:00Z',
    '2026-04-31T00:00:00Z',
    '2026-00-10T00:00:00Z',
    '2026-13-01T00:00:00Z',
    '2026-01-00T00:00:00Z',
    '2026-01-32T00:00:00Z',
    '2026-01-31T24:00:00Z',
    '2026-01-31T12:60:00Z',
    '2026-01-31T12:00:61Z',
    '2026-01-31T12:00:00',
    '2026-01-31T12:00:00.5',
    '2026-01-31T12:00Z',
    '2026-01-31',
    '2026-01-31T12:00:00+24:00',
    '2026-01-31T12:00:00+05:60',
    '2026-01-31T12:00:00+0530',
    '2026-01-31T12:00:00+05',
    '2026-01-31T12:00:00 Z',
    '2026-01-31T12:00:00Zulu',
    '2026-01-31T12:00:00ZZ',
    '2026-01-31T12:00:00.Z',
    '2026-01-31T12:00:60.Z',
    '2026-01-31T12:00:00,5Z',
    '2026-01-31T12:00:00.5',
    '2026-01-31T12:00:00GMT',
    '01/31/2026',
    '01/31/2026 12:00:00',
    '31.01.2026 12:00',
    'Sat, 31 Jan 2026 12:00:00 GMT',
    '20260131T120000Z',
    '2026-031T12:00:00Z',
    '2026-W05-6T12:00:00Z',
    '26-01-31T12:00:00Z',
    '10000-01-01T00:00:00Z',
    '+010000-01-01T00:00:00Z',
    '-000001-12-31T00:00:00Z',
    '0000-01-01T00:00:00+00:01',
    '9999-12-31T23:59:59-00:01',
    '２０２６-01-31T12:00:00Z',
    ' 2026-01-31T12:00:00Z',
    '2026-01-31T12:00:00Z ',
    '2026-01-31T12:00:00Z\n',
    '2026-1-31T12:00:00Z',
    '2026-01-31T-1:00:00Z',
    '1769860800',
    'now',
    '',
  ];
  for (const text of refused) t.ok(Number.isNaN(parseInstant(text)), JSON.stringify(text));
});

t.test('the unit of a number is told by its size', async (t) => {
  const known: [value: number, at: number][] = [
    [0, 0],
    [1, 1_000],
    [1_769_860_800, noon],
    [1_769_860_800.5, noon + 500],
    [1_769_860_800_000, noon],
    [1_769_860_800_000.9, noon],
    [1_769_860_800_123_456, noon + 123],
    [Number('1769860800123456789'), noon + 123],
    [99_999_999_999, 99_999_999_999_000],
    [100_000_000_000, 100_000_000_000],
    [99_999_999_999_999, 99_999_999_999_999],
    [100_000_000_000_000, 100_000_000_000],
    [99_999_999_999_999_984, 99_999_999_999_999],
    [100_000_000_000_000_000, 100_000_000_000],
    [-1, -1_000],
    [-0.5, -500],
    [-100_000_000_000, -100_000_000_000],
    [-100_000_000_000_000, -100_000_000_000],
  ];
  for (const [value, at] of known) t.equal(parseInstant(value), at, String(value));
});

t.test('of an event or a question, an epoch number may be written as text, in the same units', async (t) => {
  const known: [text: string, at: number][] = [
    ['1769860800', noon],
    ['1769860800.5', noon + 500],
    ['1769860800000', noon],
    ['1769860800123456', noon + 123],
    ['1769860800123456789', noon + 123],
    ['2015051813', 2_015_051_813_000],
    ['0', 0],
    ['-1', -1_000],
  ];
  for (const [text, at] of known) {
    t.equal(parseTimestamp(text), at, text);
    t.ok(Number.isNaN(parseInstant(text)), `${text} is no RFC 3339`);
  }
  for (const value of ['2026-01-31T12:00:00Z', noon, new Date(noon)]) t.equal(parseTimestamp(value), noon);
});

t.test('digits that read as a date are no epoch number, and neither is any other text', async (t) => {
  const dates = ['2015', '1999', '201505', '20150518', '201505181306', '20150518130656'];
  const others = [
    '',
    ' ',
    '1e9',
    '0x10',
    '+1769860800',
    ' 1769860800',
    '1769860800 ',
    '1,769',
    '.5',
    '5.',
    'NaN',
  ];
  for (const text of [...dates, ...others, '9'.repeat(30)])
    t.ok(Number.isNaN(parseTimestamp(text)), JSON.stringify(text));
  for (const value of [undefined, null, true, [], {}, 10n]) t.ok(Number.isNaN(parseTimestamp(value)));
});

t.test('seconds with a fraction mean the millisecond that is written', async (t) => {
  const wrong: number[] = [];
  for (const second of [1, 1_000_000_000, 1_769_860_800]) {
    for (let ms = 0; ms < 1_000; ms++) {
      const value = Number(`${second}.${String(ms).padStart(3, '0')}`);
      if (parseInstant(value) !== second * 1_000 + ms) wrong.push(value);
    }
  }
  t.strictSame(wrong, []);
});

t.test('numbers outside the years 0000 to 9999, and what is no number, are refused', async (t) => {
  const refused = [Number.NaN, Infinity, -Infinity, 1e300, -1e300, Number.MAX_VALUE, 2.6e23, -6.3e10];
  for (const value of refused) t.ok(Number.isNaN(parseInstant(value)), String(value));
});

t.test('a Date is taken as it is, an invalid one refused', async (t) => {
  t.equal(parseInstant(new Date(noon)), noon);
  t.ok(Number.isNaN(parseInstant(new Date(Number.NaN))));
  t.ok(Number.isNaN(parseInstant(new Date(8.64e15))));
});

t.test('no other kind of value is a timestamp', async (t) => {
  for (const value of [undefined, null, true, false, [], ['2026-01-31T12:00:00Z'], {}, 10n, () => noon]) {
    t.ok(Number.isNaN(parseInstant(value)), String(value));
  }
});

t.test('every instant that is formatted is read back, also in other zones', async () => {
  const instant = fc.integer({
    min: Date.parse('0001-01-01T00:00:00Z'),
    max: Date.parse('9999-12-30T00:00:00Z'),
  });
  fc.assert(
    fc.property(instant, fc.integer({ min: -1_439, max: 1_439 }), (at, zone) => {
      const pad = (value: number) => String(value).padStart(2, '0');
      const sign = zone < 0 ? '-' : '+';
      const minutes = Math.abs(zone);
      const local = formatInstant(at + zone * 60_000).slice(0, -1);
      return (
        parseInstant(formatInstant(at)) === at &&
        parseInstant(`${local}${sign}${pad(Math.floor(minutes / 60))}:${pad(minutes % 60)}`) === at
      );
    }),
    { seed: 1, numRuns: 1_000 },
  );
});

t.test('no text makes it throw, and what it takes the platform takes to mean the same', async () => {
  const near = fc
    .tuple(fc.constantFrom('2026-01-31T12:00:00Z', '2024-02-29T23:59:59.999+05:30'), fc.nat(30), fc.string())
    .map(([text, place, part]) => text.slice(0, place) + part + text.slice(place + part.length));
  fc.assert(
    fc.property(fc.oneof(fc.string(), near), (text) => {
      const at = parseInstant(text);
      if (Number.isNaN(at) || text.slice(17, 19) === '60') return true;
      return Date.parse(text.replace(/(\.\d{3})\d+/, '$1').toUpperCase()) === at;
    }),
    { seed: 1, numRuns: 5_000 },
  );
});

t.test('a day is the number of days since 1970', async (t) => {
  t.equal(parseDay('1970-01-01'), 0);
  t.equal(parseDay('1969-12-31'), -1);
  t.equal(parseDay('2024-02-29'), 19_782);
  for (const text of ['2026-02-30', '2026-2-3', '2026/02/03', '', 'today', '2026-02']) {
    t.ok(Number.isNaN(parseDay(text)), text);
  }
});
