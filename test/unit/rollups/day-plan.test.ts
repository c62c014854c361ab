/** What is to be done with a day, at every time of its life. */
import t from 'tap';
import { parseRecord } from '../../../src/redis/system-record.js';
import { type DayState, dueFrom, planDay } from '../../../src/rollups/day-plan.js';
import { bucketAt } from '../../../src/windows/bucket.js';
import { DAY_MS, HOUR_MS, MINUTE_MS } from '../../../src/windows/civil.js';
import { now, retention } from '../../support/write-path.js';

const day = bucketAt('day', now);
const fresh: DayState = { changes: '0', rolled: undefined, isPartial: false, isSealed: false };
const rolled: DayState = { ...fresh, changes: '3', rolled: '3' };
const changed: DayState = { ...rolled, changes: '4' };
/** Every hour was written when it began. */
const written = new Map(Array.from({ length: 24 }, (_, hour) => [hour, day.start + hour * HOUR_MS]));
const expiry = day.start + HOUR_MS + retention.hour;
const sealAt = expiry - DAY_MS;
const plan = (state: DayState, at: number, hours = written) => planDay(day, hours, state, retention, at);

t.test('until a day before its first hour expires it is folded where it has changed', async (t) => {
  for (const at of [day.end + HOUR_MS, sealAt - 1]) {
    const expected = { outcome: 'rolled', isPartial: false, lookAgain: sealAt };
    t.strictSame(plan(fresh, at), { fold: true, ...expected });
    t.strictSame(plan(changed, at), { fold: true, ...expected });
    t.strictSame(plan(rolled, at), { fold: false, ...expected });
  }
});

t.test('then it is folded a last time, changed or not, and sealed', async (t) => {
  for (const at of [sealAt, expiry - 1]) {
    for (const state of [fresh, changed, rolled]) {
      t.match(plan(state, at), { fold: true, outcome: 'sealed', isPartial: false });
    }
  }
});

t.test('once an hour has expired, a folded day stays as it is, and says what it lacks', async (t) => {
  t.match(plan(rolled, expiry), { fold: false, outcome: 'sealed', isPartial: false });
  t.match(plan(changed, expiry), { fold: false, outcome: 'sealed', isPartial: true });
  t.match(plan({ ...rolled, isPartial: true }, expiry), { isPartial: true });
  t.match(plan(fresh, expiry), { fold: true, outcome: 'sealed', isPartial: true });
});

t.test('a sealed day is never folded', async (t) => {
  for (const at of [day.end + HOUR_MS, sealAt, expiry]) {
    t.match(plan({ ...changed, isSealed: true }, at), { fold: false });
  }
});

t.test('hours written long after their time expire as much later', async (t) => {
  const at = now + 400 * DAY_MS;
  const hours = new Map([[5, at]]);
  t.match(plan(fresh, at, hours), { fold: true, outcome: 'rolled', lookAgain: at + retention.hour - DAY_MS });
  t.equal(plan(fresh, at, new Map()), undefined, 'without a record nothing is known');
});

t.test(
  'hours kept for less than two days: a day is sealed half of that before the first is gone',
  async (t) => {
    const short = { ...retention, hour: 30 * HOUR_MS };
    const first = day.start + HOUR_MS + short.hour;
    t.match(planDay(day, written, fresh, short, first - 15 * HOUR_MS - 1), { outcome: 'rolled' });
    t.match(planDay(day, written, fresh, short, first - 15 * HOUR_MS), {
      outcome: 'sealed',
      isPartial: false,
    });
  },
);

t.test('a day is due ten minutes after its end, or when it was noted for', async (t) => {
  t.equal(dueFrom(day, 0), day.end + 10 * MINUTE_MS);
  t.equal(dueFrom(day, day.end + HOUR_MS), day.end + HOUR_MS);
});

t.test('a record tells the epoch, the numeric keys and the days, oldest first', async (t) => {
  const record = parseRecord(
    [
      ['epoch', 'e1'],
      ['since', '42'],
      ['purging', '43'],
      ['numeric', '2'],
      ['n:rows', '1'],
      ['n:d:roll:all:day:2020-01-01', '1'],
      ['d:roll:all:day:2026-01-31', '1769860000'],
      ['d:roll:all:day:0099-12-31', '0'],
    ].flat(),
  );
  t.strictSame(record, {
    epoch: 'e1',
    since: 42_000,
    purgingUntil: 43_000,
    numericKeys: ['latency_ms', 'rows', 'd:roll:all:day:2020-01-01'],
    days: [
      { day: bucketAt('day', Date.parse('0099-12-31T00:00:00Z')), lookAt: 0 },
      { day, lookAt: 1_769_860_000_000 },
    ],
  });
  t.strictSame(parseRecord([]), {
    epoch: '',
    since: Number.NaN,
    purgingUntil: 0,
    numericKeys: ['latency_ms'],
    days: [],
  });
});
