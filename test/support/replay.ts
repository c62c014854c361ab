/**
 * A replay: events that are sent batch by batch, the moment at which each batch was acknowledged, and what the exact
 * answer to a question was at any of these moments, counted by brute force.
 */
import { pick, type Random } from './random.js';
import type { Span, StreamEvent } from './truth.js';

const DAY = 86_400_000;
const spans: Record<string, (at: number) => Span> = {
  '1h': (at) => aligned(at, 0, DAY / 24),
  '1d': (at) => aligned(at, 0, DAY),
  // The first of January 1970 was a Thursday, and weeks begin on Mondays.
  '1w': (at) => aligned(at, 4 * DAY, 7 * DAY),
};
function aligned(at: number, offset: number, length: number): Span {
  const from = Math.floor((at - offset) / length) * length + offset;
  return { from, to: from + length };
}
export const replayWindows = Object.keys(spans);

type Field = 'user_id' | 'session_id' | 'ip' | 'endpoint' | 'event_type';
const fieldOf = (event: StreamEvent, field: Field): string | undefined =>
  field === 'ip' || field === 'endpoint' ? event.metadata?.[field] : event[field];

/** Metrics by kind of question, the field that they count, and the windows in which they are asked. */
const asked = {
  activity: { metrics: { user_id: 'user_id', ip: 'ip' }, windows: ['1d', '1w'] },
  frequency: { metrics: { users: 'user_id', ips: 'ip', endpoints: 'endpoint' }, windows: ['1d', '1w'] },
  distinct: { metrics: { users: 'user_id', sessions: 'session_id', ips: 'ip' }, windows: replayWindows },
  top: {
    metrics: {
      active_users: 'user_id',
      active_ips: 'ip',
      endpoints: 'endpoint',
      event_types: 'event_type',
    },
    windows: ['1h', '1d'],
  },
} as const satisfies Record<string, { metrics: Record<string, Field>; windows: readonly string[] }>;

export type ReplayKind = keyof typeof asked;
export const replayKinds = Object.keys(asked) as ReplayKind[];

export interface ReplayQuestion {
  kind: ReplayKind;
  metric: string;
  field: Field;
  system: string;
  window: string;
  /** An instant in the window, as it was sent. */
  timestamp: string;
  /** The value that is asked for, of activity and frequency. */
  value: string;
}

/** A question of a kind about what an event brought; undefined where the event lacks it. */
export function questionAbout(
  event: StreamEvent,
  kind: ReplayKind,
  random: Random,
): ReplayQuestion | undefined {
  const { metrics, windows } = asked[kind];
  const present = Object.entries<Field>(metrics).filter(([, field]) => fieldOf(event, field) !== undefined);
  if (present.length === 0) return undefined;
  const [metric, field] = pick(present, random);
  const { system, timestamp } = event;
  const window = pick<string>(windows, random);
  return { kind, metric, field, system, window, timestamp, value: fieldOf(event, field) as string };
}

/** The path and the parameters of a question. */
export function requestOf(question: ReplayQuestion): [path: string, parameters: Record<string, string>] {
  const { kind, metric, value, system, window, timestamp } = question;
  const where = { system, window, timestamp };
  if (kind === 'activity') return ['activity/check', { ...where, [metric]: value }];
  if (kind === 'frequency') return [`frequency/${metric}`, { ...where, item: value }];
  if (kind === 'distinct') return [`distinct/${metric}`, where];
  return [`top/${metric}`, { ...where, k: '20' }];
}

export type Tally = ReadonlyMap<string, number>;

export function createReplay() {
  const rows = new Map<string, { batch: number; event: StreamEvent }[]>();
  /** The batch in which each system came first. */
  const firstBatches = new Map<string, number>();
  const acknowledgedAt: number[] = [];
  let sent = 0;
  const keyOf = (system: string, window: string, at: number) =>
    `${window} ${spans[window]?.(at).from} ${system}`;

  return {
    /** Takes a batch that is about to be sent. */
    send(batch: readonly StreamEvent[]): void {
      sent++;
      for (const event of batch) {
        if (!firstBatches.has(event.system)) firstBatches.set(event.system, sent);
        for (const window of replayWindows) {
          const key = keyOf(event.system, window, Date.parse(event.timestamp));
          const own = rows.get(key);
          if (own) own.push({ batch: sent, event });
          else rows.set(key, [{ batch: sent, event }]);
        }
      }
    },

    /** The batch sent last was acknowledged at an instant, in milliseconds. */
    acknowledge(at: number): void {
      acknowledgedAt.push(at);
    },

    sent: () => sent,
    acknowledged: () => acknowledgedAt.length,
    /** How many batches had been acknowledged before an instant. */
    acknowledgedBefore: (at: number) => acknowledgedAt.filter((instant) => instant < at).length,

    /** Whether a system was in the first `batches` batches. */
    knows: (system: string, batches: number) =>
      (firstBatches.get(system) ?? Number.POSITIVE_INFINITY) <= batches,

    /** How often each value came that a question is about, in the first `batches` batches. */
    tally({ system, window, timestamp, field }: ReplayQuestion, batches: number): Tally {
      const counts = new Map<string, number>();
      for (const { batch, event } of rows.get(keyOf(system, window, Date.parse(timestamp))) ?? []) {
        if (batch > batches) break;
        const value = fieldOf(event, field);
        if (value !== undefined) counts.set(value, (counts.get(value) ?? 0) + 1);
      }
      return counts;
    },
  };
}

export type Replay = ReturnType<typeof createReplay>;
