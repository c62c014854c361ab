/**
 * The limiter: decides whether so many tokens of a limit may be spent now, for all processes together (lease.ts).
 *
 * Most decisions are made here and now. Only a request that costs more than a block waits for Redis, and no longer
 * than a payment may take; what even the best case cannot pay for is refused without asking. A cost above what a full
 * bucket holds is let through by a full one, which then owes the rest: else it could never be.
 *
 * Redis unreachable: buckets of this process alone take over, at the same rate and from what was last known, so that
 * n processes let through up to n times the rate; the log and a metric say so. Once a second Redis is asked again, and
 * from its first answer on the shared buckets count.
 *
 * Bound: of each policy a lease for each of the last LEASES_MAX who asked. A lease whose bucket is full again is forgotten.
 */
import type { FastifyBaseLogger } from 'fastify';
import type { Clock } from '../clock.js';
import type { Metrics } from '../metrics.js';
import { limitKey } from '../redis/keys.js';
import type { Store } from '../redis/pipeline.js';
import { isOnLease, type Lease, mostAvailable, openLease, settle, spendHere } from './lease.js';
import { createPayments, type Receipt } from './payments.js';
import type { Limit } from './policies.js';

const LEASES_MAX = 50_000;
/** Paid up at once by a sweep, so that it never holds up the event loop. */
const SWEPT_MAX = 1_000;
/** A lease that nobody used for so long is paid up, or forgotten. */
const IDLE_MS = 500;

export interface Decision {
  limit: Limit;
  allowed: boolean;
  /** Tokens that may still be there; below zero where some are owed. */
  remaining: number;
  /** Milliseconds until as many may be there as were refused; 0 where they were not. */
  waitMs: number;
}

interface LimiterDependencies {
  redis: Store;
  timeoutMs: number;
  /** Monotonic. */
  clock: Clock;
  metrics: Metrics;
  log: FastifyBaseLogger;
}

export function createLimiter({ redis, timeoutMs, clock, metrics, log }: LimiterDependencies) {
  /** By limit and subject, so that no key is made for a request. */
  const leases = new Map<Limit, Map<string, Lease>>();
  let isLocal = false;

  function setLocal(local: boolean, why?: Error): void {
    if (local === isLocal) return;
    isLocal = local;
    metrics.limitsLocal.set(local ? 1 : 0);
    if (local) log.warn({ err: why }, 'limits: Redis cannot be asked; this process limits by itself');
    else log.info('limits: shared with all processes again');
  }

  const pay = createPayments({ redis, timeoutMs, metrics, onFailure: (error) => setLocal(true, error) });

  function leaseOf(limit: Limit, subject: string, now: number): Lease {
    let bySubject = leases.get(limit);
    if (!bySubject) {
      bySubject = new Map();
      leases.set(limit, bySubject);
    }
    let lease = bySubject.get(subject);
    if (!lease) {
      lease = openLease(limitKey(limit.policy, subject), limit, now);
      const [eldest] = bySubject.size >= LEASES_MAX ? bySubject.keys() : [];
      if (eldest !== undefined) bySubject.delete(eldest);
      bySubject.set(subject, lease);
    }
    lease.usedAt = now;
    return lease;
  }

  function* allLeases(): Generator<Lease> {
    for (const bySubject of leases.values()) yield* bySubject.values();
  }

  /** Pays what was spent on lease, and asks for more. */
  async function renew(lease: Lease, wanted: number): Promise<Receipt | undefined> {
    const spent = lease.unpaid;
    lease.unpaid = 0;
    lease.underWay += spent;
    const receipt = await pay({ key: lease.key, limit: lease.limit, spent, wanted });
    lease.underWay -= spent;
    if (receipt) settle(lease, receipt.tokens, clock.now());
    else lease.tokens -= spent;
    return receipt;
  }

  function allow({ limit }: Lease, remaining: number): Decision {
    metrics.limitDecisions.count(limit.policy, 'allowed');
    return { limit, allowed: true, remaining, waitMs: 0 };
  }

  function refuse({ limit }: Lease, remaining: number, cost: number): Decision {
    metrics.limitDecisions.count(limit.policy, 'refused');
    const missing = Math.min(cost, limit.burst) - remaining;
    return { limit, allowed: false, remaining, waitMs: (Math.max(0, missing) * 1_000) / limit.perSecond };
  }

  function decideHere(lease: Lease, cost: number): Decision {
    const now = clock.now();
    const most = mostAvailable(lease, now);
    if (most < Math.min(cost, lease.limit.burst)) return refuse(lease, most, cost);
    spendHere(lease, cost, now);
    return allow(lease, lease.tokens);
  }

  async function decideThere(lease: Lease, cost: number): Promise<Decision> {
    const receipt = await renew(lease, cost);
    if (!receipt) return decideHere(lease, cost);
    return receipt.given ? allow(lease, receipt.tokens) : refuse(lease, receipt.tokens, cost);
  }

  /** Asks Redis again where it could not be asked. */
  async function probe(): Promise<void> {
    if (!isLocal) return;
    const [lease] = allLeases();
    if (!lease || (await renew(lease, 0))) setLocal(false);
  }

  /** Pays what is unpaid of some leases. */
  const payUp = (unpaid: readonly Lease[]) => Promise.all(unpaid.map((lease) => renew(lease, 0)));

  return {
    /**
     * Decides whether `cost` tokens of a limit may be spent by a subject (the name of a key, or an address), and
     * spends them if so. Never fails.
     */
    take(limit: Limit, subject: string, cost: number): Decision | Promise<Decision> {
      const now = clock.now();
      const lease = leaseOf(limit, subject, now);
      if (!isLocal && redis.status !== 'ready') setLocal(true);
      if (isLocal) return decideHere(lease, cost);
      const most = mostAvailable(lease, now);
      if (most < Math.min(cost, limit.burst)) return refuse(lease, most, cost);
      if (!isOnLease(lease, cost)) return decideThere(lease, cost);
      lease.unpaid += cost;
      if (lease.unpaid * 2 >= limit.block) void renew(lease, 0);
      return allow(lease, most - cost);
    },

    probe,

    /** To be run about once a second: pays up and forgets leases that nobody uses. */
    async sweep(): Promise<void> {
      await probe();
      const now = clock.now();
      const unpaid: Lease[] = [];
      for (const bySubject of leases.values()) {
        for (const [subject, lease] of bySubject) {
          if (now - lease.usedAt < IDLE_MS) continue;
          if (lease.unpaid > 0 && !isLocal) {
            if (unpaid.length < SWEPT_MAX) unpaid.push(lease);
          } else if (lease.underWay === 0 && mostAvailable(lease, now) >= lease.limit.burst) {
            bySubject.delete(subject);
          }
        }
      }
      await payUp(unpaid);
    },

    /** Pays what was spent, so that nothing of it is forgotten when this process ends. */
    async settle(): Promise<void> {
      if (isLocal) return;
      await payUp([...allLeases()].filter(({ unpaid }) => unpaid > 0).slice(0, SWEPT_MAX));
    },
  };
}

export type Limiter = ReturnType<typeof createLimiter>;
