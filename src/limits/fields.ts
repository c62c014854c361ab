/**
 * Limits on the wire: the fields `RateLimit-Policy` (what is allowed) and `RateLimit` (what is left of it) of
 * draft-ietf-httpapi-ratelimit-headers-10, and the problem that a refusal is. Each policy is one item of both lists:
 *
 *   RateLimit-Policy: "ingest";q=1000;w=1;qu="events"     a bucket of 1,000 that fills in a second
 *   RateLimit: "ingest";r=750;t=1                         750 are left, and it is full in a second
 *
 * What is left is the upper bound that this process knows: others may be spending too.
 */
import { Problem } from '../errors.js';
import type { Decision } from './limiter.js';

/** What is left, as an item of the field RateLimit. */
export function rateField({ limit, remaining }: Decision): string {
  const left = Math.max(0, Math.floor(remaining));
  const seconds = Math.ceil((limit.burst - remaining) / limit.perSecond);
  return `"${limit.policy}";r=${left};t=${seconds}`;
}

/** Seconds after which what was refused may be tried again. */
const retryAfterSeconds = ({ waitMs }: Decision): number => Math.max(1, Math.ceil(waitMs / 1_000));

/** The problem of a request that was refused. */
export function refusal(decision: Decision): Problem {
  const { policy, perSecond } = decision.limit;
  const seconds = retryAfterSeconds(decision);
  const what = policy === 'ingest' ? 'events' : 'requests';
  return new Problem(
    'quota_exceeded',
    `more than ${perSecond} ${what} a second; try again in ${seconds} s`,
    { 'violated-policies': [policy] },
    { retryAfterSeconds: seconds },
  );
}
