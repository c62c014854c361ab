/** The 95% interval of a distinct count against simulated sketches of every size. */
import t, { type Test } from 'tap';
import {
  createRegisters,
  distinctBounds,
  estimate,
  type Registers,
} from '../../../src/sketches/hyperloglog.js';
import { type Random, seededRandom } from '../../support/random.js';

const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

/** Adds a new value: 14 bits of a random hash pick the register, the zeros in 32 others are its run. */
function addValue(registers: Registers, random: Random): void {
  const register = Math.floor(random() * registers.length);
  const run = Math.clz32(random() * 2 ** 32) + 1;
  if (registers[register] < run) registers[register] = run;
}

/** How many of some sketches have the truth in their interval, by size; each grows through all sizes. */
function countCovered(sizes: readonly number[], sketches: number, seed: number): number[] {
  const random = seededRandom(seed);
  const covered = sizes.map(() => 0);
  for (let sketch = 0; sketch < sketches; sketch++) {
    const registers = createRegisters();
    let added = 0;
    sizes.forEach((size, i) => {
      for (; added < size; added++) addValue(registers, random);
      const { lower, upper } = distinctBounds(estimate(registers));
      if (lower <= size && size <= upper) covered[i]++;
    });
  }
  return covered;
}

/** Checks that 95% are covered, less three standard deviations of such a share. */
function checkCoverage(t: Test, sizes: readonly number[], sketches: number, seed: number): void {
  const least = 0.95 - 3 * Math.sqrt((0.95 * 0.05) / sketches);
  countCovered(sizes, sketches, seed).forEach((covered, i) => {
    const share = covered / sketches;
    t.ok(share >= least, `${sizes[i]} values: ${(100 * share).toFixed(1)}% of the intervals hold them`);
  });
}

t.test('the 95% interval holds the truth at 1 to 2,500 values', async (t) => {
  const few = [1, 2, 3, 5, 10, 20, ...range(30, 50), 75, 100, ...range(110, 130), 150, 200, 300];
  const more = [400, 500, 620, 750, 1_000, 1_250, 1_500, 2_000, 2_500];
  checkCoverage(t, [...few, ...more], 3_000, 1);
});

t.test('the 95% interval holds the truth at 3,500 to 200,000 values', async (t) => {
  // At 32,250 values the error stops growing with the count.
  const many = [
    3_500, 5_000, 7_000, 10_000, 16_384, 25_000, 32_000, 33_000, 45_000, 65_536, 100_000, 200_000,
  ];
  checkCoverage(t, many, 1_000, 2);
});
