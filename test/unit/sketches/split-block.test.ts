import t from 'tap';
import { rateOfBits, splitBlockDeviation, splitBlockRate } from '../../../src/sketches/split-block.js';
import { randomBlocks } from '../../support/blooms.js';
import { seededRandom } from '../../support/random.js';

t.test('the average rate of blocks agrees with the sum written out', async (t) => {
  const load = 12;
  let poisson = Math.exp(-load);
  let rate = 0;
  for (let j = 0; j < 200; j++) {
    rate += poisson * (1 - (31 / 32) ** j) ** 8;
    poisson *= load / (j + 1);
  }
  t.ok(Math.abs(splitBlockRate(12 * 64, 64) / rate - 1) < 1e-12);
  t.ok(Math.abs(splitBlockRate(1_000_000 * 16, 16) - 1) < 1e-9, 'no underflow in a drowned filter');
  t.ok(splitBlockRate(1, 262_144) > 0);
  t.equal(splitBlockRate(0, 16), 0);
});

t.test('the rate of bits is the mean over blocks of the product of the shares of set bits', async (t) => {
  const bytes = Buffer.alloc(3 + 2 * 32);
  t.equal(rateOfBits(bytes, 3, 2), 0);
  for (let word = 0; word < 8; word++) bytes.writeUInt32LE(0x8000_0001, 3 + 4 * word);
  t.equal(rateOfBits(bytes, 3, 2), (2 / 32) ** 8 / 2, 'two bits in each word of one of two blocks');
  bytes.fill(0xff, 3 + 32);
  t.equal(rateOfBits(bytes, 3, 2), (1 + (2 / 32) ** 8) / 2);
  bytes.writeUInt32LE(0, 3);
  t.equal(rateOfBits(bytes, 3, 1), 0, 'an empty word says no to everything');
});

t.test('the average and the deviation are those of generated blocks', async (t) => {
  const random = seededRandom(5);
  for (const [blocks, values] of [
    [16, 99],
    [64, 300],
    [64, 588],
    [256, 2_354],
  ]) {
    const rates = Array.from({ length: 2_000 }, () =>
      rateOfBits(randomBlocks(blocks, values, random), 0, blocks),
    );
    const mean = rates.reduce((sum, rate) => sum + rate, 0) / rates.length;
    const deviation = Math.sqrt(rates.reduce((sum, rate) => sum + (rate - mean) ** 2, 0) / rates.length);
    const average = splitBlockRate(values, blocks);
    t.ok(mean / average > 0.85 && mean / average < 1.05, `${values} values: mean ${mean} of ${average}`);
    const stated = splitBlockDeviation(values, blocks);
    t.ok(deviation > 0.6 * stated && deviation < 1.05 * stated, `${values}: ${deviation} of ${stated}`);
  }
});
