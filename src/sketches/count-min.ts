/**
 * Frequency: a count-min sketch in layers. "How many events had this user on that day?" for any user, not only
 * those on top. The answer is never too low, and too high by an amount that the sketch can tell.
 *
 * A layer is a table of 4 rows. A value has one counter in each row, picked by its hash, and all four count its
 * events; the smallest of them is the estimate, since others can only have added (Cormode, Muthukrishnan 2005).
 * A table must know its size beforehand, a system does not. So the first is small, and once 3 in 10 counters are
 * taken another opens, 4 times as wide, and counts from then on; the estimate is the sum over the layers. Until
 * the last one fills, all four counters of a value are shared in fewer than 0.3^4 = 0.8% of cases, and else the
 * count is exact, however large. `count-min-estimate.ts` computes the bound.
 *
 * Counting one value in Lua costs 2 us, counting hundreds at once a fifth of that. So what a writer brings is
 * appended as it is, and counted once so much waits that rewriting the counters costs little in comparison.
 *
 *   0   envelope (4), layers u8, 3 zero bytes; for each of 4 layers its total f64 and its counters taken u32
 *   56  layer 0: 4 rows of 64 counters u32; layers 1 to 3: 4 rows of 256, of 1,024 and of 4,096
 *   ... records that wait: 4 hashes u16, one a row, and a count u32; at most 2 for each column of the newest layer
 *
 * All little-endian. 1 KB for 20 different values, 85 KB for 1,900 and more, and up to 98 KB that waits.
 * Counters stop at 2^32 - 1. Example: 12 events of ada in an otherwise empty sketch are 12 in four counters.
 */
import { envelopeBytes, readEnvelope, SketchFormatError, writeEnvelope } from './envelope.js';
import { hash64 } from './hash.js';

export const countMinRows = 4;
const layersMax = 4;
const firstWidth = 64;
const layerGrowth = 4;
/** Share of counters taken at which the next layer opens. */
const takenMax = 0.3;
const counterBytes = 4;
const counterMax = 0xffffffff;
const layersOffset = envelopeBytes;
const statesOffset = 8;
const stateBytes = 12;

export const countMinHeaderBytes = statesOffset + layersMax * stateBytes;
export const countMinEnvelope: Buffer = writeEnvelope('countMin', Buffer.alloc(envelopeBytes));
/** Of what tells where a value's counters are. */
export const countHashBytes = 2 * countMinRows;
/** Of a value and its count on their way to Lua: the hashes, then the count u32 LE. */
export const countRecordBytes = countHashBytes + 4;
/** Records that may wait for each column of the newest layer: beyond the first they are counted where it suits. */
export const countsWaiting = { whereItSuits: 1, atMost: 2 };

/** The layers: columns, where the counters begin and end, and how many may be taken before the next opens. */
export const countMinLayers = Array.from({ length: layersMax }, (_, layer) => {
  const width = firstWidth * layerGrowth ** layer;
  const widthBefore = (width - firstWidth) / (layerGrowth - 1);
  const offsetBytes = countMinHeaderBytes + widthBefore * countMinRows * counterBytes;
  return {
    width,
    offsetBytes,
    endBytes: offsetBytes + width * countMinRows * counterBytes,
    takenMax: Math.ceil(width * countMinRows * takenMax),
  };
});

export interface CountLayer {
  /** Events counted. */
  total: number;
  /** Counters above 0. */
  taken: number;
  /** Row after row. */
  counters: Uint32Array;
}

export interface CountMin {
  /** At least one; the last one counts. */
  layers: CountLayer[];
  /** Records that are not counted yet. */
  waiting: Buffer;
}

const halves = new Uint32Array(2);

/** Writes the 8 bytes that tell where the counters of `value` are. */
export function writeCountHash(value: string, buffer: Uint8Array, offset: number): void {
  hash64(value, halves);
  for (let half = 0; half < 2; half++) writeU32(halves[half], buffer, offset + 4 * half);
}

/** Writes the 12-byte record of `value` and its count (at most 2^32 - 1 is kept) into `buffer` at `offset`. */
export function writeCountRecord(value: string, count: number, buffer: Uint8Array, offset: number): void {
  writeCountHash(value, buffer, offset);
  writeU32(Math.min(count, counterMax), buffer, offset + countHashBytes);
}

function writeU32(value: number, buffer: Uint8Array, offset: number): void {
  buffer[offset] = value;
  buffer[offset + 1] = value >>> 8;
  buffer[offset + 2] = value >>> 16;
  buffer[offset + 3] = value >>> 24;
}

/** The records of some values and how often each came. */
export function packCountRecords(values: readonly string[], counts: readonly number[]): Buffer {
  const records = Buffer.allocUnsafe(values.length * countRecordBytes);
  values.forEach((value, i) => {
    writeCountRecord(value, counts[i], records, i * countRecordBytes);
  });
  return records;
}

/** Where the counter of a row is, for the hash or record at `at`. */
export function counterOf(bytes: Buffer, at: number, width: number, row: number): number {
  return row * width + (bytes.readUInt16LE(at + 2 * row) % width);
}

const createLayer = (index: number): CountLayer => ({
  total: 0,
  taken: 0,
  counters: new Uint32Array(countMinLayers[index].width * countMinRows),
});

/** The sketch of nothing, the identity of merging. */
export const createCountMin = (): CountMin => ({ layers: [createLayer(0)], waiting: Buffer.alloc(0) });

/** Adds records, in place: they wait, or all that wait are counted. */
export function addToCountMin(sketch: CountMin, records: Buffer): void {
  const { width } = countMinLayers[sketch.layers.length - 1];
  sketch.waiting = Buffer.concat([sketch.waiting, records]);
  if (sketch.waiting.length > width * countRecordBytes * countsWaiting.whereItSuits) countWaiting(sketch);
}

/** Counts the records that wait, in place. */
export function countWaiting(sketch: CountMin): void {
  const { layers, waiting } = sketch;
  for (let at = 0; at < waiting.length; at += countRecordBytes) {
    openIfFull(layers);
    const layer = layers[layers.length - 1];
    const count = waiting.readUInt32LE(at + countHashBytes);
    const width = layer.counters.length / countMinRows;
    layer.total += count;
    for (let row = 0; row < countMinRows; row++) {
      addToCounter(layer, counterOf(waiting, at, width, row), count);
    }
  }
  sketch.waiting = Buffer.alloc(0);
}

function openIfFull(layers: CountLayer[]): void {
  const newest = layers.length - 1;
  if (layers[newest].taken >= countMinLayers[newest].takenMax && layers.length < layersMax) {
    layers.push(createLayer(layers.length));
  }
}

function addToCounter(layer: CountLayer, place: number, count: number): void {
  const before = layer.counters[place];
  if (before === 0 && count > 0) layer.taken++;
  layer.counters[place] = Math.min(before + count, counterMax);
}

/** The sketch of the events of both. Leaves them as they are. */
export function mergeCountMins(a: CountMin, b: CountMin): CountMin {
  const merged = createCountMin();
  for (const { layers } of [a, b].map(counted)) {
    layers.forEach(({ total, counters }, index) => {
      merged.layers[index] ??= createLayer(index);
      merged.layers[index].total += total;
      counters.forEach((count, place) => {
        addToCounter(merged.layers[index], place, count);
      });
    });
  }
  return merged;
}

/** A copy of which nothing waits. */
function counted({ layers, waiting }: CountMin): CountMin {
  const copy = {
    layers: layers.map((layer) => ({ ...layer, counters: layer.counters.slice() })),
    waiting,
  };
  countWaiting(copy);
  return copy;
}

/** The bytes as Redis stores them. */
export function encodeCountMin({ layers, waiting }: CountMin): Buffer {
  const { endBytes } = countMinLayers[layers.length - 1];
  const bytes = writeEnvelope('countMin', Buffer.alloc(endBytes + waiting.length));
  bytes[layersOffset] = layers.length;
  layers.forEach(({ total, taken, counters }, index) => {
    bytes.writeDoubleLE(total, statesOffset + index * stateBytes);
    bytes.writeUInt32LE(taken, statesOffset + index * stateBytes + 8);
    counters.forEach((count, place) => {
      bytes.writeUInt32LE(count, countMinLayers[index].offsetBytes + place * counterBytes);
    });
  });
  bytes.set(waiting, endBytes);
  return bytes;
}

/** What a header says of each layer. Throws `SketchFormatError`. */
export function decodeCountMinHeader(header: Uint8Array): { total: number; taken: number }[] {
  readEnvelope('countMin', header);
  const layers = header[layersOffset];
  if (header.length < countMinHeaderBytes || layers < 1 || layers > layersMax) {
    throw new SketchFormatError(
      `A count-min header of ${header.length} bytes with ${layers} layers is broken.`,
    );
  }
  const view = new DataView(header.buffer, header.byteOffset, header.byteLength);
  return Array.from({ length: layers }, (_, index) => {
    const total = view.getFloat64(statesOffset + index * stateBytes, true);
    const taken = view.getUint32(statesOffset + index * stateBytes + 8, true);
    if (!(total >= 0 && total < Number.POSITIVE_INFINITY)) {
      throw new SketchFormatError(`A count-min layer cannot have counted ${total} events.`);
    }
    return { total, taken };
  });
}

/** The reverse of `encodeCountMin`. Throws `SketchFormatError` on bytes that are no such sketch. */
export function decodeCountMin(bytes: Uint8Array): CountMin {
  const states = decodeCountMinHeader(bytes);
  const { width, endBytes } = countMinLayers[states.length - 1];
  const waitingBytes = bytes.length - endBytes;
  const waitingMax = width * countRecordBytes * countsWaiting.atMost;
  if (waitingBytes < 0 || waitingBytes > waitingMax || waitingBytes % countRecordBytes !== 0) {
    throw new SketchFormatError(
      `A count-min sketch of ${states.length} layers cannot have ${bytes.length} bytes.`,
    );
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const layers = states.map((state, index) => {
    const layer = { ...state, counters: createLayer(index).counters };
    for (let place = 0; place < layer.counters.length; place++) {
      const at = countMinLayers[index].offsetBytes + place * counterBytes;
      layer.counters[place] = view.getUint32(at, true);
    }
    return layer;
  });
  return { layers, waiting: Buffer.from(bytes.subarray(endBytes)) };
}
