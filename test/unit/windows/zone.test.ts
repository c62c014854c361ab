/** Local days, weeks and months against what the platform's formatter says about instants in and around them. */
import fc from 'fast-check';
import t from 'tap';
import { Problem } from '../../../src/errors.js';
import { DAY_MS, HOUR_MS } from '../../../src/windows/civil.js';
import { type Span, spanOf, type Window, windows } from '../../../src/windows/cover.js';
import { createZones, type Zone } from '../../../src/windows/zone.js';

const zones = createZones();

function zoneOf(name: string): Zone {
  const zone = zones.find(name);
  if (!zone) throw new Error(`${name} is no zone`);
  return zone;
}

/** The span as text, or the code of the problem. */
function shown(name: string, window: Window, at: string): string[] {
  const { from, to } = zoneOf(name).spanOf(window, Date.parse(at));
  return [new Date(from).toISOString().slice(0, 16), new Date(to).toISOString().slice(0, 16)];
}

/** Code of the problem that a question about a span is, undefined where it is none. */
function refusal(name: string, window: Window, at: number): string | undefined {
  try {
    zoneOf(name).spanOf(window, at);
    return undefined;
  } catch (error) {
    return error instanceof Problem ? error.code : String(error);
  }
}

const known: [zone: string, window: Window, at: string, from: string, to: string, what: string][] = [
  ['Europe/Berlin', '1d', '2026-03-29T12:00Z', '2026-03-28T23:00', '2026-03-29T22:00', '23 hours in spring'],
  ['Europe/Berlin', '1d', '2026-10-25T12:00Z', '2026-10-24T22:00', '2026-10-25T23:00', '25 hours in autumn'],
  ['Europe/Berlin', '1w', '2026-03-29T12:00Z', '2026-03-22T23:00', '2026-03-29T22:00', 'a week of 167 hours'],
  [
    'Europe/Berlin',
    '1M',
    '2026-10-25T12:00Z',
    '2026-09-30T22:00',
    '2026-10-31T23:00',
    'a month of 745 hours',
  ],
  ['Europe/Berlin', '1w', '2021-01-03T22:59Z', '2020-12-27T23:00', '2021-01-03T23:00', '2020-W53'],
  ['Europe/Berlin', '1w', '2018-12-30T23:00Z', '2018-12-30T23:00', '2019-01-06T23:00', '2019-W01'],
  ['Europe/Berlin', '1M', '2024-02-29T22:30Z', '2024-01-31T23:00', '2024-02-29T23:00', 'a leap February'],
  ['America/New_York', '1d', '2026-03-08T12:00Z', '2026-03-08T05:00', '2026-03-09T04:00', '23 hours'],
  ['America/New_York', '1d', '2026-11-01T12:00Z', '2026-11-01T04:00', '2026-11-02T05:00', '25 hours'],
  [
    'Australia/Sydney',
    '1d',
    '2026-04-05T01:00Z',
    '2026-04-04T13:00',
    '2026-04-05T14:00',
    'autumn in the south',
  ],
  [
    'Australia/Sydney',
    '1d',
    '2026-10-04T01:00Z',
    '2026-10-03T14:00',
    '2026-10-04T13:00',
    'spring in the south',
  ],
  ['America/Sao_Paulo', '1d', '2018-11-04T12:00Z', '2018-11-04T03:00', '2018-11-05T02:00', 'no midnight'],
  ['America/Sao_Paulo', '1d', '2018-02-17T12:00Z', '2018-02-17T02:00', '2018-02-18T03:00', 'back to 23:00'],
  ['Asia/Beirut', '1d', '2024-03-31T12:00Z', '2024-03-30T22:00', '2024-03-31T21:00', 'no midnight'],
  ['Africa/Cairo', '1d', '2024-04-26T12:00Z', '2024-04-25T22:00', '2024-04-26T21:00', 'no midnight'],
  [
    'Pacific/Apia',
    '1d',
    '2011-12-30T09:59Z',
    '2011-12-29T10:00',
    '2011-12-30T10:00',
    'before a day left out',
  ],
  ['Pacific/Apia', '1d', '2011-12-30T10:00Z', '2011-12-30T10:00', '2011-12-31T10:00', 'after a day left out'],
  ['Pacific/Apia', '1w', '2011-12-30T10:00Z', '2011-12-26T10:00', '2012-01-01T10:00', 'a week of six days'],
  ['America/Goose_Bay', '1d', '2010-11-07T02:59Z', '2010-11-06T03:00', '2010-11-07T03:00', 'before 00:00'],
  ['America/Goose_Bay', '1d', '2010-11-07T03:30Z', '2010-11-07T03:00', '2010-11-08T04:00', '23:01 once more'],
  [
    'Australia/Lord_Howe',
    '1d',
    '2026-01-25T12:00Z',
    '2026-01-24T13:00',
    '2026-01-25T13:00',
    'whole in summer',
  ],
  [
    'America/New_York',
    '1h',
    '2026-11-01T05:30Z',
    '2026-11-01T05:00',
    '2026-11-01T06:00',
    '01:00 for the first time',
  ],
  ['America/New_York', '1h', '2026-11-01T06:30Z', '2026-11-01T06:00', '2026-11-01T07:00', '01:00 once more'],
  ['UTC', '1d', '0000-01-01T12:00Z', '0000-01-01T00:00', '0000-01-02T00:00', 'the first day there is'],
  ['Etc/GMT+12', '1d', '9999-12-31T11:59Z', '9999-12-30T12:00', '9999-12-31T12:00', 'near the last day'],
];

t.test('spans around changes of clocks, weeks of years and days left out', async (t) => {
  for (const [zone, window, at, from, to, what] of known) {
    t.strictSame(shown(zone, window, at), [from, to], `${zone} ${window} ${at}: ${what}`);
  }
});

t.test('the last day there is ends after it', async (t) => {
  const span = zoneOf('Etc/GMT-14').spanOf('1d', Date.parse('9999-12-31T23:59:59.999Z'));
  t.strictSame(span, {
    from: Date.parse('9999-12-31T10:00:00Z'),
    to: Date.parse('+010000-01-01T10:00:00Z'),
  });
});

const wholeHours =
  'UTC Europe/Berlin Europe/London America/New_York America/Sao_Paulo America/Havana America/Santiago Asia/Beirut Asia/Amman Africa/Cairo Africa/Casablanca Africa/Lagos Australia/Sydney Pacific/Auckland Pacific/Apia Pacific/Kwajalein Antarctica/Troll Asia/Tokyo Europe/Moscow Etc/GMT-14 Etc/GMT+12'.split(
    ' ',
  );
const instant = fc.integer({ min: Date.UTC(1990, 0, 1), max: Date.UTC(2037, 11, 31) });
const zone = fc.constantFrom(...wholeHours);
const window = fc.constantFrom<Window>('1d', '1w', '1M');

const formats = new Map<string, Intl.DateTimeFormat>();
/** The local date, YYYY-MM-DD, as the platform shows it. */
function dateOf(timeZone: string, at: number): string {
  const format = formats.get(timeZone) ?? new Intl.DateTimeFormat('sv-SE', { timeZone });
  formats.set(timeZone, format);
  return format.format(at);
}
/** What all instants of a span share: the date, its Monday, its month. */
function shared(timeZone: string, window: Window, at: number): string {
  const date = dateOf(timeZone, at);
  if (window === '1M') return date.slice(0, 7);
  if (window === '1d') return date;
  const day = new Date(`${date}T00:00:00Z`);
  return new Date(day.getTime() - ((day.getUTCDay() + 6) % 7) * DAY_MS).toISOString().slice(0, 10);
}

t.test(
  'a span holds its instant and the instants of the same local day, week or month, no other',
  async () => {
    fc.assert(
      fc.property(
        zone,
        window,
        instant,
        fc.double({ min: 0, max: 1, noNaN: true }),
        (zone, window, at, part) => {
          const { from, to } = zoneOf(zone).spanOf(window, at);
          const own = shared(zone, window, at);
          const within = from + Math.floor((to - 1 - from) * part);
          return (
            from <= at &&
            at < to &&
            [from, within, to - 1].every((one) => shared(zone, window, one) === own) &&
            shared(zone, window, from - 1) < own &&
            shared(zone, window, to) > own
          );
        },
      ),
      { seed: 1, numRuns: 3_000 },
    );
  },
);

t.test(
  'spans of a window follow each other without gap or overlap, and each of their instants finds them',
  async () => {
    const places = fc.oneof(zone, fc.constantFrom('America/Goose_Bay', 'America/Juneau'));
    fc.assert(
      fc.property(places, fc.constantFrom(...windows), instant, (name, window, at) => {
        const { spanOf } = zoneOf(name);
        const { from, to } = spanOf(window, at);
        const same = (span: Span) => span.from === from && span.to === to;
        return (
          same(spanOf(window, from)) &&
          same(spanOf(window, to - 1)) &&
          spanOf(window, to).from === to &&
          spanOf(window, from - 1).to === from
        );
      }),
      { seed: 1, numRuns: 3_000 },
    );
  },
);

t.test('every day of sixty years in zones that change their clocks at midnight', async (t) => {
  for (const name of ['America/Sao_Paulo', 'America/Goose_Bay', 'Asia/Beirut', 'Pacific/Apia']) {
    const { spanOf } = zoneOf(name);
    const lengths = new Set<number>();
    let span = spanOf('1d', Date.UTC(1970, 0, 1));
    for (const end = Date.UTC(2030, 0, 1); span.to < end; ) {
      const next = spanOf('1d', span.to);
      if (next.from !== span.to) t.fail(`${name} after ${new Date(span.to).toISOString()}`);
      span = next;
      lengths.add((span.to - span.from) / HOUR_MS);
    }
    t.ok(lengths.has(24) && lengths.has(23) && lengths.has(25), name);
    t.ok(
      [...lengths].every((hours) => hours >= 22 && hours <= 26),
      `${name}: ${[...lengths].sort()}`,
    );
  }
});

t.test('every zone there is: a local day, or a refusal where midnight is on no hour of UTC', async (t) => {
  const at = Date.UTC(2026, 6, 15, 12);
  const wrong = Intl.supportedValuesOf('timeZone')
    .filter((name) => name.includes('/'))
    .filter((name) => {
      const format = new Intl.DateTimeFormat('en-US', { timeZone: name, timeZoneName: 'longOffset' });
      const isWhole = !/:(?!00)\d\d$/.test(format.format(at));
      if (!isWhole) return refusal(name, '1d', at) !== 'zone_unsupported';
      const { from, to } = zoneOf(name).spanOf('1d', at);
      return dateOf(name, from) === dateOf(name, from - 1) || dateOf(name, to) === dateOf(name, to - 1);
    });
  t.strictSame(wrong, []);
});

t.test(
  'zones that are not whole hours from UTC are refused for hours and longer, never for minutes',
  async (t) => {
    const summer = Date.UTC(2026, 0, 15);
    const winter = Date.UTC(2026, 6, 15);
    for (const window of windows) {
      const expected = window.endsWith('m') ? undefined : 'zone_unsupported';
      t.equal(refusal('Asia/Kolkata', window, summer), expected, window);
      t.equal(refusal('Australia/Lord_Howe', window, winter), expected, window);
      t.equal(refusal('Australia/Lord_Howe', window, summer), undefined, window);
    }
    t.equal(refusal('Australia/Lord_Howe', '1M', Date.UTC(2026, 3, 2)), 'zone_unsupported', 'one end only');
    t.equal(refusal('Europe/Berlin', '1d', Date.UTC(1850, 0, 1)), 'zone_unsupported', 'local mean time');
  },
);

t.test('a refusal names the ranges of whole hours inside and around the local time', async (t) => {
  const cases: [zone: string, window: Window, at: string, ranges: string[][]][] = [
    [
      'Asia/Kolkata',
      '1d',
      '2026-07-15T12:00Z',
      [
        ['2026-07-14T19', '2026-07-15T18'],
        ['2026-07-14T18', '2026-07-15T19'],
      ],
    ],
    [
      'Australia/Adelaide',
      '1d',
      '2026-07-15T12:00Z',
      [
        ['2026-07-14T15', '2026-07-15T14'],
        ['2026-07-14T14', '2026-07-15T15'],
      ],
    ],
    [
      'Asia/Kathmandu',
      '1w',
      '2026-07-15T12:00Z',
      [
        ['2026-07-12T19', '2026-07-19T18'],
        ['2026-07-12T18', '2026-07-19T19'],
      ],
    ],
    [
      'Australia/Lord_Howe',
      '1M',
      '2026-04-02T00:00Z',
      [
        ['2026-03-31T13', '2026-04-30T13'],
        ['2026-03-31T13', '2026-04-30T14'],
      ],
    ],
    ['Asia/Kolkata', '1h', '2026-07-15T12:10Z', [['2026-07-15T11', '2026-07-15T13']]],
  ];
  for (const [name, window, at, ranges] of cases) {
    const expected = ranges.map(([from, to]) => ({ from: `${from}:00:00.000Z`, to: `${to}:00:00.000Z` }));
    try {
      t.fail(`${name} ${zoneOf(name).spanOf(window, Date.parse(at))}`);
    } catch (error) {
      const { extensions, message } = error as Problem;
      t.strictSame(extensions.ranges, expected, `${name} ${window}`);
      for (const { from, to } of expected) t.match(message, `from=${from}&to=${to}`);
    }
  }
});

t.test('windows of minutes, and in UTC all windows, are what they are without a zone', async () => {
  fc.assert(
    fc.property(zone, instant, (name, at) =>
      windows.every((window) => {
        const where = /^(1h|.*m)$/.test(window) ? name : 'UTC';
        const [span, plain] = [zoneOf(where).spanOf(window, at), spanOf(window, at)];
        return span.from === plain.from && span.to === plain.to;
      }),
    ),
    { seed: 1, numRuns: 300 },
  );
});

t.test('a zone is found by its IANA name in any case, and aliases are one zone', async (t) => {
  const names: Record<string, string> = {
    'europe/berlin': 'Europe/Berlin',
    'EUROPE/BERLIN': 'Europe/Berlin',
    'US/Pacific': 'America/Los_Angeles',
    'America/Port-au-Prince': 'America/Port-au-Prince',
    'america/indiana/knox': 'America/Indiana/Knox',
    'Etc/GMT+2': 'Etc/GMT+2',
    utc: 'UTC',
    'Etc/UTC': 'UTC',
    'etc/greenwich': 'UTC',
    GMT: 'UTC',
    zulu: 'UTC',
  };
  for (const [asked, name] of Object.entries(names)) t.equal(zones.find(asked)?.name, name, asked);
});

t.test('offsets, abbreviations and what is no name are no zones', async (t) => {
  const refused = [
    '',
    '+02:00',
    '02:00',
    'BST',
    'EST',
    'Europe',
    'Europe/',
    '/',
    'Europe/Nowhere',
    'a/b/c/d',
  ];
  const odd = [
    'Europe/Berlin ',
    'Europe/Berl\u0131n',
    'Europe/Berlin\0',
    '../etc/passwd',
    `a/${'b'.repeat(9_999)}`,
  ];
  for (const name of [...refused, ...odd])
    t.equal(zones.find(name), undefined, JSON.stringify(name).slice(0, 40));
});

t.test('more zones and days than are remembered are answered alike', async (t) => {
  const some = createZones();
  const before = some.find('Europe/Berlin')?.spanOf('1d', 0);
  for (const name of Intl.supportedValuesOf('timeZone')) some.find(name)?.spanOf('1m', 0);
  for (let day = 0; day < 3_000; day++) some.find('Europe/Berlin')?.spanOf('1d', day * DAY_MS);
  t.strictSame(some.find('Europe/Berlin')?.spanOf('1d', 0), before);
});
