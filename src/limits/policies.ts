/**
 * Policies: who may ask how much, one row each.
 *
 *   ingest    events a second of one API key, charged by what a body holds and not by requests
 *   queries   questions a second of one API key
 *   address   requests a second of one client address, whatever they ask for: the outer guard
 *
 * Each is a token bucket: `burstSeconds` at the full rate may come at once, after that the rate. Over any T seconds
 * no more goes through than rate x (T + burst). A rate of 0 switches a policy off. Where no keys are configured
 * everybody is the same principal, so the first two limit all senders together.
 */
import type { Config } from '../config.js';
import type { Principal } from '../principal.js';

export type PolicyName = 'ingest' | 'queries' | 'address';

export interface Limit {
  policy: PolicyName;
  perSecond: number;
  /** What a full bucket holds. */
  burst: number;
  /** What a process may spend before it has paid (leases.ts): 1% of a second, 0 where that is less than one. */
  block: number;
  /** The policy as an item of the field RateLimit-Policy. */
  field: string;
}

/** The limit of one principal; undefined: none. */
export type LimitOf = (principal: Principal) => Limit | undefined;

/** A share of a second's quota. */
const BLOCK_SHARE = 0.01;

/** A limit of so much a second, undefined where that is 0. */
export function createLimit(policy: PolicyName, perSecond: number, burstSeconds: number): Limit | undefined {
  if (perSecond === 0) return undefined;
  const burst = perSecond * burstSeconds;
  const unit = policy === 'ingest' ? ';qu="events"' : '';
  const field = `"${policy}";q=${burst};w=${burstSeconds}${unit}`;
  return { policy, perSecond, burst, block: Math.floor(perSecond * BLOCK_SHARE), field };
}

/** The policies of this process. Whether a key has limits of its own is decided here and nowhere else. */
export function createPolicies(config: Config): { ingest: LimitOf; queries: LimitOf; address?: Limit } {
  const { LIMIT_BURST_SECONDS: burstSeconds } = config;
  const ingest = createLimit('ingest', config.LIMIT_INGEST_EVENTS_PER_SECOND, burstSeconds);
  const queries = createLimit('queries', config.LIMIT_QUERIES_PER_SECOND, burstSeconds);
  const address = createLimit('address', config.LIMIT_REQUESTS_PER_SECOND_PER_ADDRESS, burstSeconds);
  return { ingest: () => ingest, queries: () => queries, address };
}
