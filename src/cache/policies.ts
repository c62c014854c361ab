/**
 * Policies: how long an answer is of use, by the length of the span it is about. One table; docs/caching.md shows
 * it and is tested against it.
 *
 * An answer passes four ages. While it is *fresh* it goes out as it is. While it is *stale* it still goes out at
 * once and one refresh runs behind it (stale-while-revalidate). After that it is only an *emergency* ration: it
 * goes out where a new one cannot be had (stale-if-error). Then it is gone. All three times run from the instant
 * at which its computation began, the last two from the end of the first.
 *
 * Writes into an open span do not invalidate, so `freshMs + staleMs` is how far an answer may lag behind the events. The
 * longer the span, the less a few seconds of events change it. A span that is over changes by late events only, and
 * those invalidate it (late-writes.ts). It counts as over a while after its end: the last events of an hour arrive just
 * after it, and clocks differ.
 *
 * Source: RFC 5861 for the names and meanings of the last two times.
 */
import { DAY_MS, HOUR_MS, MINUTE_MS } from '../windows/civil.js';
import type { Span } from '../windows/cover.js';

export interface Times {
  /** Goes out as it is, milliseconds from its computation. */
  freshMs: number;
  /** Goes out while a refresh runs, milliseconds from the end of freshness. */
  staleMs: number;
  /** Goes out where no new one can be had, milliseconds from the end of freshness. */
  errorMs: number;
}

interface Policy extends Times {
  spans: string;
  /** Longest span it is for; a day may have 25 hours. */
  spanMsMax: number;
}

const SECOND_MS = 1_000;
/** An event that comes so long after its time is late: it invalidates the answers about spans that are over. */
export const lateMs = 5 * MINUTE_MS;
/**
 * How long after its end a span counts as open. It exceeds `lateMs` by the ten minutes that clocks may differ: no event
 * of a span that is over to anyone is timely to the process that stores it.
 */
export const settleMs = lateMs + 10 * MINUTE_MS;

export const openPolicies: readonly Policy[] = [
  {
    spans: 'up to an hour',
    spanMsMax: HOUR_MS,
    freshMs: 30 * SECOND_MS,
    staleMs: 30 * SECOND_MS,
    errorMs: HOUR_MS,
  },
  {
    spans: 'up to a day',
    spanMsMax: 25 * HOUR_MS,
    freshMs: 5 * MINUTE_MS,
    staleMs: 5 * MINUTE_MS,
    errorMs: 6 * HOUR_MS,
  },
  {
    spans: 'longer',
    spanMsMax: Number.POSITIVE_INFINITY,
    freshMs: 30 * MINUTE_MS,
    staleMs: 30 * MINUTE_MS,
    errorMs: DAY_MS,
  },
];

export const closedPolicy: Policy = {
  spans: 'over',
  spanMsMax: Number.POSITIVE_INFINITY,
  freshMs: HOUR_MS,
  staleMs: HOUR_MS,
  errorMs: DAY_MS,
};

/** Of an answer that is not kept. */
export const notKept: Times = { freshMs: 0, staleMs: 0, errorMs: 0 };

/** Whether a span is over at `now`, both in milliseconds since 1970. */
export const isOver = ({ to }: Span, now: number): boolean => now >= to + settleMs;

/**
 * The times of an answer about a span.
 * @param closed whether late events make it invalid: only then may it be kept as that of a span that is over
 * @param now milliseconds since 1970
 */
export function timesOf(span: Span, closed: boolean, now: number): Times {
  if (closed && isOver(span, now)) return closedPolicy;
  const { freshMs, staleMs, errorMs } =
    openPolicies.find(({ spanMsMax }) => span.to - span.from <= spanMsMax) ?? openPolicies[0];
  return { freshMs, staleMs, errorMs };
}
