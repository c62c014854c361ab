/**
 * Work: what a stream of events makes the service and Redis do, in countable things a second. Whatever is to be known
 * of a plan (CPU of either, bytes between them, bytes of the append-only file) is a sum of these, each times a measured
 * cost (`measured.ts`).
 *
 *   requests   that bring events                       HTTP, framework
 *   events     in them                                 JSON, schema, folding
 *   samples    numbers in their metadata
 *   pipelines  sent to a Redis: a group of requests makes one, on a cluster one for each master concerned
 *   commands   in them: as many as pipelines; on a cluster one for each system, which may be on another node
 *   parts      (group, system): what one group brings to one system
 *   lists      (group, system, numeric key): a digest each
 *   counts     (group, system, value): entries of top lists, count-min sketches and counters
 *   evictions  counts of items that are not in a full top list, each of which drives another one out
 *   adds       values new to a sketch of distinct values or memberships, times the sketches
 *
 * The larger a group, the fewer parts and the fewer counts an event makes: that is what batches and group commit are for.
 * Chance decides which systems and values a group holds: systems alike, values by `distinct.ts`.
 */
import {
  distinctMetrics,
  frequencyMetrics,
  membershipMetrics,
  topItemsMax,
  topMetrics,
} from '../sketches/registry.js';
import { distinctOf } from './distinct.js';

/** What events are about. Numbers of values are those of one system in one day. */
export interface Shape {
  systems: number;
  users: number;
  sessions: number;
  ips: number;
  endpoints: number;
  numericKeys: number;
}

export const workKinds = [
  'requests',
  'events',
  'samples',
  'pipelines',
  'commands',
  'parts',
  'lists',
  'counts',
  'evictions',
  'adds',
] as const;
export type WorkKind = (typeof workKinds)[number];
/** Of each kind, how much a second; or what each costs. */
export type Work = Record<WorkKind, number>;

/** Bits of a Bloom filter are set in Lua, and by about four times the time that PFADD takes for a value. */
const BLOOM_ADDS = 4;
/** A value goes to the sketches of minute, hour, day, week and month. */
const COARSE_GRAINS = 3;
/** Event types that one system has. */
export const usualTypes = 5;
/** Share of events that are failed log-ins. */
export const failedLoginShare = 0.005;
const failedMetrics = ['failed_logins', 'failed_logins_by_user'];

/** Values of a metric, of one system in one day. */
function valuesOf(shape: Shape, metric: string): number {
  if (['users', 'active_users', 'failed_logins_by_user'].includes(metric)) return shape.users;
  if (metric === 'sessions') return shape.sessions;
  if (metric === 'endpoints') return shape.endpoints;
  return metric === 'event_types' ? usualTypes : shape.ips;
}

/** Different values of a metric among so many events of one system, or those of them above a rank. */
export const metOf = (shape: Shape, metric: string, events: number, above = 0): number =>
  distinctOf(
    failedMetrics.includes(metric) ? events * failedLoginShare : events,
    valuesOf(shape, metric),
    above,
  );

const sumOver = (metrics: readonly { metric: string }[], of: (metric: string) => number): number =>
  metrics.reduce((sum, { metric }) => sum + of(metric), 0);

const bloomAdds = (metric: string) =>
  membershipMetrics.some((row) => row.metric === metric) ? BLOOM_ADDS : 0;

/** What one group brings to one system, on average over all systems. `events`: of the group to it, on average. */
function countsOf(shape: Shape, events: number): number {
  const met = (metric: string) => metOf(shape, metric, events);
  // The counters count event types by the minute, and failed log-ins by the minute, the hour and the day.
  const failed = 3 * distinctOf(events * failedLoginShare, 1);
  return sumOver([...topMetrics, ...frequencyMetrics], met) + met('event_types') + failed;
}

/** What of that is in no top list, where those of the hour are full. `perHour`: events of one system. */
const evictionsOf = (shape: Shape, events: number, perHour: number): number =>
  sumOver(topMetrics, (metric) =>
    metOf(shape, metric, perHour) > topItemsMax ? metOf(shape, metric, events, topItemsMax) : 0,
  );

/** Adds of one group to one system where nothing is known to be stored already. */
function unknownAddsOf(shape: Shape, events: number): number {
  return sumOver(
    distinctMetrics,
    (metric) => metOf(shape, metric, events) * (2 + COARSE_GRAINS + bloomAdds(metric)),
  );
}

/** Adds a second of one system and process, whose repeat filter knows what it has sent to minute, hour and day. */
function newAddsOf(shape: Shape, eventsPerSecond: number): number {
  return sumOver(distinctMetrics, (metric) => {
    const rate = (seconds: number) => metOf(shape, metric, eventsPerSecond * seconds) / seconds;
    return rate(60) + rate(3_600) + rate(86_400) * (COARSE_GRAINS + bloomAdds(metric));
  });
}

/** Values that the repeat filter of one process has to hold to know every repeat. */
export function valuesToKnow(shape: Shape, eventsPerSecond: number): number {
  const perSystem = eventsPerSecond / shape.systems;
  const slots = [60, 3_600, 86_400];
  return (
    shape.systems *
    sumOver(distinctMetrics, (metric) =>
      slots.reduce((sum, seconds) => sum + metOf(shape, metric, perSystem * seconds), 0),
    )
  );
}

/** How events reach Redis, all processes together. */
export interface Flow {
  eventsPerSecond: number;
  requestsPerSecond: number;
  /** Systems that the events of one request are about, at the most. */
  systemsPerRequest: number;
  /** Groups of requests that are committed. */
  groupsPerSecond: number;
  processes: number;
  masters: number;
  /** Of the values that were sent before, how many the repeat filters know to have been, 0..1. */
  known: number;
  /** Whether values come that are not there yet; a stream that repeats itself soon has none. */
  isNew: boolean;
}

/** The work of a flow of events of some shape, a second. */
export function workOf(shape: Shape, flow: Flow): Work {
  const { eventsPerSecond, requestsPerSecond, groupsPerSecond, processes, masters, known, isNew } = flow;
  const { systems } = shape;
  const missed = 1 - Math.min(1, flow.systemsPerRequest / systems);
  const reached = systems * (1 - missed ** (requestsPerSecond / groupsPerSecond));
  const toSystem = eventsPerSecond / groupsPerSecond / reached;
  const systemsInGroup = -reached * Math.expm1(-toSystem);
  const parts = groupsPerSecond * systemsInGroup;
  const fresh = isNew ? processes * systems * newAddsOf(shape, eventsPerSecond / systems / processes) : 0;
  const unknown = groupsPerSecond * reached * unknownAddsOf(shape, toSystem);
  return {
    requests: requestsPerSecond,
    events: eventsPerSecond,
    samples: eventsPerSecond * shape.numericKeys,
    pipelines: groupsPerSecond * masters * (1 - (1 - 1 / masters) ** systemsInGroup),
    commands: masters > 1 ? parts : groupsPerSecond,
    parts,
    lists: parts * shape.numericKeys,
    counts: groupsPerSecond * reached * countsOf(shape, toSystem),
    evictions: groupsPerSecond * reached * evictionsOf(shape, toSystem, (eventsPerSecond / systems) * 3_600),
    adds: known * Math.min(fresh, unknown) + (1 - known) * unknown,
  };
}

/** What all of it costs, in the unit of the costs. */
export const costOf = (work: Work, costs: Work): number =>
  workKinds.reduce((sum, kind) => sum + work[kind] * costs[kind], 0);
