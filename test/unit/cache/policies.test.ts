/** The times of answers, by what they are about. */
import { readFileSync } from 'node:fs';
import t from 'tap';
import { closedPolicy, lateMs, openPolicies, settleMs, timesOf } from '../../../src/cache/policies.js';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const from = Date.parse('2026-03-02T00:00:00Z');

t.test('the longer the span, the longer its answer is good', async (t) => {
  const lengths = [MINUTE, 15 * MINUTE, HOUR, DAY, 25 * HOUR, 7 * DAY, 31 * DAY];
  const fresh = lengths.map((length) => timesOf({ from, to: from + length }, false, from).freshMs / 1_000);
  t.strictSame(fresh, [30, 30, 30, 300, 300, 1_800, 1_800]);
});

t.test('a span is over some minutes after its end, when what was under way has arrived', async (t) => {
  const span = { from, to: from + HOUR };
  t.equal(timesOf(span, true, span.to + settleMs - 1).freshMs, 30_000);
  t.equal(timesOf(span, true, span.to + settleMs).freshMs, HOUR);
  t.equal(
    timesOf(span, false, span.to + settleMs).freshMs,
    30_000,
    'unless late events would not be noticed',
  );
});

t.test('every event of a span that is over is late, with clocks that differ by ten minutes', async (t) => {
  t.ok(settleMs - 10 * MINUTE >= lateMs);
});

t.test('what is over is good for longer than anything open', async (t) => {
  for (const policy of openPolicies) {
    t.ok(policy.freshMs < closedPolicy.freshMs);
    t.ok(policy.staleMs > 0 && policy.errorMs > policy.staleMs);
  }
});

t.test('docs/caching.md shows the table', async (t) => {
  const text = readFileSync(new URL('../../../../docs/caching.md', import.meta.url), 'utf8');
  const rows = [...text.matchAll(/^\| (.+?) \| (.+?) \| (.+?) \| (.+?) \| (.+?) \|$/gm)].map(
    ([, ...cells]) => cells,
  );
  const words = (ms: number) => {
    const [unit, size] = ms < MINUTE ? ['s', 1_000] : ms < HOUR ? ['min', MINUTE] : ['h', HOUR];
    return `${ms / (size as number)} ${unit}`;
  };
  for (const { spans, freshMs, staleMs, errorMs } of [...openPolicies, closedPolicy]) {
    const times = [freshMs, staleMs, errorMs, freshMs + staleMs].map(words);
    t.strictSame(
      rows.find(([name]) => name === spans),
      [spans, ...times],
    );
  }
});
