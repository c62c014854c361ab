/**
 * Policies: how long an answer is of use, by the length of the span it is about. One table; docs/caching.md shows
 * it and is tested against it.
 *
 * An answer passes four ages. While it is *fresh* it goes out as it is. While it is *stale* it still goes out at
 * once and one refresh runs behind it (stale-while-revalidate). After that it is only an *emergency* ration: it
 * goes out where a new one cannot be had (stale-if-error). Then it is gone. All three times run from the instant
 * at which its computation began, the last two from the end of the first.
 *
 * Writes do not invalidate, so `freshMs + staleMs` is how far an answer may lag behind the events. The longer the
 * span, the less a few seconds of events change it. A span that is over changes by late events only; it counts as
 * over a while after its end, since the last events of an hour arrive just after it.
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
/** How long after its end a span counts as open: events that were under way then still arrive. */
export const settleMs = 5 * MINUTE_MS;

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

/** How long "there is no data" is believed: the first event may come at any time. */
export const negativeMs = 5 * SECOND_MS;

/** The times of an answer about a span, computed at `now`. */
export function timesOf({ from, to }: Span, now: number): Times {
  if (now >= to + settleMs) return closedPolicy;
  return openPolicies.find(({ spanMsMax }) => to - from <= spanMsMax) ?? openPolicies[0];
}
