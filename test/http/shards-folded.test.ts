/**
 * Time passes over a system that was spread, more and less over time: its days are folded by the shard, hours and days
 * expire, and at every instant the answers and what they say to cover are those of the same events in a service that
 * spreads nothing.
 */
import { Redis } from 'ioredis';
import t from 'tap';
import { shardNames } from '../../src/redis/shard-names.js';
import { startApp } from '../support/app.js';
import { withoutAsOf } from '../support/as-of.js';
import { historyEnd, makeHistory } from '../support/history.js';
import { compliance, get, postRows } from '../support/http.js';
import { startRedis } from '../support/redis-server.js';
import { createRollupProcess } from '../support/rollups.js';
import { letPass } from '../support/time-travel.js';
import { distinctMetricNames, topMetricNames } from '../support/truth.js';

const DAY = 86_400_000;
const shardsMost = 6;
const clock = { at: historyEnd, now: () => clock.at };
const plain = await startApp({ clock });
const server = await startRedis();
const events = makeHistory(400, 5).sort((a, b) => Date.parse(a.timestamp) - Date.parse(b.timestamp));
await postRows(plain.base, events);

/** Stores the next events in a service with some setting. */
async function storeSpread(shards: number, count: number) {
  const config = shards > 1 ? { SYSTEM_SHARDS: `crm=${shards}` } : {};
  const app = await startApp({ clock, redis: server, config });
  await postRows(app.base, rest.splice(0, count));
  return app;
}
const rest = [...events];
await (await storeSpread(1, 100)).stop();
await (await storeSpread(shardsMost, 150)).stop();
const spread = { ...(await storeSpread(3, 150)), redis: server };
const services = [plain, spread];
const connections = services.map(({ redis }) => new Redis(redis.url, { protocol: 2 }));
const shardsOf = (system: string) => shardNames(system, system === 'crm' ? shardsMost : 1);
const leaders = await Promise.all(
  services.map(({ redis: { socket } }, i) =>
    createRollupProcess({ socket, holderId: 'one', clock, ...(i === 1 ? { shardsOf } : {}) }),
  ),
);
t.teardown(async () => {
  for (const { close } of leaders) close();
  for (const connection of connections) connection.disconnect();
  for (const { stop } of services) await stop();
  await server.stop();
});

/** Lets time pass until so many days after the events, and folds what is due. */
async function travel(days: number): Promise<void> {
  const passed = historyEnd + days * DAY - clock.at;
  for (const connection of connections) await letPass(connection, passed);
  clock.at += passed;
  for (const { round } of leaders) await round();
}

const iso = (at: number) => new Date(at).toISOString();
const questions = ['crm', '*'].flatMap((system) => [
  ...[historyEnd, historyEnd - 3 * DAY].flatMap((at) => [
    compliance(`summary/${encodeURIComponent(system)}`, { timestamp: iso(at) }),
    ...['1h', '1d', '1w', '1M'].flatMap((window) =>
      distinctMetricNames.map((metric) =>
        compliance(`distinct/${metric}`, { system, window, timestamp: iso(at) }),
      ),
    ),
    ...['1h', '1d', '1w'].flatMap((window) =>
      topMetricNames.map((metric) =>
        compliance(`top/${metric}`, { system, window, timestamp: iso(at), k: 1_000 }),
      ),
    ),
  ]),
  compliance('top/endpoints', { system, from: iso(historyEnd - 12.7 * DAY), to: iso(historyEnd) }),
  compliance('distinct/ips', { system, from: iso(historyEnd - 39.1 * DAY), to: iso(historyEnd) }),
  ...['events', 'logins', 'failed_logins'].map((metric) =>
    compliance(`timeseries/${metric}`, { system, from: iso(historyEnd - 0.3 * DAY), to: iso(historyEnd) }),
  ),
]);

// Days are folded after 1, sealed before 7, when their hours expire, and expire themselves after 90.
for (const days of [0, 1.5, 6.5, 8, 40, 89, 95, 400, 740]) {
  t.test(`${days} days later`, async (t) => {
    await travel(days);
    const coverages = new Set<unknown>();
    for (const path of questions) {
      const [there, here] = await Promise.all(
        services.map(({ base }) => get<{ coverage: string }>(base, path)),
      );
      t.equal(here.status, 200, path);
      t.strictSame(withoutAsOf(here.body), withoutAsOf(there.body), path);
      coverages.add(here.body.coverage);
    }
    t.ok(coverages.has(days < 740 ? 'complete' : 'expired'), [...coverages].join());
  });
}
