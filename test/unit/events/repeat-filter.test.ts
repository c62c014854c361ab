/** The repeat filter: it may forget, but never believes what it was not told under the present epoch. */
import fc from 'fast-check';
import t from 'tap';
import { createRepeatFilter, type RepeatFilter } from '../../../src/events/repeat-filter.js';

const hostile = ['a', 'ab', 'b', '', '\0', 'a\0', '\0a', 'a\0b', 'hour 1 0', 'hour 1 0\0a', '*', '__proto__'];
const numbers = (count: number, from = 0) => Array.from({ length: count }, (_, i) => String(from + i));
/** Told for good, unless said otherwise. */
const remember = (filter: RepeatFilter, system: string, slot: string, values: string[], until = Infinity) =>
  filter.remember(system, { slot, values, until });
const names = (values: ReadonlySet<string>) => [...values].sort();

t.test('it knows exactly what it was told to remember', async (t) => {
  const filter = createRepeatFilter(100);
  filter.setEpoch('s', 'e1');
  remember(filter, 's', 'one', ['ada', 'bob']);
  remember(filter, 's', 'two', ['cyd']);
  remember(filter, 's', 'one', ['bob', 'dan']);
  t.strictSame(names(filter.known('s', 'one')), ['ada', 'bob', 'dan']);
  t.strictSame(names(filter.known('s', 'two')), ['cyd']);
  t.strictSame(names(filter.known('s', 'three')), []);
  t.strictSame(names(filter.known('other', 'one')), []);
  t.equal(filter.size, 4);
});

t.test('nothing is known of a system before it has an epoch', async (t) => {
  const filter = createRepeatFilter(100);
  t.equal(filter.epochOf('s'), '');
  remember(filter, 's', 'one', ['ada']);
  filter.setEpoch('s', 'e1');
  t.equal(filter.epochOf('s'), 'e1');
  t.equal(filter.known('s', 'one').size, 0);
});

t.test('another epoch forgets that system and no other, whatever their names', async (t) => {
  for (const changed of hostile) {
    const filter = createRepeatFilter(1_000);
    for (const system of hostile) {
      filter.setEpoch(system, 'e1');
      for (const slot of hostile) remember(filter, system, slot, [`${system}|${slot}`]);
    }
    t.equal(filter.size, hostile.length ** 2);
    filter.setEpoch(changed, 'e1');
    t.equal(filter.size, hostile.length ** 2, 'the same epoch forgets nothing');
    filter.setEpoch(changed, 'e2');
    for (const system of hostile) {
      for (const slot of hostile) {
        const expected = system === changed ? [] : [`${system}|${slot}`];
        t.strictSame(names(filter.known(system, slot)), expected);
      }
      t.equal(filter.epochOf(system), system === changed ? 'e2' : 'e1');
    }
    t.equal(filter.size, hostile.length * (hostile.length - 1));
  }
});

t.test('forgetting one system or all of them leaves no epoch to rely on', async (t) => {
  const filter = createRepeatFilter(100);
  for (const system of ['a', 'b', 'c']) {
    filter.setEpoch(system, 'e1');
    remember(filter, system, 'one', ['ada']);
  }
  filter.forget('a');
  t.strictSame([filter.epochOf('a'), filter.known('a', 'one').size, filter.size], ['', 0, 2]);
  t.equal(filter.known('b', 'one').size, 1);
  const { generation } = filter;
  filter.forgetAll();
  t.strictSame([filter.epochOf('b'), filter.known('b', 'one').size, filter.size], ['', 0, 0]);
  t.equal(filter.generation, generation + 1);
  filter.forget('never seen');
  t.equal(filter.size, 0);
});

t.test('the bound holds after every step, also where one slot is larger than it', async (t) => {
  const filter = createRepeatFilter(100);
  for (const system of ['a', 'b']) filter.setEpoch(system, 'e1');
  for (let i = 0; i < 50; i++) {
    remember(filter, i % 2 ? 'a' : 'b', `slot ${i % 7}`, numbers(1 + ((i * 13) % 40), i));
    t.ok(filter.size <= 100, `${filter.size}`);
  }
  remember(filter, 'a', 'large', numbers(1_000));
  t.ok(filter.size <= 100);
  remember(filter, 'a', 'small', ['ada']);
  t.ok(filter.known('a', 'small').has('ada'), 'it goes on');
});

t.test('what was not used for longest goes first', async (t) => {
  const filter = createRepeatFilter(150);
  filter.setEpoch('s', 'e1');
  for (let slot = 0; slot < 10; slot++) remember(filter, 's', `slot ${slot}`, numbers(10));
  filter.known('s', 'slot 0');
  remember(filter, 's', 'slot 1', ['0']);
  remember(filter, 's', 'new', ['ada']);
  t.ok(filter.known('s', 'slot 0').size > 0, 'looked at');
  t.ok(filter.known('s', 'slot 1').size > 0, 'remembered again');
  t.ok(filter.known('s', 'new').size > 0, 'new');
  t.equal(filter.known('s', 'slot 2').size, 0, 'not used');
  t.ok(filter.size <= 150);
});

t.test('slots count too, so that many of one value are bounded', async (t) => {
  const filter = createRepeatFilter(600);
  for (let i = 0; i < 1_000; i++) {
    filter.setEpoch(`s${i}`, 'e1');
    remember(filter, `s${i}`, 'minute', ['ada']);
  }
  t.ok(filter.size > 0 && filter.size <= 100, `${filter.size} slots`);
});

t.test('slots whose keys may be gone are forgotten, and no others', async (t) => {
  const filter = createRepeatFilter(100);
  filter.setEpoch('s', 'e1');
  remember(filter, 's', 'minute', ['ada', 'bob'], 1_000);
  remember(filter, 's', 'hour', ['ada'], 2_000);
  remember(filter, 's', 'minute', ['cyd'], 5_000); // the key is as old as it was
  filter.sweep(999);
  t.equal(filter.size, 4);
  filter.sweep(1_000);
  t.strictSame([filter.known('s', 'minute').size, filter.known('s', 'hour').size, filter.size], [0, 1, 1]);
  t.equal(filter.epochOf('s'), 'e1');
  remember(filter, 's', 'minute', ['ada'], 9_000);
  filter.sweep(8_999);
  t.strictSame([filter.known('s', 'minute').size, filter.known('s', 'hour').size, filter.size], [1, 0, 1]);
});

t.test('with room for none nothing is known, but epochs are', async (t) => {
  const filter = createRepeatFilter(0);
  filter.setEpoch('s', 'e1');
  remember(filter, 's', 'one', ['ada']);
  t.strictSame([filter.size, filter.known('s', 'one').size, filter.epochOf('s')], [0, 0, 'e1']);
});

t.test('whatever is done to it, it knows nothing that the present epoch was not told', async () => {
  const system = fc.constantFrom('a', 'b', 'a\0');
  const slot = fc.constantFrom('x', 'y');
  const step = fc.oneof(
    fc.record({
      do: fc.constant('remember' as const),
      system,
      slot,
      values: fc.array(fc.constantFrom(...numbers(9))),
    }),
    fc.record({ do: fc.constant('epoch' as const), system, epoch: fc.constantFrom('e1', 'e2') }),
    fc.record({ do: fc.constant('forget' as const), system }),
    fc.record({ do: fc.constant('forgetAll' as const) }),
    fc.record({ do: fc.constant('look' as const), system, slot }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.integer({ min: 0, max: 20 }), (steps, valuesMax) => {
      const filter = createRepeatFilter(valuesMax);
      const epochs = new Map<string, string>();
      let told: [system: string, slot: string, value: string][] = [];
      for (const one of steps) {
        if (one.do === 'remember') {
          remember(filter, one.system, one.slot, one.values);
          for (const value of one.values) told.push([one.system, one.slot, value]);
        } else if (one.do === 'epoch') {
          filter.setEpoch(one.system, one.epoch);
          if (epochs.get(one.system) !== one.epoch) told = told.filter(([system]) => system !== one.system);
          epochs.set(one.system, one.epoch);
        } else if (one.do === 'forget') {
          filter.forget(one.system);
          epochs.delete(one.system);
          told = told.filter(([system]) => system !== one.system);
        } else if (one.do === 'forgetAll') {
          filter.forgetAll();
          epochs.clear();
          told = [];
        } else {
          for (const value of filter.known(one.system, one.slot)) {
            if (!told.some((fact) => fact.join('|') === [one.system, one.slot, value].join('|')))
              return false;
          }
        }
        if (filter.size > valuesMax) return false;
      }
      return true;
    }),
    { seed: 1, numRuns: 1_000 },
  );
});
