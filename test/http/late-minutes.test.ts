/** Minutes of events that come late are never written, and an answer about them says so instead of a plain zero. */
import t from 'tap';
import { startApp } from '../support/app.js';
import { compliance, event, get, postRows } from '../support/http.js';

const MINUTE = 60_000;
const now = Date.UTC(2026, 0, 31, 13, 20, 30);
const { base, stop } = await startApp({ clock: { now: () => now } });
t.teardown(stop);

const system = 'imported';
const late = now - 3 * 60 * MINUTE;
const recent = now - 90 * MINUTE;
const note = 'minutes are kept for 2 h, and written only for events that are at most 2 h old';

t.before(() =>
  postRows(
    base,
    [late, recent].map((timestamp, i) => event({ system, user_id: `u${i}`, timestamp })),
  ),
);

const ask = (question: string, terms: Record<string, string | number>) =>
  get<Record<string, unknown>>(base, compliance(question, { system, ...terms }));

t.test('an old minute is expired, with the reason', async (t) => {
  for (const window of ['1m', '5m', '15m']) {
    for (const zone of [{}, { tz: 'Europe/Berlin' }] as Record<string, string>[]) {
      const { body } = await ask('distinct/users', { window, timestamp: late, ...zone });
      t.match(body, { coverage: 'expired', coverage_note: note, window }, window);
      t.notOk(body.widened);
    }
  }
});

t.test('coarser windows, and minutes of events that came in time, are complete without a note', async (t) => {
  for (const terms of [
    { window: '1h', timestamp: late },
    { window: '1m', timestamp: recent },
    { window: '1m', timestamp: now },
  ]) {
    const { body } = await ask('distinct/users', terms);
    t.match(body, { coverage: 'complete', count: terms.timestamp === now ? 0 : 1 });
    t.notHas(body, { coverage_note: String });
  }
});

t.test('a series of minutes says it once for all', async (t) => {
  const from = new Date(late - MINUTE).toISOString();
  const to = new Date(late + MINUTE).toISOString();
  const { body } = await ask('timeseries/users', { from, to, step: '1m' });
  t.match(body, { coverage: 'expired', coverage_note: note });
  const hours = await ask('timeseries/users', { from, to, step: '1h' });
  t.match(hours.body, { coverage: 'complete' });
  t.notHas(hours.body, { coverage_note: String });
});

t.test('a range of old minutes is read from hours', async (t) => {
  const from = new Date(late - MINUTE).toISOString();
  const { body } = await ask('distinct/users', { from, to: new Date(late + MINUTE).toISOString() });
  t.match(body, { coverage: 'complete', count: 1, widened: true });
});
