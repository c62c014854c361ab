/** The plan: it is the sum of its parts, keeps to its bounds, and more is never cheaper. */
import t from 'tap';
import { measured } from '../../../src/capacity/measured.js';
import { memoryBytes } from '../../../src/capacity/memory.js';
import { GROUP_EVENTS_MAX, planFor, WAITING_REQUESTS } from '../../../src/capacity/plan.js';
import { type Demand, useOf } from '../../../src/capacity/use.js';
import { workKinds } from '../../../src/capacity/work.js';
import { REQUESTS_ALWAYS } from '../../../src/events/admission.js';
import * as writer from '../../../src/events/writer.js';
import { demand } from '../../support/demands.js';

/** On one process and one Redis, each request a group. */
const useAlone = (wanted: Demand) =>
  useOf(wanted, { processes: 1, masters: 1, shards: 1 }, wanted.eventsPerSecond / wanted.batch);

t.test('CPU and bytes are the sum of the work, each part times what it costs', async (t) => {
  const { work, serviceCores, redisCores, bytes } = useAlone(demand());
  const sum = (costs: Record<string, number>) =>
    workKinds.map((kind) => work[kind] * costs[kind]).reduce((all, one) => all + one, 0);
  const { node, redis, sent, appended } = measured.events;
  const near = (a: number, b: number) => t.ok(Math.abs(a / b - 1) < 1e-9, `${a} is ${b}`);
  near(serviceCores * 1e6, sum(node));
  near(redisCores * 1e6, sum(redis));
  near(bytes.toRedis, sum(sent));
  near(bytes.appended, sum(appended));
});

t.test('questions cost what was measured, by where they are answered', async (t) => {
  const questions = { questionsPerSecond: 1_000, fromMemory: 0.5, fromRedis: 0.3, sketchesPerQuestion: 7 };
  const { service, redis } = useAlone(demand(questions)).questionCores;
  const { memory, shared, computed, sketch } = measured.questions;
  const node = 500 * memory.node + 300 * shared.node + 200 * (computed.node + 7 * sketch.node);
  t.ok(Math.abs(service * 1e6 - node) < 1e-6 * node);
  t.ok(redis > 0 && redis < service);
});

const inputs: [name: string, vary: (factor: number) => Demand][] = [
  ['events', (factor) => demand({ eventsPerSecond: 20_000 * factor })],
  ['questions', (factor) => demand({ questionsPerSecond: 1_000 * factor })],
  ['sketches a question', (factor) => demand({ questionsPerSecond: 1e4, sketchesPerQuestion: factor })],
  ['requests', (factor) => demand({ batch: 1_000 / factor })],
  ['slowness', (factor) => demand({ speed: 2 / factor })],
  ['headroom', (factor) => demand({ utilization: 0.9 / factor })],
  ['retention', (factor) => demand({ retention: scaled(factor) })],
  ['days', (factor) => demand({ days: factor })],
  ['systems', (factor) => demand({}, { systems: 5 * factor })],
  ['users', (factor) => demand({}, { users: 500 * factor })],
  ['sessions', (factor) => demand({}, { sessions: 500 * factor })],
  ['IPs', (factor) => demand({}, { ips: 500 * factor })],
  ['endpoints', (factor) => demand({}, { endpoints: 500 * factor })],
  ['numeric keys', (factor) => demand({}, { numericKeys: factor })],
];

function scaled(factor: number): Demand['retention'] {
  const { retention } = demand();
  const { minute, hour, day, week, month } = retention;
  return {
    minute: minute * factor,
    hour: hour * factor,
    day: day * factor,
    week: week * factor,
    month: month * factor,
  };
}

for (const [name, vary] of inputs) {
  t.test(`more ${name} never takes less`, async (t) => {
    const uses = [1, 2, 4, 8].map((factor) => useAlone(vary(factor)));
    const cores = uses.map((use) => use.serviceCores + use.redisCores);
    const memory = uses.map((use) => memoryBytes(use.memory));
    const sent = uses.map((use) => use.bytes.toRedis);
    for (const [i, values] of [cores, memory, sent].entries()) {
      // Ups and downs of a percent come from sizes that double.
      const isRising = values.every((value, at) => at === 0 || value >= values[at - 1] * 0.99);
      t.ok(isRising, `${['CPU', 'memory', 'bytes'][i]}: ${values.map((value) => value.toPrecision(4))}`);
    }
    const processes = [1, 8].map((factor) => planFor(vary(factor)).size);
    t.ok(processes[1].processes >= processes[0].processes);
    t.ok(processes[1].masters >= processes[0].masters);
  });
}

t.test('a plan keeps every bound at full load, and with less of anything it would not', async (t) => {
  for (const eventsPerSecond of [100, 50_000, 500_000, 5_000_000]) {
    const wanted = demand({ eventsPerSecond }, { systems: 200 });
    const { size, use, full } = planFor(wanted);
    t.ok(Math.abs(full.work.events / (eventsPerSecond / wanted.utilization) - 1) < 1e-9);
    t.equal(use.work.events, eventsPerSecond);
    for (const [name, used] of Object.entries(full.busiest)) t.ok(used <= 1, `${name} ${used}`);
    const isOver = (part: Partial<typeof size>) => {
      const most = { ...wanted, eventsPerSecond: full.work.events };
      const smaller = { ...size, ...part };
      return Object.values(useOf(most, smaller, full.groupsPerSecond).busiest).some((used) => used > 1);
    };
    if (size.processes > 1) t.ok(isOver({ processes: size.processes - 1 }), 'one process less');
    if (size.masters > 1) t.ok(isOver({ masters: size.masters - 1 }), 'one master less');
  }
});

t.test('one system that is more than a master can take is spread over shards, many are not', async (t) => {
  const one = planFor(demand({ eventsPerSecond: 3_000_000 }, { systems: 1 }));
  t.ok(one.size.shards > 1 && one.size.masters > 1, JSON.stringify(one.size));
  const many = planFor(demand({ eventsPerSecond: 500_000 }, { systems: 500 }));
  t.equal(many.size.shards, 1);
});

t.test('more than a cluster can take is said, not planned', async (t) => {
  t.throws(() => planFor(demand({ eventsPerSecond: 1e9, speed: 0.1 }, { systems: 1 })), RangeError);
});

t.test('groups are requests where there is time for each, and larger ones at full load', async (t) => {
  const few = planFor(demand({ eventsPerSecond: 1_000, batch: 100 }));
  t.equal(few.use.groupsPerSecond, 10);
  const singles = planFor(demand({ eventsPerSecond: 50_000, batch: 1 }));
  const { use, full } = singles;
  t.ok(use.groupsPerSecond < 50_000);
  t.ok(full.groupsPerSecond <= use.groupsPerSecond);
  t.ok(full.serviceCores / full.work.events < use.serviceCores / use.work.events, 'an event costs less');
});

t.test('groups are as large as the writer lets them be', async (t) => {
  t.equal(GROUP_EVENTS_MAX, writer.GROUP_EVENTS_MAX);
  t.equal(WAITING_REQUESTS, REQUESTS_ALWAYS);
});
