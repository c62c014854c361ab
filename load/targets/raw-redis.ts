/**
 * What the write path does without HTTP: the same rows, read, folded, merged and sent by the same code, from a loop in one
 * process, as many requests at once as there are connections otherwise. What the service does beyond this is HTTP, JSON
 * and whoever sends.
 *
 * Takes the address of a Redis, events a batch and requests at once; runs for as many seconds as it is told to by its parent,
 * and says how many events were acknowledged.
 */
import { pino } from 'pino';
import { monotonicClock, systemClock } from '../../src/clock.js';
import { loadConfig } from '../../src/config.js';
import { createMetrics } from '../../src/metrics.js';
import { connectionLimits } from '../../src/redis/connection.js';
import { openStore } from '../../src/redis/store.js';
import { openShards, openSpread } from '../../src/wiring/shards.js';
import { createWritePath } from '../../src/wiring/write-path.js';
import { until } from '../../test/support/until.js';
import { retention } from '../../test/support/write-path.js';
import { makeBodies } from '../streams/bodies.js';

const [address = '', batch = '', requests = ''] = process.argv.slice(2);
const config = loadConfig({});
const metrics = createMetrics();
const log = pino({ level: 'warn' });
const redis = openStore({ address, name: 'write', limits: connectionLimits(config), metrics, log });
let ids = 0;
const clock = systemClock;
const spread = openSpread(config);
const { ingest, directory } = createWritePath({
  redis,
  spread,
  shards: openShards({ redis, spread, config, retention }),
  config,
  retention,
  clock,
  monotonic: monotonicClock,
  metrics,
  log,
  randomId: () => `raw-${process.pid}-${ids++}`,
  pseudonyms: undefined,
});
const bodies = makeBodies({ batch: Number(batch), seed: 20_260_101, start: Date.now(), stepMs: 0.01 }).map(
  (body) => {
    const parsed = JSON.parse(body.toString()) as { events?: object[] };
    return { rows: parsed.events ?? [parsed], bytes: body.length };
  },
);
await until(() => redis.status === 'ready', 'a connection to Redis');
await directory.load();

async function run(seconds: number): Promise<{ events: number; seconds: number }> {
  let events = 0;
  let next = 0;
  const start = performance.now();
  const isOver = () => performance.now() - start >= seconds * 1_000;
  const work = async () => {
    while (!isOver()) {
      const { rows, bytes } = bodies[next++ % bodies.length];
      const { accepted } = await ingest.ingest({ rows: [...rows], bytes }, { strict: false }); // which empties the list
      events += accepted;
    }
  };
  await Promise.all(Array.from({ length: Number(requests) }, work));
  return { events, seconds: (performance.now() - start) / 1_000 };
}

process.on('message', async ({ seconds }: { seconds: number }) => process.send?.(await run(seconds)));
process.once('disconnect', () => process.exit(0));
process.send?.('ready');
