/**
 * The options of `papertrail capacity`: one table of what can be said about a stream and about the machines for it, each
 * with its range, and the demand that they describe. Where the service has a setting of that meaning, its default is the one here.
 */
import type { Demand } from '../capacity/use.js';
import { settings } from '../config.js';
import { usageFailure } from './exit.js';

export interface CapacityOption {
  name: string;
  description: string;
  least: number;
  most: number;
  /** None: it has to be given, or follows from others. */
  fallback?: number;
}

const setting = (name: keyof typeof settings.properties): number =>
  (settings.properties[name] as { default?: number }).default ?? 0;

const retentionOption = (grain: string, name: keyof typeof settings.properties): CapacityOption => ({
  name: `retention-${grain}-seconds`,
  description: `as ${name}`,
  least: 60,
  most: 3_660 * 86_400,
  fallback: setting(name),
});

const MANY = 1e9;

/** What can be said about a stream, and the machines for it. */
export const capacityOptions: readonly CapacityOption[] = [
  { name: 'events-per-second', description: 'how many events come', least: 1, most: MANY },
  { name: 'batch', description: 'events a request', least: 1, most: 1e6, fallback: 1_000 },
  { name: 'event-bytes', description: 'of an event in a body', least: 1, most: 1e6, fallback: 350 },
  { name: 'systems', description: 'systems, all alike', least: 1, most: 1e6, fallback: 20 },
  {
    name: 'users',
    description: 'different ones in a system and day',
    least: 0,
    most: MANY,
    fallback: 10_000,
  },
  { name: 'sessions', description: 'the same of sessions (default: as users)', least: 0, most: MANY },
  { name: 'ips', description: 'the same of IPs (default: as users)', least: 0, most: MANY },
  { name: 'endpoints', description: 'the same of endpoints', least: 0, most: MANY, fallback: 200 },
  {
    name: 'numeric-keys',
    description: 'numbers in the metadata of an event',
    least: 0,
    most: 32,
    fallback: 2,
  },
  { name: 'questions-per-second', description: 'how many questions come', least: 0, most: MANY, fallback: 0 },
  {
    name: 'from-memory-percent',
    description: 'answered from the memory of a process',
    least: 0,
    most: 100,
    fallback: 95,
  },
  {
    name: 'from-redis-percent',
    description: 'answered from Redis; the rest is computed',
    least: 0,
    most: 100,
    fallback: 3,
  },
  { name: 'sketches', description: 'that a computed question reads', least: 1, most: 1e4, fallback: 10 },
  retentionOption('minute', 'RETENTION_MINUTE_SECONDS'),
  retentionOption('hour', 'RETENTION_HOUR_SECONDS'),
  retentionOption('day', 'RETENTION_DAY_SECONDS'),
  retentionOption('week', 'RETENTION_WEEK_SECONDS'),
  retentionOption('month', 'RETENTION_MONTH_SECONDS'),
  {
    name: 'days',
    description: 'since the first event (default: as long as anything is kept)',
    least: 1,
    most: 3_660,
  },
  {
    name: 'repeat-filter-values',
    description: 'as REPEAT_FILTER_VALUES_MAX',
    least: 0,
    most: 1e8,
    fallback: setting('REPEAT_FILTER_VALUES_MAX'),
  },
  {
    name: 'systems-per-request',
    description: 'that the events of one request are about (default: all)',
    least: 1,
    most: 1e6,
  },
  {
    name: 'wait-ms',
    description: 'that requests wait for company at full load',
    least: 1,
    most: 1e4,
    fallback: setting('INGEST_QUEUE_MS_MAX'),
  },
  {
    name: 'round-trip-ms',
    description: 'between service and Redis',
    least: 0.01,
    most: 1_000,
    fallback: 0.3,
  },
  {
    name: 'utilization-percent',
    description: 'how much of what can be done is asked for',
    least: 1,
    most: 100,
    fallback: 50,
  },
  {
    name: 'speed',
    description: 'of a core, against the one that was measured',
    least: 0.1,
    most: 100,
    fallback: 1,
  },
  { name: 'replicas', description: 'of each master', least: 0, most: 16, fallback: 1 },
  { name: 'master-gb', description: 'memory that one master may take', least: 0.1, most: 1e4, fallback: 32 },
  { name: 'network-gbit', description: 'of each machine', least: 0.1, most: 1e4, fallback: 10 },
];

/** Options by their names in camel case, as commander has them. */
export type CapacityValues = Record<string, number | undefined>;

const camelCase = (name: string) => name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());

/** The demand that options describe; those that are not given have their defaults. @throws Failure where they do not fit together */
export function demandOf(given: CapacityValues): Demand {
  const values: CapacityValues = {};
  for (const { name, fallback } of capacityOptions)
    values[camelCase(name)] = given[camelCase(name)] ?? fallback;
  function of(name: string, otherwise?: number): number {
    const value = values[name] ?? otherwise;
    if (value === undefined) throw usageFailure(`${name} is not given`);
    return value;
  }
  const demand: Demand = {
    eventsPerSecond: of('eventsPerSecond'),
    batch: of('batch'),
    eventBytes: of('eventBytes'),
    shape: {
      systems: of('systems'),
      users: of('users'),
      sessions: of('sessions', of('users')),
      ips: of('ips', of('users')),
      endpoints: of('endpoints'),
      numericKeys: of('numericKeys'),
    },
    questionsPerSecond: of('questionsPerSecond'),
    fromMemory: of('fromMemoryPercent') / 100,
    fromRedis: of('fromRedisPercent') / 100,
    sketchesPerQuestion: of('sketches'),
    retention: {
      minute: of('retentionMinuteSeconds') * 1_000,
      hour: of('retentionHourSeconds') * 1_000,
      day: of('retentionDaySeconds') * 1_000,
      week: of('retentionWeekSeconds') * 1_000,
      month: of('retentionMonthSeconds') * 1_000,
    },
    days: of('days', Number.POSITIVE_INFINITY),
    repeatFilterValues: of('repeatFilterValues'),
    systemsPerRequest: of('systemsPerRequest', of('systems')),
    roundTripMs: of('roundTripMs'),
    waitMs: of('waitMs'),
    utilization: of('utilizationPercent') / 100,
    speed: of('speed'),
    replicas: of('replicas'),
    masterBytesMax: of('masterGb') * 1e9,
    networkBitsPerSecond: of('networkGbit') * 1e9,
  };
  if (demand.fromMemory + demand.fromRedis > 1) {
    throw usageFailure('--from-memory-percent and --from-redis-percent are more than 100 together');
  }
  return demand;
}
