/** Time zone data: which release there is, when it is old, and rules that only a new one knows. */
import t from 'tap';
import { tzdataVersion, tzdataWarning } from '../../../src/windows/tzdata.js';
import { createZones } from '../../../src/windows/zone.js';

t.test('a release is old when its year has been over for more than six months', async (t) => {
  const isOld = (version: string, now: string) => tzdataWarning(version, Date.parse(now)) !== undefined;
  t.notOk(isOld('2025c', '2025-12-31T00:00:00Z'));
  t.notOk(isOld('2025c', '2026-07-01T00:00:00Z'));
  t.ok(isOld('2025a', '2026-07-01T00:00:00.001Z'));
  t.ok(isOld('2025c', '2030-01-01T00:00:00Z'));
  t.notOk(isOld('2026a', '2026-12-01T00:00:00Z'));
  t.notOk(isOld('2026b', '2020-01-01T00:00:00Z'), 'a clock that is behind');
  for (const odd of ['unknown', '', '2025', 'c2025']) t.ok(isOld(odd, '2026-01-01T00:00:00Z'), odd);
});

t.test('the warning names the release and where to read on', async (t) => {
  t.match(tzdataWarning('2024b', Date.UTC(2026, 0, 1)), /2024 \(2024b\).*docs\/ranges\.md/);
  t.match(tzdataWarning('unknown', Date.UTC(2026, 0, 1)), /unknown.*docs\/ranges\.md/);
});

/** British Columbia and Alberta stay on summer time from 2026 on, which is in the data since 2026c. */
const isKnown = /^\d{4}[a-z]$/.test(tzdataVersion) && tzdataVersion >= '2026c';
t.test(
  'a day of November 2026 in Vancouver and Edmonton',
  {
    skip: isKnown
      ? false
      : `the time zone data is ${tzdataVersion}, and 2026c is the first with their new rules`,
  },
  async (t) => {
    const zones = createZones();
    const starts = { 'America/Vancouver': '2026-11-15T07:00Z', 'America/Edmonton': '2026-11-15T06:00Z' };
    for (const [name, start] of Object.entries(starts)) {
      const span = zones.find(name)?.spanOf('1d', Date.parse('2026-11-15T20:00:00Z'));
      t.strictSame(span, { from: Date.parse(start), to: Date.parse(start) + 86_400_000 }, name);
    }
  },
);
