import t from 'tap';
import {
  addToBloom,
  bloomEnvelope,
  bloomHas,
  bloomHeaderBytes,
  bloomKeyBytes,
  bloomLayers,
  createBloom,
  decodeBloom,
  decodeBloomHeader,
  layerCapacities,
  mergeBloom,
  writeBloomKey,
} from '../../../src/sketches/bloom.js';
import { falsePositiveRate } from '../../../src/sketches/bloom-rate.js';
import { SketchFormatError } from '../../../src/sketches/envelope.js';
import { splitBlockRate } from '../../../src/sketches/split-block.js';
import { dataSets, namesOf } from '../../support/data-sets.js';
import { seededRandom } from '../../support/random.js';

const bloomOf = (values: Iterable<string>, start = createBloom()) => {
  let bloom = start;
  for (const value of values) bloom = addToBloom(bloom, value);
  return bloom;
};
const bitsOf = (bloom: Buffer) => bloom.subarray(bloomHeaderBytes);
const names = (prefix: string, count: number) => Array.from({ length: count }, (_, i) => `${prefix}${i}`);

/** Share of `count` values never added that the filter claims to hold. */
function measuredRate(bloom: Buffer, count: number): number {
  let wrong = 0;
  for (let i = 0; i < count; i++) if (bloomHas(bloom, `stranger-${i}`)) wrong++;
  return wrong / count;
}

t.test('an empty filter is the header and 512 bytes, and holds nothing', async (t) => {
  const bloom = createBloom();
  t.equal(bloom.length, 552);
  t.strictSame(bloom.subarray(0, 4), bloomEnvelope);
  t.strictSame(decodeBloomHeader(bloom), { layers: 1, counts: [0], saturated: false });
  t.equal(measuredRate(bloom, 1_000), 0);
  t.equal(falsePositiveRate(bloom), 0);
});

t.test('every value added is found, on every data set and through layers', async (t) => {
  for (const set of dataSets) {
    const values = namesOf(set, 10_000, 1);
    const bloom = bloomOf(values);
    t.ok(
      values.every((value) => bloomHas(bloom, value)),
      set,
    );
    const { counts } = decodeBloomHeader(bloom);
    const inserted = counts.reduce((sum, count) => sum + count, 0);
    const distinct = new Set(values).size;
    t.ok(inserted <= distinct && inserted >= distinct * 0.998, `${set}: ${inserted} of ${distinct}`);
  }
});

t.test('adding a value again changes nothing', async (t) => {
  const values = names('user-', 1_000);
  const bloom = bloomOf(values);
  t.strictSame(bloomOf(values, Buffer.from(bloom)), bloom);
});

t.test('a wire key is the block selector and the bits of the Parquet specification', async (t) => {
  const key = Buffer.alloc(2 + bloomKeyBytes, 0xff);
  writeBloomKey('abc', key, 1);
  t.strictSame([key[0], key[13]], [0xff, 0xff]);
  const hash = 0x44bc2cf5ad770999n;
  const salts = [
    0x47b6137bn,
    0x44974d91n,
    0x8824ad5bn,
    0xa2b7289dn,
    0x705495c7n,
    0x2df1424bn,
    0x9efc4947n,
    0x5c6bfb31n,
  ];
  t.equal(BigInt(key.readUInt32LE(1)), hash >> 32n);
  const bits = salts.map((salt) => Number((((hash & 0xffffffffn) * salt) & 0xffffffffn) >> 27n));
  t.strictSame([...key.subarray(5, 13)], bits);

  const bloom = bloomOf(['abc']);
  const block = bloomHeaderBytes + 32 * Number(((hash >> 32n) * 16n) >> 32n);
  bits.forEach((bit, word) => {
    t.equal(bloom.readUInt32LE(block + 4 * word), 2 ** bit);
  });
});

t.test('layers follow one another, each 4 times the one before, up to 1.7 million values', async (t) => {
  let offset = bloomHeaderBytes;
  bloomLayers.forEach(({ blocks, offsetBytes, capacity, rate }, layer) => {
    t.equal(blocks, 16 * 4 ** layer);
    t.equal(offsetBytes, offset);
    t.ok(splitBlockRate(capacity, blocks) <= rate, `layer ${layer} keeps its aim`);
    t.ok(splitBlockRate(capacity + 1, blocks) > rate, `layer ${layer} takes all it can`);
    offset += 32 * blocks;
  });
  t.strictSame(layerCapacities, [99, 588, 2_354, 8_249, 28_888, 101_062, 353_097, 1_231_588]);
});

t.test('merging two that fit the first layer gives the bits of a filter of both', async (t) => {
  for (const set of dataSets) {
    const a = namesOf(set, 45, 1);
    const b = namesOf(set, 45, 2);
    t.strictSame(bitsOf(mergeBloom(bloomOf(a), bloomOf(b))), bitsOf(bloomOf([...a, ...b])), set);
  }
});

t.test('merging has an identity, commutes, associates and loses no value, at any sizes', async (t) => {
  const random = seededRandom(3);
  for (let round = 0; round < 40; round++) {
    const parts = ['a', 'b', 'c'].map((prefix) => names(prefix, Math.floor(10 ** (4.3 * random()))));
    const [a, b, c] = parts.map((part) => bloomOf(part));
    const whole = mergeBloom(mergeBloom(a, b), c);
    t.strictSame(mergeBloom(a, createBloom()), a);
    t.strictSame(mergeBloom(a, b), mergeBloom(b, a));
    t.strictSame(whole, mergeBloom(a, mergeBloom(b, c)));
    t.ok(parts.flat().every((value) => bloomHas(whole, value)));
  }
});

t.test('a merged filter claims a rate no lower than the measured one, and takes more values', async (t) => {
  const merged = mergeBloom(bloomOf(names('a', 3_000)), bloomOf(names('b', 3_000)));
  const claimed = falsePositiveRate(merged);
  t.ok(measuredRate(merged, 200_000) <= 1.2 * claimed, `${claimed}`);
  const more = names('c', 10_000);
  const grown = bloomOf(more, merged);
  t.ok(more.every((value) => bloomHas(grown, value)));
});

t.test(
  'the measured rate stays under 0.1% up to a million values, and is what the filter states',
  async (t) => {
    const sizes = [99, 191, 1_000, 5_000, 30_000, 150_000, 1_000_000];
    let bloom = createBloom();
    let added = 0;
    for (const size of sizes) {
      while (added < size) bloom = addToBloom(bloom, `user-${added++}`);
      const stated = falsePositiveRate(bloom);
      const measured = measuredRate(bloom, 300_000);
      t.comment(`${size} values: measured ${measured}, stated ${stated}, ${bloom.length} bytes`);
      t.ok(measured < 0.001 && stated < 0.001, `${size} values: under 0.1%`);
      t.ok(Math.abs(measured - stated) < 4 * Math.sqrt(stated / 300_000), `${size} values: as stated`);
      t.notOk(decodeBloomHeader(bloom).saturated);
    }
  },
);

t.test('a filter over its last capacity says so and claims a higher rate', async (t) => {
  const counts = [...layerCapacities];
  const blob = Buffer.alloc(bloomHeaderBytes);
  bloomEnvelope.copy(blob);
  blob[4] = counts.length;
  counts.forEach((count, layer) => {
    blob.writeUInt32LE(count, 8 + 4 * layer);
  });
  t.notOk(decodeBloomHeader(blob).saturated);
  counts[7] *= 3;
  blob.writeUInt32LE(counts[7], 8 + 4 * 7);
  t.strictSame(decodeBloomHeader(blob), { layers: 8, counts, saturated: true });
  t.ok(falsePositiveRate(blob) > 0.001);
});

t.test('a stored filter is read back, and broken ones are refused', async (t) => {
  const bloom = bloomOf(names('user-', 1_000));
  t.strictSame(decodeBloom(Uint8Array.from(bloom)), bloom);
  const withByte = (at: number, byte: number) => Buffer.from(bloom).fill(byte, at, at + 1);
  for (const broken of [
    bloom.subarray(0, 39),
    bloom.subarray(0, -1),
    Buffer.concat([bloom, Buffer.alloc(1)]),
    withByte(0, 0),
    withByte(3, 2),
    withByte(4, 0),
    withByte(4, 9),
  ]) {
    t.throws(() => decodeBloom(broken), SketchFormatError);
  }
});
