/**
 * Failover by a real Sentinel while events come in: the master is killed, the replica takes over, and the service goes
 * on by itself. Whatever was acknowledged with one replica waited for is there afterwards.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { startApp } from '../support/app.js';
import { compliance, event, get, postRows } from '../support/http.js';
import { startRedis } from '../support/redis-server.js';
import { freePort, listening, startPair } from '../support/replication.js';
import { until } from '../support/until.js';
import '../support/watch.js';

const name = 'the-master';
const { master, masterPort, replica, replicaPort } = await startPair();
const sentinelPort = await freePort();
const configuration = join(replica.dir, 'sentinel.conf');
writeFileSync(
  configuration,
  [
    `port ${sentinelPort}`,
    'bind 127.0.0.1',
    `dir ${replica.dir}`,
    `sentinel monitor ${name} 127.0.0.1 ${masterPort} 1`,
    `sentinel down-after-milliseconds ${name} 300`,
    `sentinel failover-timeout ${name} 3000`,
  ].join('\n'),
);
const sentinel = spawn('redis-server', [configuration, '--sentinel'], { stdio: 'ignore' });
const killNow = () => sentinel.kill('SIGKILL');
process.once('exit', killNow);

const address = `redis+sentinel://127.0.0.1:1,127.0.0.1:${sentinelPort}/${name}`;
const config = { INGEST_WAIT_REPLICAS: 1, INGEST_WAIT_MS: 300, REDIS_INGEST_TIMEOUT_MS: 1_000 };
const { base, stop } = await startApp({ config, redis: master, address });
let returned = master;
t.teardown(async () => {
  await stop();
  const ended = once(sentinel, 'exit');
  sentinel.kill('SIGKILL');
  await ended;
  await returned.stop();
  await replica.stop();
  await master.stop();
});

const acknowledged: string[] = [];
const codes = new Map<string, number>();
let sent = 0;

/** Sends one event; whether it was acknowledged. */
async function store(): Promise<boolean> {
  const user_id = `user-${sent++}`;
  const { status, body } = await postRows(base, [event({ user_id })]);
  const outcome = status === 201 ? 'stored' : body.code;
  codes.set(outcome, (codes.get(outcome) ?? 0) + 1);
  if (status === 201) acknowledged.push(user_id);
  return status === 201;
}

t.test('the master that the Sentinels know is found, past one that is away', async (t) => {
  for (let i = 0; i < 20; i++) t.ok(await store());
});

t.test('the master is killed while events come in: nothing acknowledged is lost', async (t) => {
  const before = acknowledged.length;
  let isKilled = false;
  for (let i = 0; i < 200; i++) {
    if (i === 50) {
      isKilled = master.process.kill('SIGKILL');
      await once(master.process, 'exit');
    }
    if (!(await store()) && isKilled) break;
  }
  t.ok(acknowledged.length >= before + 50);
  await until(async () => (await get(base, '/readyz')).status === 200, 'the service to find the new master');

  t.equal(await store(), false, 'the new master has no replica: nothing is acknowledged');
  t.ok(codes.get('outcome_unknown'), 'and the sender is told that it may be lost');
  returned = await startRedis([...listening(masterPort), '--replicaof', '127.0.0.1', String(replicaPort)]);
  await until(store, 'a replica of the new master');
  t.comment(`${acknowledged.length} of ${sent} acknowledged`, Object.fromEntries(codes));

  const missing: string[] = [];
  for (const user_id of acknowledged) {
    const path = compliance('activity/check', { system: 'crm', user_id });
    const { status, body } = await get<{ accessed: boolean }>(base, path);
    if (status !== 200 || !body.accessed) missing.push(user_id);
  }
  t.strictSame(missing, []);
  t.strictSame(
    [...codes.keys()].filter((code) => !['stored', 'redis_unavailable', 'outcome_unknown'].includes(code)),
    [],
    'nothing else was ever answered',
  );
});
