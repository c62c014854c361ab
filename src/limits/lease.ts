/**
 * A lease: what one process knows of one bucket, and may spend of it without asking.
 *
 * The bucket is in Redis and shared by all processes. A process has a block of it on lease, 1% of what a second
 * brings: so much it may spend before it has paid. It pays in the background when half the block is spent, and the
 * answer says what the bucket holds by now, others' spending included. So a request costs no round trip, nothing lies
 * idle in a process that nobody asks, and all that is spent is paid: n processes together let through at most n blocks
 * more than the bucket had, once, and what it then owes it takes from the next second.
 *
 * Between two answers a process knows an upper bound: the last answer, less what it spent since, and what has flowed
 * in since at the full rate. What is beyond even that is refused without asking.
 *
 *   rate 1,000/s, block 10: 7 spent of a bucket that held 3 -> it owes 4 and gives nothing for 4 ms
 */
import type { Limit } from './policies.js';

export interface Lease {
  readonly key: string;
  readonly limit: Limit;
  /** What the bucket held when it was last heard of; below zero where it was owed some. */
  tokens: number;
  /** When that was, in milliseconds. */
  at: number;
  /** Tokens spent since and not paid. */
  unpaid: number;
  /** Tokens whose payment is on its way. */
  underWay: number;
  /** When a request last asked for some, in milliseconds. */
  usedAt: number;
}

/** A lease of a bucket of which nothing is known: as far as one can tell it is full. */
export const openLease = (key: string, limit: Limit, now: number): Lease => ({
  key,
  limit,
  tokens: limit.burst,
  at: now,
  unpaid: 0,
  underWay: 0,
  usedAt: now,
});

/** The most tokens that the bucket may hold now; below zero where it is owed some. */
export function mostAvailable(lease: Lease, now: number): number {
  const { limit, tokens, unpaid, underWay } = lease;
  const flowed = ((now - lease.at) * limit.perSecond) / 1_000;
  return Math.min(limit.burst, tokens - unpaid - underWay + flowed);
}

/** Whether so many tokens may be spent before they are paid. */
export const isOnLease = ({ limit, unpaid, underWay }: Lease, cost: number): boolean =>
  unpaid + underWay + cost <= limit.block;

/** Takes note of what the bucket holds. */
export function settle(lease: Lease, tokens: number, now: number): void {
  lease.tokens = tokens;
  lease.at = now;
}

/** Spends from what is known here, as the bucket itself would: where Redis cannot be asked. */
export function spendHere(lease: Lease, cost: number, now: number): void {
  settle(lease, mostAvailable(lease, now) - cost, now);
  lease.unpaid = 0;
}
