/** Invalidation through the API: what was answered before is computed anew, as far as was asked and no further. */
import t, { type Test } from 'tap';
import { startApp } from '../support/app.js';
import { compliance, event, get, json, postRows, send } from '../support/http.js';
import { startServiceProcess } from '../support/service-process.js';
import { until } from '../support/until.js';

const { base, redis, stop } = await startApp({ config: { QUERY_CACHE: 'on' } });
t.teardown(stop);

const path = '/api/v1/admin/cache/invalidate';
const invalidate = (body: unknown, at = base) =>
  send<{ code: string; detail: string }>(at, {
    method: 'POST',
    path,
    headers: json,
    body: JSON.stringify(body),
  });
// Of an hour that is not over: late events do not make answers about it invalid.
const timestamp = Date.now();
const row = (system: string, user_id: string) => event({ system, user_id, timestamp });
let names = 0;
const someSystem = () => `system-${names++}`;
const users = (system: string) => compliance('distinct/users', { system, timestamp, window: '1h' });
const top = (system: string) => compliance('top/active_users', { system, timestamp, window: '1h' });

/** Whether the answers to these questions come from the cache. */
async function areHits(t: Test, paths: Record<string, boolean>): Promise<void> {
  for (const [asked, isHit] of Object.entries(paths)) {
    t.match(
      String((await get(base, asked)).headers['cache-status']),
      isHit ? /; hit;/ : /fwd=miss; stored/,
      asked,
    );
  }
}

t.test('answers about the systems named are computed anew, and those about all systems', async (t) => {
  const [one, other] = [someSystem(), someSystem()];
  await postRows(base, [row(one, 'ada'), row(other, 'ada')]);
  for (const asked of [users(one), top(one), users(other), users('*')]) await get(base, asked);
  const answer = await invalidate({ systems: [one] });
  t.match(answer, { status: 200, body: { invalidated: { systems: [one], endpoint: '*' } } });
  await areHits(t, { [users(one)]: false, [top(one)]: false, [users(other)]: true, [users('*')]: false });
});

t.test('answers of the endpoint named are computed anew', async (t) => {
  const system = someSystem();
  await postRows(base, [row(system, 'ada')]);
  for (const asked of [users(system), top(system)]) await get(base, asked);
  const answer = await invalidate({ systems: [system], endpoint: 'top' });
  t.match(answer, { status: 200, body: { invalidated: { systems: [system], endpoint: 'top' } } });
  await areHits(t, { [users(system)]: true, [top(system)]: false });
});

for (const [name, body] of Object.entries({ 'without a name': {}, 'with *': { systems: ['*'] } })) {
  t.test(`all answers are computed anew ${name}, and new systems are among all at once`, async (t) => {
    const [known, fresh] = [someSystem(), someSystem()];
    await postRows(base, [row(known, 'ada')]);
    for (const asked of [users(known), users('*')]) await get(base, asked);
    await postRows(base, [row(fresh, `the user of ${fresh}`)]);
    t.match(await invalidate(body), { status: 200, body: { invalidated: { systems: '*', endpoint: '*' } } });
    const all = await get<{ systems_asked: number }>(base, users('*'));
    t.equal(all.body.systems_asked, names, 'every system');
    await areHits(t, { [users(known)]: false });
  });
}

t.test('other processes follow within moments', async (t) => {
  const other = await startServiceProcess(redis, { QUERY_CACHE: 'on' });
  t.teardown(() => other.kill());
  const system = someSystem();
  const asked = users(system);
  const count = async () => (await get<{ count: number }>(other.base, asked)).body.count;
  await postRows(base, [row(system, 'ada')]);
  t.equal(await count(), 1);
  await postRows(base, [row(system, 'bob')]);
  t.equal(await count(), 1, 'from its cache');
  await invalidate({ systems: [system] });
  await until(async () => (await count()) === 2, 'an answer of now');
  t.equal(await count(), 2);
});

t.test('what is wrong is a 400 that names it', async (t) => {
  for (const [body, pointer] of [
    [{ systems: [] }, '/systems'],
    [{ systems: Array.from({ length: 1_001 }, String) }, '/systems'],
    [{ systems: [''] }, '/systems/0'],
    [{ endpoint: 'summaries' }, '/endpoint'],
    [{ system: 'crm' }, '/system'],
    [[], ''],
  ] as const) {
    const answer = await invalidate(body);
    t.match(answer, { status: 400, body: { code: 'parameter_invalid', errors: [{ pointer }] } });
  }
});

t.test('the endpoints that can be named are the questions whose answers are cached', async (t) => {
  type Operation = { operationId: string };
  const { body } = await get<{ paths: Record<string, Record<string, Operation>> }>(base, '/openapi.json');
  const operations = Object.entries(body.paths).flatMap(([name, { get: one }]) =>
    one && name.startsWith('/api/v1/compliance/') ? [one.operationId] : [],
  );
  t.ok(operations.length > 5);
  for (const endpoint of operations) t.equal((await invalidate({ endpoint })).status, 200, endpoint);
  const { detail } = (await invalidate({ endpoint: '?' })).body;
  const allowed = detail.split(': ').at(-1)?.split(', ') ?? [];
  t.strictSame(allowed.sort(), operations.sort());
});

t.test('Redis is away: a 503 that says when to try again', async (t) => {
  redis.process.kill('SIGKILL');
  await until(async () => (await get(base, '/readyz')).status === 503, 'the loss to be noticed');
  const answer = await invalidate({});
  t.match(answer, { status: 503, body: { code: 'redis_unavailable' } });
  t.ok(Number(answer.headers['retry-after']) >= 1);
});
