/**
 * Circuit breakers: one for each connection to Redis, so that nobody waits for a Redis that has stopped answering.
 *
 *   closed     calls go through; a few failures in a row open it
 *   open       calls fail at once; ends when its time is over, or when the connection has come back
 *   half open  one call goes through, the probe; the others still fail at once. Answered, it closes; else it opens
 *
 * A failure is a call that was not answered: cut off, too slow, or never sent. An error that Redis answers with is an
 * answer. The times it stays open double up to `OPEN_TIMES_MAX` and are spread at random, so that many processes do
 * not come back at the same instant. What a call says that began before the last change of state is not counted.
 *
 * A call that is refused here was certainly not sent, and its error says so.
 *
 * Source: M. Nygard, Release It!, chapter 5. Libraries wrap each call in a function and a promise, keep the time for
 * themselves, and let all callers wait for the probe; here they are told at once.
 */
import type { Clock } from '../clock.js';

/** From well to bad: the place of a state is the value of its metric. */
export const breakerStates = ['closed', 'half_open', 'open'] as const;
export type BreakerState = (typeof breakerStates)[number];

const OPEN_TIMES_MAX = 8;

interface BreakerOptions {
  /** Calls in a row that are not answered before it opens. */
  failuresMax: number;
  /** How long it stays open the first time. */
  openMs: number;
  clock: Clock;
  /** 0 to 1. */
  random: () => number;
  onChange: (state: BreakerState) => void;
}

export function createBreaker({ failuresMax, openMs, clock, random, onChange }: BreakerOptions) {
  let state: BreakerState = 'closed';
  let turn = 0;
  let failures = 0;
  /** How often it has opened since it was last closed. */
  let openings = 0;
  let openUntil = 0;
  let isProbing = false;

  function become(next: BreakerState): void {
    state = next;
    turn++;
    failures = 0;
    isProbing = false;
    onChange(next);
  }

  function open(): void {
    openUntil = clock.now() + openMs * Math.min(2 ** openings, OPEN_TIMES_MAX) * (0.5 + random() / 2);
    openings++;
    become('open');
  }

  function refuses(): boolean {
    if (state === 'closed') return false;
    return state === 'half_open' ? isProbing : clock.now() < openUntil;
  }

  return {
    get state(): BreakerState {
      return state;
    },
    /** Whether a call would fail at once. */
    refuses,

    /** Begins a call. @returns what `leave` is to be told, or undefined where the call is refused */
    enter(): number | undefined {
      if (refuses()) return undefined;
      if (state === 'open') become('half_open');
      isProbing = state === 'half_open';
      return turn;
    },

    /** Ends a call. */
    leave(entered: number, isAnswered: boolean): void {
      if (entered !== turn) return;
      if (!isAnswered) {
        failures++;
        if (state === 'half_open' || failures >= failuresMax) open();
      } else if (state === 'half_open') {
        openings = 0;
        become('closed');
      } else failures = 0;
    },

    /** Takes note that the connection is up again: one call may try it. */
    reconnected(): void {
      if (state === 'open') become('half_open');
    },
  };
}

export type Breaker = ReturnType<typeof createBreaker>;

/** Keyed by the connection, so that whoever is handed a connection has its breaker. */
export const breakers = new WeakMap<object, Breaker>();

/** The state of the breaker of a connection; `closed` where it has none. */
export const breakerOf = (redis: object): BreakerState => breakers.get(redis)?.state ?? 'closed';

/** What a call ends with that a breaker refused. */
export class BreakerOpenError extends Error {
  override name = 'BreakerOpenError';
  constructor() {
    super('Redis has stopped answering; the command was not sent');
  }
}
