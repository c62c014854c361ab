/** Limits on the wire, as draft-ietf-httpapi-ratelimit-headers-10 has them. */
import t from 'tap';
import { rateField, refusal } from '../../../src/limits/fields.js';
import { createLimit, type Limit } from '../../../src/limits/policies.js';

const limit = createLimit('queries', 100, 5) as Limit;
const decision = (remaining: number, waitMs = 0) => ({ limit, allowed: waitMs === 0, remaining, waitMs });

t.test('a policy says its quota, its window and what it counts where that is not requests', async (t) => {
  t.equal(limit.field, '"queries";q=500;w=5');
  t.equal(createLimit('ingest', 1_000, 1)?.field, '"ingest";q=1000;w=1;qu="events"');
});

t.test('what is left is a whole number, never below zero, with the seconds until it is full', async (t) => {
  t.equal(rateField(decision(500)), '"queries";r=500;t=0');
  t.equal(rateField(decision(499.9)), '"queries";r=499;t=1');
  t.equal(rateField(decision(-250)), '"queries";r=0;t=8');
});

t.test('a refusal names the policy and the time to wait, at least a second', async (t) => {
  const problem = refusal(decision(0, 10));
  t.match(problem, { code: 'quota_exceeded', retryAfterSeconds: 1 });
  t.strictSame(problem.extensions, { 'violated-policies': ['queries'] });
  t.equal(refusal(decision(0, 2_001)).retryAfterSeconds, 3);
});
