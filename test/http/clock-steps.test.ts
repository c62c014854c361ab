/** A clock that is set back by an hour or ahead by nine minutes changes nothing that is measured within the process. */
import t, { type Test } from 'tap';
import { attemptsMax, attemptsWindowSeconds } from '../../src/access/attempts.js';
import type { Config } from '../../src/config.js';
import { startApp } from '../support/app.js';
import { compliance, event, get, postRows, send } from '../support/http.js';
import { bearer, environmentOf, makeKey } from '../support/keys.js';
import { until } from '../support/until.js';

const MINUTE = 60_000;
const steps = { 'back by an hour': -60 * MINUTE, 'ahead by nine minutes': 9 * MINUTE };

/** A service whose clocks the test moves. */
async function start(test: Test, config: Partial<Config>) {
  const clocks = { wall: Date.UTC(2026, 0, 31, 13, 20), elapsed: 0 };
  const { base, stop } = await startApp({
    config,
    clock: { now: () => clocks.wall },
    monotonic: { now: () => clocks.elapsed },
  });
  test.teardown(stop);
  return { base, clocks };
}

const question = compliance('distinct/users', { system: '*' });

for (const [name, step] of Object.entries(steps)) {
  t.test(`the clock is set ${name}`, async (t) => {
    t.test('an address that was refused too often stays so for its minute, and no longer', async (t) => {
      const key = makeKey();
      const { base, clocks } = await start(t, { API_KEYS: environmentOf(key) });
      const refused = async () =>
        (await send(base, { path: question, headers: { 'x-api-key': 'wrong' } })).status;
      for (let i = 0; i < attemptsMax; i++) t.equal(await refused(), 401);
      clocks.wall += step;
      t.equal(await refused(), 429);
      t.equal((await send(base, { path: question, headers: bearer(key) })).status, 200);
      clocks.elapsed += attemptsWindowSeconds * 1_000;
      t.equal(await refused(), 401);
    });

    t.test('a quota that is used up is neither filled nor kept empty by it', async (t) => {
      const { base, clocks } = await start(t, { LIMIT_QUERIES_PER_SECOND: 5 });
      const ask = async () => (await get(base, question)).status;
      while ((await ask()) === 200);
      clocks.wall += step;
      t.equal(await ask(), 429);
      await until(async () => {
        clocks.elapsed += 100; // and Redis fills the bucket meanwhile
        return (await ask()) === 200;
      }, 'the quota to be filled');
    });

    t.test('a new system is among all of them as soon as ever', async (t) => {
      const { base, clocks } = await start(t, {});
      const asked = async () => (await get<{ systems_asked: number }>(base, question)).body.systems_asked;
      t.equal(await asked(), 0);
      await postRows(base, [event()]);
      clocks.wall += step;
      clocks.elapsed += 6_000;
      t.equal(await asked(), 1);
    });
  });
}
