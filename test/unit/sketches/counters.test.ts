import fc from 'fast-check';
import t from 'tap';
import { counterField, mergeCounters, parseCounterField } from '../../../src/sketches/counters.js';
import { SketchFormatError } from '../../../src/sketches/envelope.js';

const counter = fc
  .array(fc.tuple(fc.integer({ min: 0, max: 30 }), fc.integer({ min: 1, max: 1e9 })))
  .map((pairs) => new Map(pairs.map(([minute, count]) => [counterField(minute, 0), count])));
const plain = (map: Map<string, number>) => Object.fromEntries([...map].sort());

t.test('every field is read back', async (t) => {
  t.equal(counterField(630, 0), '630:0');
  for (let minuteOfDay = 0; minuteOfDay < 1440; minuteOfDay++) {
    const typeCode = minuteOfDay % 9;
    t.strictSame(parseCounterField(counterField(minuteOfDay, typeCode)), { minuteOfDay, typeCode });
  }
});

t.test('a field that nobody writes is refused', async (t) => {
  for (const field of [
    '',
    '5',
    ':',
    '5:',
    ':5',
    '1440:0',
    '-1:0',
    '05:0',
    '5:01',
    '5:0:0',
    '5:0\n',
    '1.5:0',
    '5:x',
  ]) {
    t.throws(() => parseCounterField(field), SketchFormatError, JSON.stringify(field));
  }
});

t.test('merging adds, has an identity, commutes and associates', async (t) => {
  fc.assert(
    fc.property(counter, counter, counter, (a, b, c) => {
      const whole = plain(mergeCounters([a, b, c]));
      t.strictSame(plain(mergeCounters([a, mergeCounters([])])), plain(a));
      t.strictSame(plain(mergeCounters([c, b, a])), whole);
      t.strictSame(plain(mergeCounters([mergeCounters([a, b]), c])), whole);
      t.strictSame(plain(mergeCounters([a, mergeCounters([b, c])])), whole);
    }),
    { seed: 1, numRuns: 100 },
  );
  t.strictSame(plain(mergeCounters([new Map([['1:0', 2]]), new Map([['1:0', 3]])])), { '1:0': 5 });
});
