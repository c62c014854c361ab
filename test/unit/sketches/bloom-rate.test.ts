/** The rate of false positives that a filter states: that of its own bits, and under 0.1% for every filter. */
import t from 'tap';
import {
  addToBloom,
  bloomHas,
  bloomHeaderBytes,
  bloomLayers,
  createBloom,
  layerCapacities,
} from '../../../src/sketches/bloom.js';
import { bloomStartBytes, combineRates, falsePositiveRate } from '../../../src/sketches/bloom-rate.js';
import { SketchFormatError } from '../../../src/sketches/envelope.js';
import { rateOfBits, splitBlockRate } from '../../../src/sketches/split-block.js';
import { randomBlocks, randomBloom } from '../../support/blooms.js';
import { type Random, seededRandom } from '../../support/random.js';

const full = (layers: number) => layerCapacities.slice(0, layers);
const averageOf = (layer: number) => splitBlockRate(layerCapacities[layer], bloomLayers[layer].blocks);

/** Rates of many layers, each filled to its capacity. */
function ratesOf(layer: number, many: number, random: Random): number[] {
  const { blocks, capacity } = bloomLayers[layer];
  return Array.from({ length: many }, () => rateOfBits(randomBlocks(blocks, capacity, random), 0, blocks));
}
const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0);

t.test('of 100,000 full filters none has 0.1% false positives', async (t) => {
  const random = seededRandom(1);
  const firsts = ratesOf(0, 100_000, random);
  const seconds = ratesOf(1, 5_000, random);
  const worst = firsts.reduce((most, rate, i) => Math.max(most, rate + seconds[i % seconds.length]), 0);
  // The later layers of a filter are many blocks, none of which weighs much: twice the average is more than they have.
  for (const layer of [2, 3]) t.ok(Math.max(...ratesOf(layer, 1_000, random)) < 2 * averageOf(layer));
  const later = sum([2, 3, 4, 5, 6, 7].map((layer) => 2 * averageOf(layer)));
  t.ok(worst + later < 0.001, `${worst} in the first two layers, ${later} in the later ones at most`);
  const average = averageOf(0) + averageOf(1);
  t.ok(worst > 3 * average, `though single filters have several times the average ${average} of two`);
});

t.test('a filter states the rate at which it finds what was never added', async (t) => {
  const probes = 40_000;
  let expected = 0;
  let found = 0;
  for (let seed = 0; seed < 60; seed++) {
    let bloom = createBloom();
    const values = Math.floor(100 * 40 ** (seed / 59));
    for (let i = 0; i < values; i++) bloom = addToBloom(bloom, `user-${seed}-${i}`);
    const stated = falsePositiveRate(bloom);
    let own = 0;
    for (let i = 0; i < probes; i++) if (bloomHas(bloom, `stranger-${i}`)) own++;
    const slack = 4 * Math.sqrt(stated * probes) + 4;
    t.ok(
      Math.abs(own - stated * probes) < slack,
      `${values} values: ${own} found, ${stated * probes} expected`,
    );
    expected += stated * probes;
    found += own;
  }
  const slack = 4 * Math.sqrt(expected);
  t.ok(Math.abs(found - expected) < slack, `${found} found, ${expected} expected`);
});

t.test('the filters that are worst by their bits are worst in use', async (t) => {
  const names = (seed: number) =>
    Array.from({ length: layerCapacities[0] - 1 }, (_, i) => `user-${seed}-${i}`);
  const blooms = Array.from({ length: 2_000 }, (_, seed) => names(seed).reduce(addToBloom, createBloom()));
  blooms.sort((a, b) => falsePositiveRate(b) - falsePositiveRate(a));
  const probes = 200_000;
  for (const bloom of blooms.slice(0, 3)) {
    const stated = falsePositiveRate(bloom);
    let found = 0;
    for (let i = 0; i < probes; i++) if (bloomHas(bloom, `stranger-${i}`)) found++;
    t.ok(stated > 3 * averageOf(0), `${stated} is several times the average`);
    const slack = 4 * Math.sqrt(stated * probes);
    t.ok(Math.abs(found - stated * probes) < slack, `${found} found, ${stated * probes} expected`);
  }
});

t.test('one value is found for another at least as often as their hashes meet', async (t) => {
  const selectors = 16 * 2 ** 32;
  const rate = falsePositiveRate(addToBloom(createBloom(), 'ada'));
  t.ok(rate > 1 / selectors && rate < 2 / selectors, `${rate}`);
});

t.test('layers that are not read are stated no lower than their bits say, at any fill', async (t) => {
  const random = seededRandom(3);
  const cases = [
    { layer: 2, counts: [1, 30, 200, 1_000, 2_000, 2_354], filters: 400 },
    { layer: 3, counts: [1, 100, 500, 4_000, 8_249], filters: 100 },
    { layer: 4, counts: [10, 1_000, 10_000, 28_888], filters: 25 },
  ];
  for (const { layer, counts, filters } of cases) {
    for (const count of counts) {
      const filled = [...Array.from({ length: layer }, () => 0), count];
      let closest = Number.POSITIVE_INFINITY;
      for (let i = 0; i < filters; i++) {
        const bloom = randomBloom(filled, random);
        const stated = falsePositiveRate(bloom.subarray(0, bloomHeaderBytes));
        closest = Math.min(closest, stated - falsePositiveRate(bloom));
      }
      t.ok(closest >= 0, `${count} values in layer ${layer}: ${closest} to spare`);
    }
  }
  const unread = randomBloom([...full(3), 0], random);
  t.equal(
    falsePositiveRate(unread.subarray(0, bloomStartBytes(1))),
    falsePositiveRate(unread),
    'none in it: none',
  );
});

t.test('what is read grows with the filters neither without bound nor into their large layers', async (t) => {
  t.strictSame([1, 62, 63, 20_000].map(bloomStartBytes), [10_792, 10_792, 2_600, 2_600]);
  const bloom = randomBloom(full(5), seededRandom(4));
  const [closely, loosely] = [1, 1_000].map((filters) =>
    falsePositiveRate(bloom.subarray(0, bloomStartBytes(filters))),
  );
  const exact = falsePositiveRate(bloom);
  t.ok(exact <= closely && closely <= loosely, `${exact}, ${closely}, ${loosely}`);
  t.ok(closely < 1.6 * exact && loosely < 0.001, 'and is near');
});

t.test('rates of several filters combine to that of any wrong yes', async (t) => {
  t.equal(combineRates([]), 0);
  t.ok(Math.abs(combineRates([0.1, 0.2]) - 0.28) < 1e-15);
  t.ok(Math.abs(combineRates([1e-18, 1e-18]) - 2e-18) < 1e-30);
});

t.test('bytes that are no filter have no rate', async (t) => {
  t.throws(() => falsePositiveRate(Buffer.alloc(bloomHeaderBytes)), SketchFormatError);
  t.throws(() => falsePositiveRate(createBloom().subarray(0, bloomHeaderBytes - 1)), SketchFormatError);
});
