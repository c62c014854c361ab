/** Times that people say, in UTC and in a zone. */
import t from 'tap';
import { parseRelative } from '../../../src/windows/relative.js';
import { createZones } from '../../../src/windows/zone.js';

const now = Date.UTC(2026, 2, 29, 13, 37, 20, 5);
const zones = createZones();
const iso = (at: number) =>
  Number.isNaN(at) ? 'none' : new Date(at).toISOString().replace(/:00\.000Z$/, '');

/** The instants that a text means as the beginning and as the end of a time. */
function meanings(text: string, tz?: string, at = now): string[] | undefined {
  const zone = tz === undefined ? undefined : zones.find(tz);
  const both = [false, true].map((isEnd) => parseRelative(text, { now: at, zone, isEnd }));
  return both[0] === undefined ? undefined : both.map((one) => iso(Number(one?.at)));
}

t.test('a time before now is a whole minute, outwards', async (t) => {
  const cases: [text: string, from: string, to: string][] = [
    ['-0m', '2026-03-29T13:37', '2026-03-29T13:38'],
    ['-30m', '2026-03-29T13:07', '2026-03-29T13:08'],
    ['-24h', '2026-03-28T13:37', '2026-03-28T13:38'],
    ['-7d', '2026-03-22T13:37', '2026-03-22T13:38'],
    ['-2w', '2026-03-15T13:37', '2026-03-15T13:38'],
  ];
  for (const [text, from, to] of cases) {
    t.strictSame(meanings(text), [from, to], text);
    t.strictSame(
      meanings(text, 'Europe/Berlin'),
      [from, to],
      'the same in every zone, since a day is 24 hours',
    );
    const whole = Date.UTC(2026, 2, 29, 13, 37);
    t.strictSame(meanings(text, undefined, whole), [from, from], `${text} at a whole minute`);
  }
});

t.test('a date is its first instant, in UTC or in a zone', async (t) => {
  const cases: [text: string, zone: string | undefined, at: string][] = [
    ['2015-05-18', undefined, '2015-05-18T00:00'],
    ['2015-05-18', 'Europe/Berlin', '2015-05-17T22:00'],
    ['2015-05-18', 'Asia/Kolkata', '2015-05-17T18:30'],
    ['2024-02-29', undefined, '2024-02-29T00:00'],
    ['2026-03-27', 'Asia/Beirut', '2026-03-26T22:00'],
    ['2026-03-29', 'Asia/Beirut', '2026-03-28T22:00'],
    ['today', undefined, '2026-03-29T00:00'],
    ['yesterday', undefined, '2026-03-28T00:00'],
    ['today', 'Europe/Berlin', '2026-03-28T23:00'],
    ['yesterday', 'Europe/Berlin', '2026-03-27T23:00'],
    ['today', 'Pacific/Kiritimati', '2026-03-29T10:00'],
    ['yesterday', 'Pacific/Kiritimati', '2026-03-28T10:00'],
    ['2023-02-29', undefined, 'none'],
    ['2024-13-01', 'Europe/Berlin', 'none'],
  ];
  for (const [text, zone, at] of cases) t.strictSame(meanings(text, zone), [at, at], `${text} ${zone}`);
});

t.test('what is said otherwise is left to others', async (t) => {
  const others = [
    '',
    'now',
    '-24',
    '24h',
    '+24h',
    '-24H',
    '-1M',
    '-1y',
    '-1.5h',
    '--1h',
    ' -1h',
    '-1h ',
    '-1h30m',
  ];
  const dates = [
    'Yesterday',
    'tomorrow',
    '2015-5-18',
    '20150518',
    '2015-05-18T',
    '2015-05-18T00:00:00Z',
    '-1234567m',
  ];
  for (const text of [...others, ...dates]) t.equal(meanings(text), undefined, text);
});

t.test('says from when on it means another instant', async (t) => {
  const until = (text: string) => parseRelative(text, { now, zone: undefined, isEnd: false })?.until;
  for (const text of ['-24h', 'today', 'yesterday'])
    t.equal(until(text), Date.UTC(2026, 2, 29, 13, 38), text);
  t.equal(until('2015-05-18'), Number.POSITIVE_INFINITY);
});
