/** The model of memory against a Redis that the service has filled with a day of events. */
import { Redis } from 'ioredis';
import t from 'tap';
import { evenEvents } from '../../../load/streams/even.js';
import { memoryBytes, memoryItems } from '../../../src/capacity/memory.js';
import type { Shape } from '../../../src/capacity/work.js';
import { parseKey } from '../../../src/redis/keys.js';
import { DAY_MS } from '../../../src/windows/civil.js';
import { startApp } from '../../support/app.js';
import { retention } from '../../support/write-path.js';

const start = Date.UTC(2026, 0, 14);
const BATCH = 1_000;
/** How far the model may be off: all of it, and a sketch that takes some of it. */
const TOTAL_OFF_MAX = 0.15;
const SKETCH_OFF_MAX = 0.3;
const SKETCH_SHARE_MIN = 0.05;
/** What MEMORY USAGE leaves out of a key: its lifetime and its places in tables. */
const UNTOLD_BYTES = 75;

const cases: { events: number; shape: Shape }[] = [
  {
    events: 150_000,
    shape: { systems: 4, users: 3_000, sessions: 3_000, ips: 3_000, endpoints: 200, numericKeys: 2 },
  },
  {
    events: 50_000,
    shape: { systems: 50, users: 100, sessions: 100, ips: 100, endpoints: 200, numericKeys: 1 },
  },
];

/** Bytes by sketch, as Redis says. */
async function weigh(redis: Redis): Promise<Map<string, number>> {
  const bytes = new Map<string, number>();
  for await (const page of redis.scanStream({ count: 1_000 })) {
    const keys = page as string[];
    const sizes = await Promise.all(keys.map((key) => redis.memory('USAGE', key, 'SAMPLES', 0)));
    keys.forEach((key, i) => {
      const kind = parseKey(key)?.sketch?.kind ?? '';
      bytes.set(kind, (bytes.get(kind) ?? 0) + Number(sizes[i]) + UNTOLD_BYTES);
    });
  }
  return bytes;
}

for (const { events, shape } of cases) {
  t.test(`memory of ${shape.systems} systems after a day is what the model says, within 15%`, async (t) => {
    const { app, redis: server, stop } = await startApp({ clock: { now: () => start + DAY_MS - 1 } });
    t.teardown(stop);
    const stream = evenEvents({ shape, seed: 7, start, stepMs: DAY_MS / events });
    for (let sent = 0; sent < events; sent += BATCH) {
      const payload = Array.from({ length: BATCH }, () => stream.next().value);
      const answer = await app.inject({ method: 'POST', url: '/api/v1/events/batch', payload });
      t.equal(answer.statusCode, 201);
    }
    const redis = new Redis(server.socket, { protocol: 2 });
    t.teardown(() => redis.disconnect());
    const used = Number(/^used_memory:(\d+)/m.exec(await redis.info('memory'))?.[1]);
    const groupsPerSecond = events / BATCH / (DAY_MS / 1_000);
    const items = memoryItems(shape, {
      eventsPerSecond: events / (DAY_MS / 1_000),
      partsPerSecond: groupsPerSecond * shape.systems,
      retention,
      days: 1,
    });
    const ratio = memoryBytes(items) / used;
    t.ok(Math.abs(ratio - 1) < TOTAL_OFF_MAX, `predicted is ${ratio.toFixed(2)} of what is used`);
    for (const [kind, bytes] of await weigh(redis)) {
      const predicted = memoryBytes(items.filter(({ sketch }) => sketch === kind));
      if (bytes < SKETCH_SHARE_MIN * used) continue;
      t.ok(Math.abs(predicted / bytes - 1) < SKETCH_OFF_MAX, `${kind}: ${(predicted / bytes).toFixed(2)}`);
    }
  });
}
