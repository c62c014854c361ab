/** What nobody would send on purpose. `load/fuzz.ts` does the same as often as asked. */
import t from 'tap';
import { startApp } from '../support/app.js';
import { fuzz, strayKeys } from '../support/fuzz.js';

const CASES = 5_000;

const { base, redis, stop } = await startApp({ config: { QUERY_CACHE: 'on' } });
t.teardown(stop);

t.test('no request is answered with a 5xx, hangs or reaches a key that is not its own', async (t) => {
  const statuses = await fuzz({ base, cases: CASES, seed: 20_260_101 });
  const count = [...statuses.values()].reduce((sum, one) => sum + one, 0);
  t.equal(count, CASES);
  for (const status of [200, 201, 400, 404, 405, 415]) t.ok(statuses.has(status), `some are a ${status}`);
  t.strictSame(await strayKeys(redis), []);
  t.equal((await fetch(`${base}/readyz`)).status, 200, 'and the service is well');
});
