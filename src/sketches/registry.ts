/**
 * The registry: which metric is fed by which field of an event, into which sketch, and which windows it can
 * answer. Adding a metric is adding a row.
 *
 * A field is read once an event, into one tally (value to count) per system and bucket. What a sketch needs is
 * taken from the tally when it leaves for Redis: HyperLogLog and Bloom its values, Space-Saving and count-min
 * its counts.
 *
 * Percentiles are not listed by name: every number in `metadata` is a metric under its own key, except codes,
 * ports and ids, which are names written as numbers. A system has at most `numericKeysMax` of them;
 * `reservedNumericKey` always has its place.
 */
import type { Grain } from '../windows/bucket.js';
import type { Window } from '../windows/cover.js';

/** Part of the stored form (counters name types by their place): append only. */
export const eventTypes = [
  'user_login',
  'user_logout',
  'api_access',
  'database_access',
  'file_access',
  'security_event',
  'error_event',
  'admin_action',
  'custom',
] as const;

/** What of an event is read. Absent values are undefined. */
export interface EventFields {
  /** Index into `eventTypes`. */
  type: number;
  user: string | undefined;
  session: string | undefined;
  ip: string | undefined;
  endpoint: string | undefined;
  /** It is, or stands for, a log-in that failed (events/login-outcome.ts). */
  isFailedLogin: boolean;
}

/** What an id names that may tell who somebody is. */
export const personKinds = ['user', 'session', 'ip'] as const;
export type PersonKind = (typeof personKinds)[number];

interface FieldRow {
  name: string;
  read: (event: EventFields) => string | undefined;
  /** Of fields that hold such ids. */
  person?: PersonKind;
}

/** The fields that are tallied, in tally order. */
export const fields: readonly FieldRow[] = [
  { name: 'user', read: (event) => event.user, person: 'user' },
  { name: 'session', read: (event) => event.session, person: 'session' },
  { name: 'ip', read: (event) => event.ip, person: 'ip' },
  { name: 'endpoint', read: (event) => event.endpoint },
  { name: 'type', read: (event) => eventTypes[event.type] },
  { name: 'failedLoginIp', read: ({ isFailedLogin, ip }) => (isFailedLogin ? ip : undefined), person: 'ip' },
  {
    name: 'failedLoginUser',
    read: ({ isFailedLogin, user }) => (isFailedLogin ? user : undefined),
    person: 'user',
  },
];

interface MetricRow {
  metric: string;
  field: number;
  /** It is kept for as long as failed log-ins are counted: what an earlier release wrote lacks it (docs/adr/0023). */
  sinceFailedLogins?: boolean;
}
const from = (name: string) => fields.findIndex((field) => field.name === name);

export const distinctMetrics: readonly MetricRow[] = [
  { metric: 'users', field: from('user') },
  { metric: 'sessions', field: from('session') },
  { metric: 'ips', field: from('ip') },
];

export const membershipMetrics: readonly MetricRow[] = [
  { metric: 'users', field: from('user') },
  { metric: 'ips', field: from('ip') },
];

export const topMetrics: readonly MetricRow[] = [
  { metric: 'active_users', field: from('user') },
  { metric: 'active_ips', field: from('ip') },
  { metric: 'event_types', field: from('type') },
  { metric: 'endpoints', field: from('endpoint') },
  { metric: 'failed_logins', field: from('failedLoginIp') },
  { metric: 'failed_logins_by_user', field: from('failedLoginUser'), sinceFailedLogins: true },
];

/** How often any one item came; one count-min sketch a day. */
export const frequencyMetrics: readonly MetricRow[] = [
  { metric: 'users', field: from('user') },
  { metric: 'ips', field: from('ip') },
  { metric: 'endpoints', field: from('endpoint') },
];

/** Whose ids are the items of a metric, undefined where they are nobody's. */
export const personOf = (rows: readonly MetricRow[], metric: string): PersonKind | undefined =>
  fields[rows.find((row) => row.metric === metric)?.field ?? -1]?.person;

/** Which grain answers which window. What is not here is a 422. */
export const readGrains = {
  distinct: {
    '1m': 'minute',
    '5m': 'minute',
    '15m': 'minute',
    '1h': 'hour',
    '1d': 'day',
    '1w': 'week',
    '1M': 'month',
  },
  membership: { '1d': 'day', '1w': 'day', '1M': 'day' },
  frequency: { '1d': 'day', '1w': 'day', '1M': 'day' },
  top: { '1h': 'hour', '1d': 'day', '1w': 'day', '1M': 'day' },
  percentiles: { '1h': 'hour', '1d': 'day', '1w': 'day', '1M': 'day' },
} as const satisfies Record<string, Partial<Record<Window, Grain>>>;

/** The names of the two counter hashes of a system and day: all events by type, and failed log-ins. */
export const counterMetric = 'events';
export const failedLoginMetric = 'failed_logins';
/** The events that are log-ins, failed or not. */
export const loginType = 'user_login' satisfies (typeof eventTypes)[number];

/** Items a top-k list tracks in one hour. */
export const topItemsMax = 1_000;

export const numericKeysMax = 32;
export const reservedNumericKey = 'latency_ms';
/** Legacy metric names that answer from a numeric key. */
export const percentileAliases: ReadonlyMap<string, string> = new Map([['api_latency', 'latency_ms']]);

/** Whether the numbers under a metadata key are measurements. */
export function isMeasurement(key: string): boolean {
  return !/^(?:status|code|port)$|_(?:code|port|id)$/.test(key);
}

const UNITS: readonly [suffix: RegExp, unit: string][] = [
  [/_ns$/, 'nanoseconds'],
  [/_us$/, 'microseconds'],
  [/_ms$/, 'milliseconds'],
  [/_(?:s|sec|secs|seconds)$/, 'seconds'],
  [/(?:^|_)bytes(?:_|$)/, 'bytes'],
  [/_(?:percent|pct)$/, 'percent'],
];

/** The unit that the name of a numeric key tells, or null. */
export const unitOf = (key: string): string | null => UNITS.find(([suffix]) => suffix.test(key))?.[1] ?? null;
