/** The circuit breaker: when it opens, who probes, how long it stays open, and whose word counts. */
import t from 'tap';
import { type BreakerState, createBreaker } from '../../../src/redis/breaker.js';

function setUp() {
  let now = 1_000;
  const states: BreakerState[] = [];
  const breaker = createBreaker({
    failuresMax: 3,
    openMs: 100,
    clock: { now: () => now },
    random: () => 1,
    onChange: (state) => states.push(state),
  });
  const call = (isAnswered: boolean) => {
    const entered = breaker.enter();
    if (entered !== undefined) breaker.leave(entered, isAnswered);
    return entered !== undefined;
  };
  const fail = (times: number) => {
    for (let i = 0; i < times; i++) call(false);
  };
  return {
    breaker,
    states,
    call,
    fail,
    pass(ms: number) {
      now += ms;
    },
  };
}

t.test('it opens after so many failures in a row, and an answer in between begins anew', async (t) => {
  const { breaker, call, fail, states } = setUp();
  fail(2);
  call(true);
  fail(2);
  t.equal(breaker.state, 'closed');
  fail(1);
  t.equal(breaker.state, 'open');
  t.ok(breaker.refuses());
  t.notOk(call(true), 'nothing goes through');
  t.strictSame(states, ['open']);
});

t.test(
  'after its time one call goes through; the others are refused until that has its answer',
  async (t) => {
    const { breaker, call, fail, pass, states } = setUp();
    fail(3);
    pass(99);
    t.notOk(call(true));
    pass(1);
    t.notOk(breaker.refuses());
    const probe = breaker.enter();
    t.equal(breaker.state, 'half_open');
    t.ok(breaker.refuses());
    t.notOk(call(true), 'a second one');
    breaker.leave(probe as number, true);
    t.equal(breaker.state, 'closed');
    t.strictSame(states, ['open', 'half_open', 'closed']);
  },
);

t.test('a probe that fails opens it for twice as long, up to eight times', async (t) => {
  const { breaker, call, fail, pass } = setUp();
  fail(3);
  for (const openMs of [100, 200, 400, 800, 800]) {
    pass(openMs - 1);
    t.ok(breaker.refuses(), `open for ${openMs} ms`);
    pass(1);
    t.ok(call(false), 'then a probe');
  }
  pass(800);
  call(true);
  fail(3);
  pass(100);
  t.notOk(breaker.refuses(), 'once it was closed the first time is the short one again');
});

t.test('a new connection is tried at once, whatever time is left', async (t) => {
  const { breaker, call, fail } = setUp();
  breaker.reconnected();
  t.equal(breaker.state, 'closed', 'nothing to try where it is closed');
  fail(3);
  breaker.reconnected();
  t.equal(breaker.state, 'half_open');
  t.ok(call(true));
  t.equal(breaker.state, 'closed');
});

t.test('calls that began before it turned say nothing about it', async (t) => {
  const { breaker, fail, call } = setUp();
  const early = [breaker.enter(), breaker.enter()] as number[];
  fail(3);
  breaker.leave(early[0], true);
  t.equal(breaker.state, 'open', 'a late answer does not close it');
  breaker.reconnected();
  breaker.leave(early[1], false);
  t.equal(breaker.state, 'half_open', 'a late failure is not that of the probe');
  t.ok(call(true));
});
