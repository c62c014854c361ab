/** Scopes: which time is asked about, and which of it can be read. */
import t from 'tap';
import {
  coversOf,
  type Kind,
  readTime,
  type SpanParameters,
  type TimeScope,
} from '../../../src/compliance/scope.js';
import { Problem } from '../../../src/errors.js';
import { readGrains } from '../../../src/sketches/registry.js';
import { windows } from '../../../src/windows/cover.js';

const DAY_MS = 86_400_000;
const now = Date.UTC(2026, 10, 28, 8, 30, 20);
const retention = {
  minute: 2 * 3_600_000,
  hour: 7 * DAY_MS,
  day: 90 * DAY_MS,
  week: 364 * DAY_MS,
  month: 730 * DAY_MS,
};
const kinds = Object.keys(readGrains) as Kind[];
const utcNames =
  'UTC utc Etc/UTC ETC/UTC Etc/UCT UCT Etc/GMT GMT Etc/GMT0 Etc/GMT+0 Etc/GMT-0 Etc/Greenwich Etc/Universal Etc/Zulu Zulu'.split(
    ' ',
  );
const zones = ['UTC', 'Etc/UTC', 'Europe/London', 'Europe/Berlin', 'America/New_York'];

const timeOf = (parameters: SpanParameters, at = now): TimeScope => readTime(parameters, '1h', at);

/** What can be read, or the code of the problem. */
function read(kind: Kind, parameters: SpanParameters): unknown {
  try {
    return coversOf(kind, timeOf(parameters), retention, now);
  } catch (error) {
    if (error instanceof Problem) return error.code;
    throw error;
  }
}

t.test('every name of UTC is one question, read like one without a zone', async (t) => {
  for (const window of windows) {
    for (const timestamp of [undefined, '2026-11-28T05:00:00Z']) {
      const asked = utcNames.map((tz) => timeOf({ window, timestamp, tz }));
      t.equal(new Set(asked.map(({ label }) => label)).size, 1, window);
      t.ok(asked.every(({ tz, isAligned }) => tz === 'UTC' && isAligned));
      for (const kind of kinds) {
        for (const tz of utcNames) {
          t.strictSame(read(kind, { window, timestamp, tz }), read(kind, { window, timestamp }), tz);
        }
      }
    }
  }
});

t.test('a window that a metric does not keep is refused in every zone, and never widened', async (t) => {
  for (const kind of kinds) {
    for (const window of windows.filter((one) => !(one in readGrains[kind]))) {
      for (const tz of zones)
        t.equal(read(kind, { window, tz }), 'window_unsupported', `${kind} ${window} ${tz}`);
    }
  }
});

t.test('hours and minutes are the same in every zone, however old', async (t) => {
  for (const window of ['1m', '5m', '15m', '1h'] as const) {
    for (const timestamp of [now, now - 3 * 3_600_000, now - 30 * DAY_MS].map(String)) {
      for (const tz of zones) {
        t.strictSame(
          read('distinct', { window, timestamp, tz }),
          read('distinct', { window, timestamp }),
          tz,
        );
      }
    }
  }
});

t.test('aliases of one zone are one question, other zones are others', async (t) => {
  const labels = (names: string[]) => new Set(names.map((tz) => timeOf({ window: '1d', tz }).label)).size;
  t.equal(labels(['europe/berlin', 'Europe/Berlin', 'EUROPE/BERLIN']), 1);
  t.equal(labels(['US/Pacific', 'America/Los_Angeles']), 1);
  t.equal(labels(['UTC', 'Europe/London', 'Africa/Abidjan', 'Etc/GMT+1', 'Etc/GMT-1']), 5);
});
