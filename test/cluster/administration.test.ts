/** Administration on a cluster: walks go over all masters, and a purge deletes a system wherever it is. */
import t from 'tap';
import { slotOf } from '../../src/redis/cluster/slots.js';
import { directoryKeys, systemKey } from '../../src/redis/keys.js';
import { startAppOn } from '../support/app.js';
import { compliance, event, get, json, postRows, query, send } from '../support/http.js';
import { startCluster } from '../support/redis-cluster.js';
import { until } from '../support/until.js';

const cluster = await startCluster();
const { base, stop } = await startAppOn({ address: cluster.url });
t.teardown(async () => {
  await stop();
  await cluster.stop();
});

const systems = Array.from({ length: 12 }, (_, i) => `system ${i}`);
const rowsOf = (system: string, users: readonly string[]) =>
  users.map((user_id) => event({ system, user_id, metadata: { latency_ms: 5, endpoint: '/a' } }));
await postRows(
  base,
  systems.flatMap((system) => rowsOf(system, ['alice', 'bob'])),
);
const isOf = (system: string) => (key: string) => key.startsWith(systemKey(system));
const keysOf = async (system: string) => (await cluster.keys()).flat().filter(isOf(system)).sort();

interface Page {
  keys: { key: string }[];
  next: string | null;
}

/** All pages of a list. */
async function listed(parameters: Record<string, string | number>, cursor?: string): Promise<string[]> {
  const asked = query('/api/v1/admin/keys', { ...parameters, ...(cursor === undefined ? {} : { cursor }) });
  const { body } = await get<Page>(base, asked);
  const own = body.keys.map(({ key }) => key);
  return body.next === null ? own : [...own, ...(await listed(parameters, body.next))];
}
const once = (keys: readonly string[]) => [...new Set(keys)].sort();

interface Purge {
  done: boolean;
  systems: number;
  removed_keys: number;
  would_remove: { keys: number };
  confirm: string | null;
}
const ask = async (body: object) =>
  (
    await send<Purge>(base, {
      method: 'POST',
      path: '/api/v1/admin/purge',
      headers: json,
      body: JSON.stringify(body),
    })
  ).body;
const users = async (system: string) =>
  (await get<{ count: number }>(base, compliance('distinct/users', { system, window: '1d' }))).body.count;

t.test('the keys of all masters are listed, page by page', async (t) => {
  const nodes = await cluster.keys();
  const all = nodes.flat().filter((key) => key.startsWith('pt:{'));
  t.ok(nodes.every((keys) => keys.some((key) => key.startsWith('pt:{'))));
  t.strictSame(once(await listed({ limit: 50 })), all.sort());
  t.strictSame(once(await listed({ system: systems[3], limit: 1 })), await keysOf(systems[3]));
});

t.test('the keys of the directory are in one slot', async (t) => {
  t.equal(new Set(Object.values(directoryKeys).map(slotOf)).size, 1);
});

t.test('a system is counted and its sketches are looked into where they are', async (t) => {
  for (const system of systems) {
    const keys = await keysOf(system);
    const { body } = await get<{ keys: number }>(base, `/api/v1/admin/systems/${encodeURIComponent(system)}`);
    t.match(body, { keys: keys.length, complete: true });
    t.equal((await get(base, `/api/v1/admin/keys/${encodeURIComponent(keys[0])}`)).status, 200);
  }
});

t.test('a system is purged, the others stay, and it counts anew', async (t) => {
  const [system, other] = systems;
  const untouched = await keysOf(other);
  const { would_remove, confirm } = await ask({ system });
  t.equal(would_remove.keys, (await keysOf(system)).length);
  t.match(await ask({ confirm }), { done: true, systems: 0 });
  t.strictSame(await keysOf(system), []);
  t.strictSame(await keysOf(other), untouched);
  t.equal((await get(base, compliance('distinct/users', { system }))).status, 404);
  await postRows(base, rowsOf(system, ['alice']));
  t.equal(await users(system), 1);
});

t.test('systems of several masters are purged together', async (t) => {
  const chosen = systems.slice(2);
  const homes = await Promise.all(chosen.map((system) => cluster.homeOf(systemKey(system))));
  t.equal(new Set(homes).size, cluster.masters.length);
  const registered = async () =>
    (await get<{ systems: object[] }>(base, '/api/v1/systems')).body.systems.length;
  await until(
    async () => (await registered()) === systems.length,
    'the purged system to be registered again',
  );
  const { confirm } = await ask({ pattern: 'system *' });
  t.match(await ask({ confirm }), { done: true });
  for (const system of systems) t.strictSame(await keysOf(system), []);
  await postRows(base, rowsOf('after', ['alice']));
  t.equal(await users('after'), 1);
});

t.test('one master away: what is elsewhere is looked at and purged, a list of all is refused', async (t) => {
  const directory = await cluster.homeOf(directoryKeys.names);
  const away = cluster.masters.slice(1).find((node) => node !== directory) ?? cluster.masters[0];
  const home = async (system: string) => cluster.homeOf(systemKey(system));
  await postRows(
    base,
    systems.flatMap((system) => rowsOf(system, ['alice'])),
  );
  const places = await Promise.all(systems.map(home));
  const [there, here] = [
    systems.find((_, i) => places[i] === away),
    systems.find((_, i) => places[i] === directory),
  ];
  if (there === undefined || here === undefined) throw new Error('no system is there');
  away.server.process.kill('SIGKILL');
  const path = (system: string) => `/api/v1/admin/systems/${encodeURIComponent(system)}`;
  await until(async () => (await get(base, path(there))).status === 503, 'the loss to be noticed');
  t.equal((await get(base, path(here))).status, 200);
  t.equal((await get(base, '/api/v1/admin/keys?pattern=none*')).status, 503);
  const { confirm } = await ask({ system: here });
  t.match(await ask({ confirm }), { done: true });
  t.strictSame((await directory.direct.keys(`${systemKey(here)}*`)).length, 0);
});
