/** Plans: for how long what is known of keys is believed, whatever happens to the clock. */
import t from 'tap';
import { createPlanner } from '../../../src/events/hour-plan.js';
import { now, retention } from '../../support/write-path.js';

const HOUR_MS = 3_600_000;
const hourNow = Math.floor(now / HOUR_MS);

t.test('keys are believed in no longer than they live, counted from when they are written', async (t) => {
  const planner = createPlanner(retention);
  let elapsed = 5_000;
  for (const wall of [now, now - HOUR_MS, now + 9 * 60_000, now - 3 * HOUR_MS]) {
    planner.at(wall, elapsed);
    const plan = planner.hour(hourNow);
    const [, ttl] = plan.distinct[0].fine;
    t.ok(plan.hourUntil - elapsed <= Number(ttl) * 1_000, `${plan.hourUntil - elapsed} of ${ttl} s`);
    t.ok(plan.hourUntil - elapsed > 6 * 24 * HOUR_MS);
    elapsed += 60_000;
  }
});

t.test('keys of an old bucket are believed in for ten minutes of the monotonic clock', async (t) => {
  const planner = createPlanner(retention);
  for (const [wall, elapsed] of [
    [now, 1_000],
    [now - HOUR_MS, 61_000],
    [now + 9 * 60_000, 121_000],
  ]) {
    planner.at(wall, elapsed);
    t.equal(planner.hour(hourNow - 30 * 24).hourUntil, elapsed + 10 * 60_000);
  }
});

t.test('a clock that is set back does not keep plans that have aged', async (t) => {
  const planner = createPlanner(retention);
  t.ok(planner.at(now, 0));
  t.notOk(planner.at(now + 1_000, 1_000));
  t.ok(planner.at(now - HOUR_MS, 2_000));
});
