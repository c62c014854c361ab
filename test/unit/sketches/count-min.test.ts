/** Count-min sketches: the laws, the layers and the stored form. */
import t from 'tap';
import {
  addToCountMin,
  type CountMin,
  countMinEnvelope,
  countMinHeaderBytes,
  countMinLayers,
  countRecordBytes,
  countWaiting,
  createCountMin,
  decodeCountMin,
  encodeCountMin,
  mergeCountMins,
  packCountRecords,
  writeCountRecord,
} from '../../../src/sketches/count-min.js';
import { estimateCount, readCount } from '../../../src/sketches/count-min-estimate.js';
import { SketchFormatError } from '../../../src/sketches/envelope.js';
import { dataSets, namesOf } from '../../support/data-sets.js';
import { seededRandom } from '../../support/random.js';

const ones = (values: readonly string[]) =>
  packCountRecords(
    values,
    values.map(() => 1),
  );

/** A sketch that was given the values in pieces of `size`. */
function sketchOf(values: readonly string[], size = 100): CountMin {
  const sketch = createCountMin();
  for (let from = 0; from < values.length; from += size) {
    addToCountMin(sketch, ones(values.slice(from, from + size)));
  }
  return sketch;
}

/** The bytes of a sketch of which nothing waits any more. */
function countedBytes({ layers, waiting }: CountMin): Buffer {
  const copy = structuredClone({ layers });
  const sketch = { layers: copy.layers, waiting };
  countWaiting(sketch);
  return encodeCountMin(sketch);
}

function truthOf(values: readonly string[]): Map<string, number> {
  const truth = new Map<string, number>();
  for (const value of values) truth.set(value, (truth.get(value) ?? 0) + 1);
  return truth;
}

const countIn = (sketch: CountMin, value: string) => estimateCount([readCount(sketch, value)]).count;

t.test('a record is the hash of the specification, then the count, little-endian', async (t) => {
  const record = Buffer.alloc(2 + countRecordBytes, 0xff);
  writeCountRecord('abc', 258, record, 1);
  t.equal(record.toString('hex'), `ff${'990977adf52cbc44'}${'02010000'}ff`);
  writeCountRecord('abc', 2 ** 40, record, 1);
  t.equal(record.readUInt32LE(9), 2 ** 32 - 1, 'more than fits is cut');
});

t.test('an empty sketch is 1 KB and answers 0 without doubt', async (t) => {
  const bytes = encodeCountMin(createCountMin());
  t.equal(bytes.length, 56 + 1_024);
  t.strictSame(bytes.subarray(0, 4), countMinEnvelope);
  const nothing = { count: 0, lower: 0, upper: 0, confidence: 1 };
  t.strictSame(estimateCount([readCount(createCountMin(), 'ada')]), nothing);
  t.strictSame(estimateCount([]), nothing);
});

t.test('no count is ever too low, on every data set and through layers', async (t) => {
  for (const set of dataSets) {
    const values = namesOf(set, 10_000, 1);
    const sketch = sketchOf(values);
    const low = [...truthOf(values)].filter(([value, count]) => countIn(sketch, value) < count);
    t.strictSame(low, [], set);
  }
});

t.test('the same records make the same sketch, in whatever pieces they come', async (t) => {
  for (const set of dataSets) {
    const values = namesOf(set, 2_000, 2);
    const whole = countedBytes(sketchOf(values, 2_000));
    for (const size of [1, 37, 500]) {
      t.ok(countedBytes(sketchOf(values, size)).equals(whole), `${set}, pieces of ${size}`);
    }
  }
});

t.test('what waits is counted with the rest', async (t) => {
  const sketch = sketchOf(['ada', 'bob', 'ada']);
  t.equal(sketch.waiting.length, 3 * countRecordBytes);
  t.strictSame(estimateCount([readCount(sketch, 'ada')]), { count: 2, lower: 2, upper: 2, confidence: 1 });
});

t.test('merging two that fit the first layer is the sketch of both', async (t) => {
  for (const set of dataSets) {
    const [a, b] = [1, 2].map((seed) => namesOf(set, 9, seed));
    const merged = encodeCountMin(mergeCountMins(sketchOf(a), sketchOf(b)));
    t.ok(merged.equals(countedBytes(sketchOf([...a, ...b]))), set);
  }
});

t.test('merging has an identity, commutes, associates and keeps all events, at any sizes', async (t) => {
  for (const set of dataSets) {
    const parts = [40, 900, 6_000].map((length, seed) => namesOf(set, length, seed));
    const [a, b, c] = parts.map((part) => sketchOf(part));
    const bytesOf = (...sketches: CountMin[]) => encodeCountMin(sketches.reduce(mergeCountMins));
    t.ok(bytesOf(a, createCountMin()).equals(countedBytes(a)), `${set}: identity`);
    t.ok(bytesOf(a, b).equals(bytesOf(b, a)), `${set}: commutes`);
    const whole = mergeCountMins(mergeCountMins(a, b), c);
    t.ok(encodeCountMin(whole).equals(bytesOf(a, mergeCountMins(b, c))), `${set}: associates`);
    t.equal(
      whole.layers.reduce((sum, { total }) => sum + total, 0),
      6_940,
      `${set}: all events`,
    );
    for (const [value, count] of truthOf(parts.flat())) {
      if (countIn(whole, value) < count) t.fail(`${set}: ${value} is too low`);
    }
  }
});

t.test('merging leaves its arguments as they are', async (t) => {
  const [a, b] = [1, 2].map((seed) => sketchOf(namesOf('uniform', 170, seed)));
  const before = [a, b].map(encodeCountMin);
  mergeCountMins(a, b);
  t.strictSame([a, b].map(encodeCountMin), before);
});

t.test('size follows how many values there are, not how often they come', async (t) => {
  const few = Array.from({ length: 200_000 }, (_, i) => `user-${i % 18}`);
  const sketch = sketchOf(few, 2_000);
  t.equal(sketch.layers.length, 1);
  for (let user = 0; user < 18; user++) {
    const { count, lower, confidence } = estimateCount([readCount(sketch, `user-${user}`)]);
    t.strictSame([count, lower], [Math.ceil((200_000 - user) / 18), count]);
    t.ok(confidence > 0.99);
  }
  const layersFor = (users: number) =>
    sketchOf(Array.from({ length: users }, (_, i) => `u${i}`)).layers.length;
  t.strictSame([20, 100, 400, 3_000, 50_000].map(layersFor), [1, 2, 3, 4, 4]);
});

t.test('layers follow one another, each 4 times as wide, and open at 3 of 10 counters', async (t) => {
  let offset = countMinHeaderBytes;
  countMinLayers.forEach(({ width, offsetBytes, endBytes, takenMax }, layer) => {
    t.equal(width, 64 * 4 ** layer);
    t.equal(offsetBytes, offset);
    t.equal(endBytes, offset + 16 * width);
    t.equal(takenMax, Math.ceil(width * 1.2));
    offset = endBytes;
  });
  const sketch = sketchOf(namesOf('uniform', 30_000, 1));
  countWaiting(sketch);
  sketch.layers.slice(0, -1).forEach(({ taken, counters }, layer) => {
    t.equal(taken, counters.filter((count) => count > 0).length);
    t.ok(taken >= countMinLayers[layer].takenMax && taken < countMinLayers[layer].takenMax + 4);
  });
});

t.test('counters stop at their end', async (t) => {
  const sketch = createCountMin();
  for (let i = 0; i < 3; i++) {
    addToCountMin(sketch, packCountRecords(['ada'], [2 ** 31]));
    countWaiting(sketch);
  }
  t.equal(countIn(sketch, 'ada'), 2 ** 32 - 1);
  t.equal(countIn(mergeCountMins(sketch, sketch), 'ada'), 2 ** 32 - 1);
});

t.test('a sketch is read back as it was, and broken bytes are refused', async (t) => {
  const random = seededRandom(5);
  for (const length of [0, 1, 70, 500, 5_000]) {
    const sketch = sketchOf(Array.from({ length }, () => `user-${Math.floor(random() * 2_000)}`));
    const bytes = encodeCountMin(sketch);
    t.strictSame(decodeCountMin(Buffer.concat([Buffer.alloc(3), bytes]).subarray(3)), sketch, `${length}`);
  }
  const good = encodeCountMin(sketchOf(['ada', 'bob']));
  const withByte = (at: number, byte: number) => Buffer.from(good).fill(byte, at, at + 1);
  const withTotal = (total: number) => {
    const bytes = Buffer.from(good);
    bytes.writeDoubleLE(total, 8);
    return bytes;
  };
  const broken = {
    nothing: Buffer.alloc(0),
    'other magic': withByte(0, 0),
    'another version': withByte(3, 2),
    'no layers': withByte(4, 0),
    'more layers than bytes': withByte(4, 2),
    'too many layers': withByte(4, 5),
    'a header alone': good.subarray(0, 55),
    'counters cut': good.subarray(0, 56 + 1_000),
    'a record cut': good.subarray(0, -1),
    'more waiting than may': Buffer.concat([good, Buffer.alloc(127 * countRecordBytes)]),
    'a negative total': withTotal(-1),
    'a total that is no number': withTotal(Number.NaN),
    'an endless total': withTotal(Number.POSITIVE_INFINITY),
  };
  for (const [name, bytes] of Object.entries(broken)) {
    t.throws(() => decodeCountMin(bytes), SketchFormatError, name);
  }
});
