/**
 * The truth about a stream: what every question should be answered, counted by brute force from the rows
 * themselves, without any of the product's code but the arithmetic of spans.
 */
export interface StreamEvent {
  event_type: string;
  system: string;
  user_id?: string;
  session_id?: string;
  timestamp: string;
  metadata?: { ip?: string; endpoint?: string; status?: string; [key: string]: unknown };
}

export interface Span {
  /** Milliseconds, the first instant in it and the first one after it. */
  from: number;
  to: number;
}

/** What of an event each metric of the API looks at. */
const distinctValue: Record<string, (event: StreamEvent) => string | undefined> = {
  users: (event) => event.user_id,
  sessions: (event) => event.session_id,
  ips: (event) => event.metadata?.ip,
};
const isLogin = (event: StreamEvent) => event.event_type === 'user_login';
/** In the streams of tests a log-in that failed says so in one way. */
const hasFailed = (event: StreamEvent) => isLogin(event) && event.metadata?.status === 'failure';
const topValue: Record<string, (event: StreamEvent) => string | undefined> = {
  active_users: (event) => event.user_id,
  active_ips: (event) => event.metadata?.ip,
  event_types: (event) => event.event_type,
  endpoints: (event) => event.metadata?.endpoint,
  failed_logins: (event) => (hasFailed(event) ? event.metadata?.ip : undefined),
  failed_logins_by_user: (event) => (hasFailed(event) ? event.user_id : undefined),
};
export const distinctMetricNames = Object.keys(distinctValue);
export const topMetricNames = Object.keys(topValue);

function tally(values: Iterable<string | undefined>): Map<string, number> {
  const counts = new Map<string, number>();
  for (const value of values) if (value !== undefined) counts.set(value, (counts.get(value) ?? 0) + 1);
  return counts;
}

export function truthOf(events: readonly StreamEvent[]) {
  const within = (system: string, { from, to }: Span) =>
    events.filter((event) => {
      const at = Date.parse(event.timestamp);
      return event.system === system && at >= from && at < to;
    });
  return {
    systems: [...new Set(events.map((event) => event.system))].sort(),

    /** The different values of a distinct metric. */
    distinct(metric: string, system: string, span: Span): Set<string> {
      return new Set(tally(within(system, span).map((event) => distinctValue[metric]?.(event))).keys());
    },

    /** Every value of a top metric and how often it came, the most frequent first, equals by code point. */
    top(metric: string, system: string, span: Span): [item: string, count: number][] {
      const counts = [...tally(within(system, span).map((event) => topValue[metric]?.(event)))];
      return counts.sort((a, b) => b[1] - a[1] || Buffer.compare(Buffer.from(a[0]), Buffer.from(b[0])));
    },

    /** The samples under a numeric key of the metadata, ascending. */
    samples(key: string, system: string, span: Span): number[] {
      const values = within(system, span).map((event) => event.metadata?.[key]);
      return values.filter((value) => typeof value === 'number').sort((a, b) => a - b);
    },

    /** How many log-ins there were, and how many of them failed. */
    logins(system: string, span: Span): { logins: number; failed_logins: number } {
      const logins = within(system, span).filter(isLogin);
      return { logins: logins.length, failed_logins: logins.filter(hasFailed).length };
    },

    /** Events by minute of the day and type, `minute:type`. */
    minutes(system: string, span: Span): Map<string, number> {
      return tally(
        within(system, span).map(({ timestamp, event_type }) => {
          const minute = Math.floor((Date.parse(timestamp) % 86_400_000) / 60_000);
          return `${minute}:${event_type}`;
        }),
      );
    },
  };
}

export type Truth = ReturnType<typeof truthOf>;
