/** Leases: what a process may spend of a shared bucket without asking. */
import t from 'tap';
import {
  isOnLease,
  type Lease,
  mostAvailable,
  openLease,
  settle,
  spendHere,
} from '../../../src/limits/lease.js';
import { createLimit, type Limit } from '../../../src/limits/policies.js';

const limit = createLimit('ingest', 1_000, 2) as Limit;
const start = 1_000_000;
const open = (fields: Partial<Lease> = {}): Lease => ({ ...openLease('key', limit, start), ...fields });

t.test('a rate of 0 is no limit, and a block is at most 1% of what a second brings', async (t) => {
  t.equal(createLimit('queries', 0, 1), undefined);
  for (const [perSecond, block] of [
    [1, 0],
    [99, 0],
    [100, 1],
    [1_000, 10],
    [1_050, 10],
  ]) {
    t.equal(createLimit('queries', perSecond, 1)?.block, block, `${perSecond} a second`);
  }
});

t.test('a bucket of which nothing is known counts as full', async (t) => {
  t.equal(mostAvailable(open(), start), 2_000);
  t.equal(mostAvailable(open(), start + 60_000), 2_000, 'and is never more than full');
});

t.test('what was spent is taken off, paid or not, and what flows in is added', async (t) => {
  const lease = open({ tokens: 100, unpaid: 4, underWay: 6 });
  t.equal(mostAvailable(lease, start), 90);
  t.equal(mostAvailable(lease, start + 50), 140);
  settle(lease, -30, start + 50);
  t.equal(mostAvailable(lease, start + 50), -40);
  t.equal(mostAvailable(lease, start + 100), 10);
});

t.test('no more than a block is ever spent before it is paid', async (t) => {
  t.ok(isOnLease(open(), 10));
  t.notOk(isOnLease(open(), 11));
  t.ok(isOnLease(open({ unpaid: 4, underWay: 5 }), 1));
  t.notOk(isOnLease(open({ unpaid: 4, underWay: 5 }), 2));
});

t.test('where Redis cannot be asked, the bucket goes on from what was last known', async (t) => {
  const lease = open({ tokens: 500, unpaid: 7 });
  spendHere(lease, 93, start);
  t.equal(mostAvailable(lease, start), 400);
  spendHere(lease, 400, start + 100);
  t.equal(mostAvailable(lease, start + 100), 100);
  spendHere(lease, 5_000, start + 100);
  t.equal(mostAvailable(lease, start + 5_000), 0, 'a debt is paid off at the rate');
});
