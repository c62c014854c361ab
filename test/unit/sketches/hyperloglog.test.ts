import t from 'tap';
import { distinctBounds, relativeStandardError } from '../../../src/sketches/hyperloglog.js';

const near = (actual: number, expected: number) => Math.abs(actual / expected - 1) < 1e-3;

t.test('many values have the error of HyperLogLog with 16,384 registers, 0.8125%', async (t) => {
  for (const count of [100_000, 1e6, 1e9, 1e15]) t.equal(relativeStandardError(count), 1.04 / 128);
});

t.test('few values have the error of linear counting', async (t) => {
  // By hand for t = 1: sqrt(e - 2) / sqrt(16384); for t near 0: 1 / sqrt(2 * 16384).
  t.ok(near(relativeStandardError(16_384), Math.sqrt(Math.E - 2) / 128));
  t.ok(near(relativeStandardError(1), 1 / Math.sqrt(32_768)));
  t.ok(near(relativeStandardError(1_000), 0.00558));
});

t.test('the error never falls as the count grows, and has no jump', async (t) => {
  let previous = relativeStandardError(1);
  for (let count = 1; count < 200_000; count = Math.ceil(count * 1.01)) {
    const error = relativeStandardError(count);
    t.ok(error >= previous - 1e-12 && error <= previous * 1.02, `${count}`);
    previous = error;
  }
});

t.test('nothing seen is nothing, without an interval', async (t) => {
  t.strictSame(distinctBounds(0), { standardError: 0, lower: 0, upper: 0 });
});

t.test('the interval holds whole numbers around the count', async (t) => {
  t.match(distinctBounds(1), { lower: 1, upper: 2 });
  t.match(distinctBounds(33), { lower: 32, upper: 34 });
  t.match(distinctBounds(1_000), { lower: 989, upper: 1_011 });
  t.match(distinctBounds(1_000_000), { lower: 984_075, upper: 1_015_925 });
  for (const count of [1, 2, 10, 47, 999, 12_345, 1e7]) {
    const { lower, upper } = distinctBounds(count);
    t.ok(Number.isInteger(lower) && Number.isInteger(upper) && lower > 0, `${count}`);
    t.ok(lower <= count && count <= upper, `${count}`);
  }
});
