/**
 * `papertrail capacity`: what a stream of events and questions would need. It computes (`src/capacity`) and talks to
 * nobody. Every figure is in the unit that its line says; MB and GB are 10^6 and 10^9 bytes, as disks and networks count.
 */
import { measured } from '../capacity/measured.js';
import { memoryBytes } from '../capacity/memory.js';
import { type Plan, planFor } from '../capacity/plan.js';
import { type Demand, fileBytes } from '../capacity/use.js';
import { usageFailure } from './exit.js';
import { formatCount, formatFields, formatTable } from './text.js';

const bytes = (count: number): string => {
  const [unit, size] = count >= 1e12 ? ['TB', 1e12] : count >= 1e9 ? ['GB', 1e9] : ['MB', 1e6];
  const value = count / Number(size);
  return `${value >= 100 ? formatCount(value) : value.toPrecision(2)} ${unit}`;
};
const percent = (share: number) => `${Math.round(100 * share)}%`;
const some = (count: number, one: string, many = `${one}s`) =>
  `${formatCount(count)} ${count === 1 ? one : many}`;

/** Which bound is reached first where more comes, and how much of it is used at full load. */
function firstLimit({ busiest }: Plan['full']) {
  const limits: [name: string, used: number][] = [
    ['CPU of a service process', busiest.process],
    ['CPU of a Redis master', busiest.master],
    ['network of a Redis master', busiest.network],
    ['memory of a Redis master', busiest.memory],
  ];
  limits.sort((a, b) => b[1] - a[1]);
  return { name: limits[0][0], used: limits[0][1] };
}

/** Memory by kind of sketch, the largest first. */
function memoryBySketch({ memory }: Plan['use']) {
  const kinds = new Map<string, { keys: number; bytes: number }>();
  for (const { sketch, keys, bytesEach } of memory) {
    const before = kinds.get(sketch) ?? { keys: 0, bytes: 0 };
    kinds.set(sketch, { keys: before.keys + keys, bytes: before.bytes + keys * bytesEach });
  }
  return [...kinds].map(([sketch, sums]) => ({ sketch, ...sums })).sort((a, b) => b.bytes - a.bytes);
}

/** The plan as JSON. @throws Failure where there is none */
export function capacityOf(demand: Demand) {
  let plan: Plan;
  try {
    plan = planFor(demand);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw usageFailure(`no cluster is large enough: ${error.message}`);
  }
  const { size, use, full } = plan;
  return {
    demand,
    ...size,
    redis_processes: size.masters * (1 + demand.replicas),
    use: { ...use, memory: memoryBySketch(use) },
    memory_items: use.memory,
    memory_bytes: memoryBytes(use.memory),
    file_bytes: fileBytes(use),
    full: { ...full, memory: memoryBySketch(full) },
    /** Events/s that one of each takes at full load, questions left out. */
    events_per_second: {
      process: full.work.events / (full.serviceCores - full.questionCores.service),
      master: full.work.events / (full.redisCores - full.questionCores.redis),
    },
    first_limit: firstLimit(full),
    measured: { machine: measured.machine, date: measured.date },
  };
}

export type Capacity = ReturnType<typeof capacityOf>;

const groupOf = ({ work, groupsPerSecond }: Pick<Capacity['use'], 'work' | 'groupsPerSecond'>) =>
  `${formatCount(groupsPerSecond)} groups/s of ${formatCount(work.events / groupsPerSecond)} events and ` +
  `${(work.parts / groupsPerSecond).toFixed(1)} systems`;

/** Lines of a plan: what of it, and how much. */
function fieldsOf(plan: Capacity): [string, string][] {
  const { demand, processes, masters, shards, use, full } = plan;
  const { shape, replicas } = demand;
  const { bytes: flow, busiest } = use;
  const cluster = masters > 1 ? `a cluster of ${masters} masters` : 'one Redis';
  const spread = shards > 1 ? `, each system over ${shards} shards` : '';
  const perEvent = (cores: number, events: number) => `${((cores * 1e6) / events).toFixed(1)} us an event`;
  const nodeEach = perEvent(use.serviceCores - use.questionCores.service, demand.eventsPerSecond);
  const redisEach = perEvent(use.redisCores - use.questionCores.redis, demand.eventsPerSecond);
  const { process, master } = plan.events_per_second;
  return [
    [
      'events',
      `${formatCount(demand.eventsPerSecond)} a second, ${formatCount(demand.batch)} a request, ${some(shape.systems, 'system')}`,
    ],
    ['questions', `${formatCount(demand.questionsPerSecond)} a second`],
    [
      'service',
      `${some(processes, 'process', 'processes')}, ${bytes(processes * measured.processBytes)}; one takes ${formatCount(process)} events/s`,
    ],
    [
      'redis',
      `${cluster}${spread}; one takes ${formatCount(master)} events/s; with replicas ${some(plan.redis_processes, 'process', 'processes')}`,
    ],
    [
      'memory',
      `${bytes(plan.memory_bytes)} in all masters, ${bytes(plan.memory_bytes * (1 + replicas))} with replicas; ${percent(busiest.memory)} of what the fullest may take`,
    ],
    [
      'network',
      `${bytes(flow.eventsIn)}/s in, ${bytes(flow.answersOut)}/s out, ${bytes(flow.toRedis)}/s to Redis, ${bytes(flow.appended * replicas)}/s to replicas`,
    ],
    [
      'disk',
      `${bytes(flow.appended)}/s appended, ${bytes(plan.file_bytes.writtenPerSecond)}/s with rewriting, ${bytes(plan.file_bytes.onDisk)} at most`,
    ],
    [
      'as it is',
      `${groupOf(use)}; processes ${percent(busiest.process)} busy, ${nodeEach}; masters ${percent(busiest.master)}, ${redisEach}`,
    ],
    [
      'at full load',
      `${formatCount(full.work.events)} events/s, ${groupOf(full)}; processes ${percent(full.busiest.process)} busy, masters ${percent(full.busiest.master)}`,
    ],
    ['limits first', plan.first_limit.name],
    ['repeat filter', `knows ${percent(full.known)} of what comes again`],
    ['measured on', `${plan.measured.machine}, ${plan.measured.date}; speed ${demand.speed}`],
  ];
}

/** The plan as people read it. */
export function formatCapacity(plan: Capacity): string[] {
  const columns = ['sketch', 'keys', 'memory'].map((title, i) => ({ title, right: i > 0 }));
  const rows = plan.use.memory.map((row) => [row.sketch, formatCount(row.keys), bytes(row.bytes)]);
  return [...formatFields(fieldsOf(plan)), '', ...formatTable(columns, rows)];
}
