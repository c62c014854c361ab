/** Replicas that are waited for, breakers and health checks on a cluster: each of its masters for itself. */
import t from 'tap';
import { systemKey } from '../../src/redis/keys.js';
import { startAppOn } from '../support/app.js';
import { event, get, postRows } from '../support/http.js';
import { startCluster } from '../support/redis-cluster.js';
import { until } from '../support/until.js';

const cluster = await startCluster();
const config = {
  INGEST_WAIT_REPLICAS: 1,
  INGEST_WAIT_MS: 500,
  REDIS_INGEST_TIMEOUT_MS: 1_500,
  REDIS_HEALTH_CHECK_SECONDS: 1,
  REDIS_BREAKER_FAILURES_MAX: 1,
};
const [replicated, single] = cluster.masters;

/** A system that lives on a master. */
async function systemOn(node: object): Promise<string> {
  for (let i = 0; ; i++) if ((await cluster.homeOf(systemKey(`s${i}`))) === node) return `s${i}`;
}
const [safe, alone] = [await systemOn(replicated), await systemOn(single)];
const rowsOf = (systems: readonly string[]) => systems.map((system) => event({ system }));

/** Systems are known beforehand: the directory may live on a master without a replica. */
const unhurried = await startAppOn({ address: cluster.url });
await postRows(unhurried.base, rowsOf([safe, alone]));
await unhurried.stop();

const { base, stop } = await startAppOn({ address: cluster.url, config });
t.teardown(async () => {
  await stop();
  await cluster.stop();
});
const postTo = (...systems: string[]) => postRows(base, rowsOf(systems));

interface Ready {
  checks: Record<string, string>;
  connections: { name: string; state: string; breaker: string }[];
}
const readiness = () => get<Ready>(base, '/readyz?verbose');

t.test('events of a master whose replica has them are acknowledged', async (t) => {
  t.equal((await postTo(safe)).status, 201);
});

t.test('where a master has too few replicas the sender is told, though the events are stored', async (t) => {
  for (const systems of [[alone], [alone, safe]]) {
    const { status, body } = await postTo(...systems);
    t.match({ status, body }, { status: 503, body: { code: 'outcome_unknown', detail: /0 of 1 replicas/ } });
  }
  t.equal((await single.direct.keys(`${systemKey(alone)}:count:*`)).length > 0, true);
});

t.test('each connection to a master is shown, and none is broken', async (t) => {
  const { status, body } = await readiness();
  t.equal(status, 200);
  t.equal(body.connections.length, 6);
  for (const one of body.connections) t.match(one, { state: 'ready', breaker: 'closed' });
});

t.test('a master that hangs is found by the health check, and opens its own breaker only', async (t) => {
  single.server.process.kill('SIGSTOP');
  t.teardown(() => single.server.process.kill('SIGCONT'));
  const ill = async () => (await readiness()).body.connections.filter(({ breaker }) => breaker !== 'closed');
  const isWriteOpen = async () => (await ill()).some(({ name }) => name === 'papertrail-write');
  await until(isWriteOpen, 'the breaker of writes to open');
  t.match(await postTo(alone), { status: 503, body: { code: 'redis_unavailable' } }, 'at once');
  t.equal((await postTo(safe)).status, 201, 'the others are written to');
  t.match(await readiness(), { status: 200, body: { checks: { breaker: 'ok' } } });
  t.match((await get(base, '/metrics')).text, /^papertrail_redis_breaker_state{connection="write"} [12]$/m);
  single.server.process.kill('SIGCONT');
  await until(async () => (await ill()).length === 0, 'the breakers to close');
});
