/** The steps of a time series, and rolling windows. */
import fc from 'fast-check';
import t from 'tap';
import { Problem } from '../../../src/errors.js';
import { DAY_MS, HOUR_MS, MINUTE_MS } from '../../../src/windows/civil.js';
import { type Span, spanOf, type Window, windows } from '../../../src/windows/cover.js';
import { rollingSpan } from '../../../src/windows/rolling.js';
import { seriesPointsMax, stepSpans } from '../../../src/windows/steps.js';
import { createZones } from '../../../src/windows/zone.js';

const zones = createZones();
const pointsMax = seriesPointsMax;
const span = (from: string, to: string): Span => ({ from: Date.parse(from), to: Date.parse(to) });
const starts = (spans: Span[]) => spans.map(({ from }) => new Date(from).toISOString().slice(0, 16));
/** The problem of a series that is too long. */
function refusal(asked: Span, step: Window, zone?: string): unknown {
  try {
    return stepSpans(asked, step, { zone: zone === undefined ? undefined : zones.find(zone), pointsMax });
  } catch (error) {
    return error;
  }
}

t.test('steps are the aligned windows that the range touches', async (t) => {
  const weeks = stepSpans(span('2020-12-31T00:00Z', '2021-01-05T00:00Z'), '1w', { pointsMax });
  t.strictSame(starts(weeks), ['2020-12-28T00:00', '2021-01-04T00:00']);
  const months = stepSpans(span('2024-01-31T23:59Z', '2024-03-01T00:00Z'), '1M', { pointsMax });
  t.strictSame(starts(months), ['2024-01-01T00:00', '2024-02-01T00:00']);
  const minutes = stepSpans(span('2024-02-29T23:50Z', '2024-03-01T00:16Z'), '15m', { pointsMax });
  t.strictSame(starts(minutes), ['2024-02-29T23:45', '2024-03-01T00:00', '2024-03-01T00:15']);
  t.strictSame(stepSpans({ from: 5, to: 5 }, '1d', { pointsMax }), [], 'an empty range has none');
});

t.test('steps of a zone are its own days', async (t) => {
  const zone = zones.find('Europe/Berlin');
  const days = stepSpans(span('2026-03-28T00:00Z', '2026-03-30T12:00Z'), '1d', { zone, pointsMax });
  t.strictSame(starts(days), ['2026-03-27T23:00', '2026-03-28T23:00', '2026-03-29T22:00']);
  t.strictSame(
    days.map(({ from, to }) => (to - from) / HOUR_MS),
    [24, 23, 24],
  );
  const apia = zones.find('Pacific/Apia');
  const around = stepSpans(span('2011-12-30T00:00Z', '2011-12-30T20:00Z'), '1d', { zone: apia, pointsMax });
  t.equal(around.length, 2, 'a date that was left out has no point');
});

t.test('the last days there are have their steps', async (t) => {
  const days = stepSpans(span('9999-12-30T12:00Z', '9999-12-31T23:59:59.999Z'), '1d', { pointsMax });
  t.strictSame(starts(days), ['9999-12-30T00:00', '9999-12-31T00:00']);
});

t.test('as many points as are allowed are answered, one more is refused and told', async (t) => {
  const from = Date.parse('2024-02-28T00:00:00Z');
  for (const step of windows.filter((one) => one !== '1M')) {
    const { from: start, to } = spanOf(step, from);
    const end = start + pointsMax * (to - start);
    t.equal(stepSpans({ from, to: end }, step, { pointsMax }).length, pointsMax, step);
    const problem = refusal({ from, to: end + 1 }, step);
    t.ok(problem instanceof Problem && problem.code === 'series_too_long', step);
    t.match(problem, { extensions: { points: pointsMax + 1, errors: [{ pointer: '/step' }] } }, step);
  }
  const decade = span('2016-01-01T00:00Z', '2026-01-01T00:00Z');
  t.match(refusal(decade, '1m'), { extensions: { points: 3_653 * 24 * 60 } }, 'ten years of minutes');
  t.match(refusal(decade, '1d', 'Europe/Berlin'), { extensions: { points: 3_654 } }, 'and of local days');
});

t.test('a zone that does not fit is refused', async (t) => {
  const week = span('2026-01-01T00:00Z', '2026-01-08T00:00Z');
  t.match(refusal(week, '1d', 'Asia/Kolkata'), { code: 'zone_unsupported' });
});

t.test('steps tile the range, widened by less than a step at either end', async () => {
  const names = ['Europe/Berlin', 'America/Sao_Paulo', 'Australia/Sydney', 'Pacific/Apia', undefined];
  fc.assert(
    fc.property(
      fc.constantFrom(...windows),
      fc.constantFrom(...names),
      fc.integer({ min: Date.UTC(1995, 0, 1), max: Date.UTC(2035, 0, 1) }),
      fc.integer({ min: 1, max: 900 * MINUTE_MS }),
      (step, name, from, ms) => {
        const minutes = { '1m': 1, '5m': 5, '15m': 15, '1h': 60, '1d': 600, '1w': 6_000, '1M': 20_000 }[step];
        const to = from + ms * minutes;
        const spans = stepSpans({ from, to }, step, {
          zone: name === undefined ? undefined : zones.find(name),
          pointsMax,
        });
        const last = spans[spans.length - 1];
        return (
          spans[0].from <= from &&
          from < spans[0].to &&
          last.from < to &&
          to <= last.to &&
          spans.every((one, i) => i === 0 || one.from === spans[i - 1].to)
        );
      },
    ),
    { seed: 1, numRuns: 500 },
  );
});

t.test('a rolling window is the last time of its length, in whole buckets', async (t) => {
  const now = Date.parse('2026-07-15T13:37:20Z');
  const shown = (window: Window, finestMs: number) => {
    const { from, to } = rollingSpan(window, now, finestMs);
    return [new Date(from).toISOString().slice(0, 16), new Date(to).toISOString().slice(0, 16)];
  };
  t.strictSame(shown('5m', MINUTE_MS), ['2026-07-15T13:32', '2026-07-15T13:38']);
  t.strictSame(shown('1h', MINUTE_MS), ['2026-07-15T12:37', '2026-07-15T13:38']);
  t.strictSame(shown('1d', HOUR_MS), ['2026-07-14T13:00', '2026-07-15T14:00']);
  t.strictSame(shown('1w', HOUR_MS), ['2026-07-08T13:00', '2026-07-15T14:00']);
  t.strictSame(shown('1M', DAY_MS), ['2026-06-15T00:00', '2026-07-16T00:00']);
  const even = Date.parse('2026-07-15T13:00:00Z');
  t.strictSame(rollingSpan('1d', even, HOUR_MS), { from: even - DAY_MS, to: even }, 'exact on an edge');
});
