/** Admission, with a clock of its own: who is taken in, who is refused and why, and how the bound follows the rate. */
import t from 'tap';
import { createAdmission } from '../../../src/events/admission.js';

const BYTES = 100;

function setUp(options: Partial<Omit<Parameters<typeof createAdmission>[0], 'clock'>> = {}) {
  let now = 5_000;
  const admission = createAdmission({
    requestsMax: 500,
    queueMsMax: 50,
    pendingBytesMax: 1e9,
    floodBytesMax: 1e9,
    ...options,
    clock: { now: () => now },
  });
  return {
    admission,
    pass(ms: number) {
      now += ms;
    },
    /** Takes in as many of `count` as are let in. */
    take(count: number): number {
      let taken = 0;
      for (let i = 0; i < count; i++) {
        if (admission.refusal(BYTES)) continue;
        admission.enter(BYTES);
        taken++;
      }
      return taken;
    },
    answer: (count: number) => admission.leave(count, count * BYTES),
  };
}

type Service = ReturnType<typeof setUp>;

/** So many requests come and are answered a millisecond, for a while; what waits beyond the bound is refused. */
function run(
  { admission, take, answer, pass }: Service,
  comeEach: number,
  answerEach: number | ((held: number) => number),
  ms: number,
) {
  let taken = 0;
  let heldMost = 0;
  const rateAt = typeof answerEach === 'number' ? () => answerEach : answerEach;
  for (let i = 0; i < ms; i++) {
    taken += take(comeEach);
    heldMost = Math.max(heldMost, admission.held);
    pass(1);
    answer(Math.min(rateAt(admission.held), admission.held));
  }
  return { taken, heldMost };
}

t.test('a burst that meets an idle service is taken in, up to the largest number of requests', async (t) => {
  const { admission, take } = setUp();
  t.equal(take(800), 500);
  t.equal(admission.refusal(BYTES), 'requests');
  t.match({ ...admission }, { held: 500, pendingBytes: 500 * BYTES });
});

t.test(
  'a burst of long bodies is taken in up to what is soon answered, but sixty-four of any length',
  async (t) => {
    const { admission, take } = setUp();
    admission.enter(1024 ** 2);
    t.ok(take(500) === 499, 'short ones go with a long one');
    admission.enter(2 * 1024 ** 2);
    t.equal(admission.refusal(BYTES), 'queue');
    const other = setUp();
    for (let i = 0; i < 64; i++) {
      t.equal(other.admission.refusal(1024 ** 2), undefined);
      other.admission.enter(1024 ** 2);
    }
    t.equal(other.admission.refusal(1), 'queue');
  },
);

t.test('what comes five times faster than it is answered waits no longer than it may', async (t) => {
  const service = setUp();
  run(service, 20, 4, 300);
  const { heldMost, taken } = run(service, 20, 4, 1_000);
  t.ok(heldMost <= 4 * 50 + 4, `${heldMost} held, answered at 4 a millisecond: ${heldMost / 4} ms`);
  t.ok(taken >= 3_900, `and ${taken} are taken in, about as many as can be answered`);
  service.take(20);
  t.equal(service.admission.refusal(BYTES), 'queue');
});

t.test('the bound follows the rate, down and up', async (t) => {
  const service = setUp();
  run(service, 20, 4, 500);
  const fast = service.admission.limit;
  run(service, 20, 2, 1_000);
  const slow = service.admission.limit;
  run(service, 20, 6, 1_000);
  t.ok(slow < fast * 0.6, `${fast} falls to ${slow}`);
  t.ok(service.admission.limit > slow * 2, `and rises to ${service.admission.limit}`);
});

t.test('sixty-four are always taken, however slowly they are answered', async (t) => {
  const service = setUp();
  service.take(100);
  for (let i = 0; i < 20; i++) {
    service.pass(100);
    service.admission.refusal(BYTES);
  }
  service.answer(100);
  t.equal(service.take(100), 64, 'those, where nothing was answered in two seconds');
});

t.test('fifty connections that send as fast as they can are never refused', async (t) => {
  const service = setUp();
  let taken = 0;
  for (let i = 0; i < 100; i++) {
    taken += service.take(50);
    service.pass(250);
    service.answer(50);
  }
  t.equal(taken, 5_000);
});

t.test(
  'a service that is asked for little is not thought to be slow: later bursts are taken in',
  async (t) => {
    const service = setUp();
    run(service, 20, 4, 500);
    service.answer(service.admission.held);
    for (let i = 0; i < 30; i++) {
      service.pass(100);
      service.take(1);
      service.pass(3);
      service.answer(1);
    }
    t.equal(service.take(400), 400);
  },
);

t.test('bytes are bounded too, but one body alone is always taken', async (t) => {
  const { admission } = setUp({ pendingBytesMax: 1_000 });
  t.equal(admission.refusal(5_000), undefined);
  admission.enter(5_000);
  t.equal(admission.refusal(1), 'bytes');
  admission.leave(1, 5_000);
  admission.enter(600);
  t.equal(admission.refusal(400), undefined);
  t.equal(admission.refusal(401), 'bytes');
});

t.test(
  'while more is refused than answered, less is held; soon after it is over, as much as before',
  async (t) => {
    const service = setUp({ floodBytesMax: 20 * BYTES });
    run(service, 20, 4, 300);
    const flooded = run(service, 20, 4, 1_000);
    t.equal(flooded.heldMost, 20);
    t.equal(flooded.taken, 4_000, 'and no less is answered');
    service.take(21);
    t.equal(service.admission.refusal(BYTES), 'flood');
    t.equal(run(service, 4, 4, 900).heldMost, 20, 'it may come back at once');
    run(service, 4, 4, 300);
    t.equal(service.take(100), 100);
  },
);

t.test('a little more than can be answered is no flood', async (t) => {
  const service = setUp({ floodBytesMax: 20 * BYTES });
  run(service, 20, 4, 300);
  run(service, 6, 4, 1_000);
  t.ok(run(service, 6, 4, 1_000).heldMost > 64);
});

t.test('in a flood one body alone is taken, however large it is', async (t) => {
  const service = setUp({ floodBytesMax: 20 * BYTES });
  run(service, 20, 4, 500);
  service.answer(service.admission.held);
  t.equal(service.admission.refusal(1_000 * BYTES), undefined);
  service.admission.enter(1_000 * BYTES);
  t.equal(service.admission.refusal(BYTES), 'flood');
});

/** Many share a pipeline, so that a full one answers four times as many. */
const shared = (held: number) => (held < 64 ? 1 : 4);

t.test('what can be served in a calm is no flood for longer than five seconds after a spike', async (t) => {
  const service = setUp({ floodBytesMax: 20 * BYTES });
  run(service, 20, shared, 500);
  const after = run(service, 3, shared, 4_000);
  t.ok(after.taken < 5_000, `${after.taken} of 12,000 taken in: it looks like a flood`);
  run(service, 3, shared, 1_000);
  t.equal(run(service, 3, shared, 10_000).taken, 30_000);
});

t.test('a great flood is held short for five minutes, then one window is tried', async (t) => {
  const service = setUp({ floodBytesMax: 20 * BYTES });
  run(service, 20, shared, 500);
  t.equal(run(service, 20, shared, 299_000).heldMost, 20);
  t.ok(run(service, 20, shared, 1_000).heldMost > 64);
  run(service, 20, shared, 200);
  t.equal(run(service, 20, shared, 60_000).heldMost, 20);
});
