/**
 * Four processes of the service on one Redis take in the same systems at once, over many connections, in
 * bodies of all sizes. Whatever they answered 201 to is counted once and only once, as if one had done it all.
 */
import { Redis } from 'ioredis';
import t from 'tap';
import { realisticEvents } from '../../load/streams/events.js';
import { placesOf } from '../../src/compliance/place.js';
import { askMembership } from '../../src/compliance/set-questions.js';
import { sketchKey } from '../../src/redis/keys.js';
import { digestElementsMax } from '../../src/redis/scripts.js';
import { parseCounterField } from '../../src/sketches/counters.js';
import { relativeStandardError } from '../../src/sketches/hyperloglog.js';
import { counterMetric, eventTypes } from '../../src/sketches/registry.js';
import { bucketAt } from '../../src/windows/bucket.js';
import { HOUR_MS } from '../../src/windows/civil.js';
import { compliance, get } from '../support/http.js';
import { startRedis } from '../support/redis-server.js';
import { type ServiceProcess, startServiceProcess } from '../support/service-process.js';
import { distinctMetricNames, type StreamEvent, topMetricNames, truthOf } from '../support/truth.js';

const processes = 4;
const connectionsEach = 12;
const bodySizes = [1, 1, 1, 3, 10, 40, 150, 600];
const eventsTotal = 30_000;
/** The whole hour before this one, so that minutes are kept too, whatever the clock says. */
const start = (Math.floor(Date.now() / HOUR_MS) - 1) * HOUR_MS;
const span = { from: start, to: start + HOUR_MS };
const timestamp = new Date(start).toISOString();

function makeEvents(): StreamEvent[] {
  const stream = realisticEvents({ seed: 20_260_131, start, stepMs: HOUR_MS / eventsTotal });
  return Array.from({ length: eventsTotal }, () => stream.next().value as StreamEvent);
}

function bodiesOf(events: readonly StreamEvent[]): StreamEvent[][] {
  const bodies: StreamEvent[][] = [];
  for (let at = 0; at < events.length; ) {
    const size = bodySizes[bodies.length % bodySizes.length];
    bodies.push(events.slice(at, at + size));
    at += size;
  }
  return bodies;
}

const events = makeEvents();
const truth = truthOf(events);
const redis = await startRedis();
const connection = new Redis(redis.url, { protocol: 2 });
const services: ServiceProcess[] = [];
t.teardown(async () => {
  connection.disconnect();
  await Promise.all(services.map((service) => service.kill()));
  await redis.stop();
});
services.push(...(await Promise.all(Array.from({ length: processes }, () => startServiceProcess(redis)))));

/** Any of the processes, each in its turn. */
let turn = 0;
const anyBase = () => services[turn++ % processes].base;

async function ask<Body>(path: string, parameters: Record<string, string | number>): Promise<Body> {
  const answer = await get<Body>(anyBase(), compliance(path, { timestamp, ...parameters }));
  if (answer.status !== 200) throw new Error(`${path}: ${answer.status} ${answer.text}`);
  return answer.body;
}

async function sendAll(bodies: readonly StreamEvent[][]): Promise<Map<number, number>> {
  const statuses = new Map<number, number>();
  const queue = bodies.values();
  async function connectionOf({ base }: ServiceProcess): Promise<void> {
    for (const body of queue) {
      const answer = await fetch(`${base}/api/v1/events/batch`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ events: body }),
      });
      await answer.arrayBuffer();
      statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
    }
  }
  const all = services.flatMap((service) => Array<ServiceProcess>(connectionsEach).fill(service));
  await Promise.all(all.map(connectionOf));
  return statuses;
}

t.test('every body is acknowledged', async (t) => {
  const bodies = bodiesOf(events);
  t.strictSame(await sendAll(bodies), new Map([[201, bodies.length]]));
});

t.test('every top-k count below the capacity of the list is exact', async (t) => {
  type Top = { items: { item: string; count: number; lower: number; guaranteed: boolean }[]; floor: number };
  for (const metric of topMetricNames) {
    for (const system of truth.systems) {
      const { items, floor } = await ask<Top>(`top/${metric}`, { system, window: '1h', k: 1_000 });
      const wanted = truth.top(metric, system, span);
      t.ok(wanted.length < 1_000, 'the list has room for all');
      t.equal(floor, 0);
      t.strictSame(
        items.map(({ item, count }) => [item, count]),
        wanted,
        `${metric} of ${system}`,
      );
      t.ok(items.every((item) => item.lower === item.count && item.guaranteed));
    }
  }
});

t.test('no user and no IP that was there is denied', async (t) => {
  const day = bucketAt('day', start);
  for (const metric of ['users', 'ips']) {
    let asked = 0;
    for (const system of truth.systems) {
      const values = [...truth.distinct(metric, system, span)];
      const questions = values.map((value) => askMembership(metric, value, placesOf([system], [day])));
      const replies = await Promise.all(
        questions.map(({ calls: [call] }) => connection.callBuffer(call.name, call.args)),
      );
      const denied = values.filter((_, i) => !questions[i].decode([replies[i]]).found);
      t.strictSame(denied, [], `${metric} of ${system}`);
      asked += values.length;
    }
    t.ok(asked > 3_000, `${asked} ${metric}`);
  }
});

t.test('distinct counts lie within four standard errors, in every window', async (t) => {
  type Distinct = { count: number; coverage: string };
  const late = start + 47 * 60_000;
  const windows = [
    { window: '15m', from: start + 45 * 60_000, to: start + HOUR_MS },
    ...['1h', '1d', '1w', '1M'].map((window) => ({ window, ...span })),
  ];
  for (const { window, from, to } of windows) {
    for (const metric of distinctMetricNames) {
      for (const system of truth.systems) {
        const wanted = truth.distinct(metric, system, { from, to }).size;
        const parameters = { system, window, timestamp: new Date(late).toISOString() };
        const { count, coverage } = await ask<Distinct>(`distinct/${metric}`, parameters);
        const slack = 2 + 4 * relativeStandardError(wanted) * wanted;
        const inBounds = coverage === 'complete' && Math.abs(count - wanted) <= slack;
        if (!inBounds) t.fail(`${metric} of ${system}, ${window}: ${count} for ${wanted}, ${coverage}`);
      }
    }
  }
});

t.test('every counter of events by minute and type is exact', async (t) => {
  for (const system of truth.systems) {
    const stored = await connection.hgetall(
      sketchKey(system, 'count', counterMetric, bucketAt('day', start)),
    );
    const counted = Object.entries(stored).map(([field, count]) => {
      const { minuteOfDay, typeCode } = parseCounterField(field);
      return [`${minuteOfDay}:${eventTypes[typeCode]}`, Number(count)] as const;
    });
    t.strictSame(new Map(counted.sort()), new Map([...truth.minutes(system, span)].sort()), system);
  }
});

t.test('every sample is in the percentiles, and their values are right to two points', async (t) => {
  type Percentiles = { count: number; min: number; max: number; percentiles: Record<string, number> };
  for (const metric of ['latency_ms', 'bytes']) {
    for (const system of truth.systems) {
      const samples = truth.samples(metric, system, span);
      const answer = await ask<Percentiles>(`percentiles/${metric}`, { system, window: '1h' });
      t.match(
        answer,
        { count: samples.length, min: samples[0], max: samples.at(-1) },
        `${metric} of ${system}`,
      );
      for (const percent of [50, 95, 99]) {
        const rank = samples.filter((sample) => sample <= answer.percentiles[`p${percent}`]).length;
        const error = Math.abs(rank / samples.length - percent / 100);
        t.ok(error <= 0.02, `${metric} of ${system}: p${percent} is off by ${error}`);
      }
    }
  }
});

t.test('no digest list is longer than it may be', async (t) => {
  const lists = await connection.keys('pt:*:digest:*');
  const lengths = await Promise.all(lists.map((list) => connection.llen(list)));
  t.equal(lists.length, 2 * truth.systems.length);
  t.ok(Math.max(...lengths) <= digestElementsMax, `${Math.max(...lengths)}`);
});
