/**
 * Membership: a scalable split-block Bloom filter. "Was this user here on that day?" No means no; yes is
 * wrong at a known rate, which stays under 0.1% however many values come, up to the last layer.
 *
 * Why split blocks: a value touches one block of 32 bytes (8 words of 32 bits, one bit in each), so Lua adds
 * it with one GETRANGE and one SETRANGE. Why layers: a filter must know its size beforehand, a system does
 * not. 40 users a day cost 552 bytes, millions grow into more layers, each 4 times the one before. Layer i
 * aims at 0.0003 / 2^i (Almeida et al. 2007). That adds up to 0.06%, not 0.1%: the few blocks of a first layer
 * fill unevenly, and the rate of one filter scatters around the mean by a fifth of it.
 *
 * Layout, one Redis string per system, metric and day; the blob is the sketch, so there is no encode step:
 *
 *   0   envelope (4), layers u8, 3 zero bytes, 8 u32 LE insert counts, one a layer
 *   40  layer 0: 16 blocks, layer 1: 64 blocks, ... words little-endian, so bit b of a word is bit b % 8 of
 *       byte b / 8
 *
 * Adding looks in all layers, newest first, and stops where it finds the value; otherwise it sets the bits in
 * the newest layer, counts it and appends an empty layer once the count reaches the capacity. After 8 layers
 * (11 MB, 1.7 million values) the last one takes everything: `saturated`, and the answered rate rises.
 *
 * Block layout, salts and hash are those of the Apache Parquet Bloom filter specification. The rate of a
 * split-block filter is a Poisson mixture over block loads (Putze, Sanders, Singler 2007). Example: 16 blocks
 * with 191 values hold 12 a block on average, and a foreign value meets 8 set bits in 0.03% of cases.
 */
import { envelopeBytes, readEnvelope, SketchFormatError, writeEnvelope } from './envelope.js';
import { hash64 } from './hash.js';

const blockBytes = 32;
const wordsPerBlock = 8;
const layersMax = 8;
const firstLayerBlocks = 16;
const layerGrowth = 4;
const firstLayerRate = 0.0003;
const countMax = 0xffffffff;
const layersOffset = envelopeBytes;
const countsOffset = 8;
const salts = [
  0x47b6137b, 0x44974d91, 0x8824ad5b, 0xa2b7289d, 0x705495c7, 0x2df1424b, 0x9efc4947, 0x5c6bfb31,
];

export const bloomHeaderBytes = countsOffset + 4 * layersMax;
/** The first bytes of every filter, for the script that creates one. */
export const bloomEnvelope: Buffer = writeEnvelope('bloom', Buffer.alloc(envelopeBytes));

/** Bytes of a value on its way to Lua: u32 LE block selector, then the bit number (0..31) of each word. */
export const bloomKeyBytes = 4 + wordsPerBlock;

/** The rate at which a layer of `blocks` with `count` values says yes to a foreign one. */
export function splitBlockRate(count: number, blocks: number): number {
  const load = count / blocks;
  const mode = Math.floor(load);
  const negligible = 1e-18;
  let hits = 0;
  let total = 0;
  // Poisson weights relative to that of the mode, so that no exponential can underflow at a high load.
  for (let j = mode, weight = 1; weight > negligible; weight *= load / ++j) {
    hits += weight * blockRate(j);
    total += weight;
  }
  for (let j = mode, weight = mode / load; j > 0 && weight > negligible; weight *= j / load) {
    hits += weight * blockRate(--j);
    total += weight;
  }
  return hits / total;
}

/** The same for one block that holds `load` values: a set bit in all 8 words. */
function blockRate(load: number): number {
  return (1 - (1 - 1 / 32) ** load) ** wordsPerBlock;
}

/** The largest number of values for which a layer stays at or under `rate`. */
function capacityOf(blocks: number, rate: number): number {
  let fits = 0;
  let tooMany = blocks * blockBytes * 8;
  while (tooMany - fits > 1) {
    const middle = Math.floor((fits + tooMany) / 2);
    if (splitBlockRate(middle, blocks) <= rate) fits = middle;
    else tooMany = middle;
  }
  return fits;
}

/** The layers: blocks, where they start in the string, and how many values they take. */
export const bloomLayers = Array.from({ length: layersMax }, (_, layer) => {
  const blocks = firstLayerBlocks * layerGrowth ** layer;
  const blocksBefore = (blocks - firstLayerBlocks) / (layerGrowth - 1);
  return {
    blocks,
    offsetBytes: bloomHeaderBytes + blocksBefore * blockBytes,
    capacity: capacityOf(blocks, firstLayerRate / 2 ** layer),
  };
});

export const layerCapacities: number[] = bloomLayers.map((layer) => layer.capacity);

const halves = new Uint32Array(2);

/** Writes the 12-byte wire key of `value` into `buffer` at `offset`. */
export function writeBloomKey(value: string, buffer: Uint8Array, offset: number): void {
  hash64(value, halves);
  const [low, high] = halves;
  buffer[offset] = high;
  buffer[offset + 1] = high >>> 8;
  buffer[offset + 2] = high >>> 16;
  buffer[offset + 3] = high >>> 24;
  for (let word = 0; word < wordsPerBlock; word++) {
    buffer[offset + 4 + word] = Math.imul(low, salts[word]) >>> 27;
  }
}

interface BloomHeader {
  layers: number;
  /** Values inserted, one number for each layer there is. */
  counts: number[];
  /** The last layer is over its capacity: the rate is no longer under 0.1%. */
  saturated: boolean;
}

/** Reads the first 40 bytes. Throws `SketchFormatError`. */
export function decodeBloomHeader(header: Uint8Array): BloomHeader {
  readEnvelope('bloom', header);
  const layers = header[layersOffset];
  if (header.length < bloomHeaderBytes || layers < 1 || layers > layersMax) {
    throw new SketchFormatError(`A Bloom header of ${header.length} bytes with ${layers} layers is broken.`);
  }
  const view = new DataView(header.buffer, header.byteOffset, header.byteLength);
  const counts = Array.from({ length: layers }, (_, layer) => view.getUint32(countsOffset + 4 * layer, true));
  return { layers, counts, saturated: counts[layersMax - 1] > layerCapacities[layersMax - 1] };
}

/** Checks a whole filter read from Redis and returns it. Throws `SketchFormatError`. */
export function decodeBloom(bytes: Uint8Array): Buffer {
  const { layers } = decodeBloomHeader(bytes);
  if (bytes.length !== bytesOf(layers)) {
    throw new SketchFormatError(`A Bloom filter of ${layers} layers cannot have ${bytes.length} bytes.`);
  }
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** An empty filter: the header and one layer. */
export function createBloom(): Buffer {
  const bloom = writeEnvelope('bloom', Buffer.alloc(bytesOf(1)));
  bloom[layersOffset] = 1;
  return bloom;
}

const key = Buffer.alloc(bloomKeyBytes);

/** True if `value` was added, or, at `falsePositiveRate`, if it was not. */
export function bloomHas(bloom: Buffer, value: string): boolean {
  writeBloomKey(value, key, 0);
  return hasKey(bloom);
}

/** Adds `value` in place; returns the filter, or its longer copy if a layer was appended. */
export function addToBloom(bloom: Buffer, value: string): Buffer {
  writeBloomKey(value, key, 0);
  if (hasKey(bloom)) return bloom;
  const newest = bloom[layersOffset] - 1;
  const block = blockOffset(newest);
  for (let word = 0; word < wordsPerBlock; word++) {
    const bit = key[4 + word];
    bloom[block + 4 * word + (bit >>> 3)] |= 1 << (bit & 7);
  }
  addCount(bloom, newest, 1);
  return withRoom(bloom);
}

/**
 * The filter of the values of both: layers are OR-ed, counts added. A value in both is counted twice, so the
 * rate that follows from the counts is an upper bound.
 */
export function mergeBloom(a: Buffer, b: Buffer): Buffer {
  const [shorter, longer] = a.length < b.length ? [a, b] : [b, a];
  const merged = Buffer.from(longer);
  for (let at = bloomHeaderBytes; at < shorter.length; at++) merged[at] |= shorter[at];
  decodeBloomHeader(shorter).counts.forEach((count, layer) => {
    addCount(merged, layer, count);
  });
  return withRoom(merged);
}

/** The rate of a wrong yes, from the insert counts of the layers: 1 - (1 - p0)(1 - p1)... */
export function falsePositiveRate(layerCounts: readonly number[]): number {
  return combineRates(layerCounts.map((count, layer) => splitBlockRate(count, bloomLayers[layer].blocks)));
}

/** The rate at which at least one of several filters says a wrong yes, for example those of several days. */
export function combineRates(rates: readonly number[]): number {
  // Sums of logarithms keep the digits that 1 - (1 - p) would lose for small p.
  return -Math.expm1(rates.reduce((sum, rate) => sum + Math.log1p(-rate), 0));
}

function hasKey(bloom: Buffer): boolean {
  for (let layer = bloom[layersOffset] - 1; layer >= 0; layer--) {
    const block = blockOffset(layer);
    let word = 0;
    while (word < wordsPerBlock && isSet(bloom, block + 4 * word, key[4 + word])) word++;
    if (word === wordsPerBlock) return true;
  }
  return false;
}

function isSet(bloom: Buffer, wordOffset: number, bit: number): boolean {
  return (bloom[wordOffset + (bit >>> 3)] & (1 << (bit & 7))) !== 0;
}

function blockOffset(layer: number): number {
  const { blocks, offsetBytes } = bloomLayers[layer];
  return offsetBytes + Math.floor((key.readUInt32LE(0) * blocks) / 2 ** 32) * blockBytes;
}

function addCount(bloom: Buffer, layer: number, count: number): void {
  const at = countsOffset + 4 * layer;
  bloom.writeUInt32LE(Math.min(bloom.readUInt32LE(at) + count, countMax), at);
}

function bytesOf(layers: number): number {
  const { blocks, offsetBytes } = bloomLayers[layers - 1];
  return offsetBytes + blocks * blockBytes;
}

/** Appends an empty layer if the newest is full and there may be another. */
function withRoom(bloom: Buffer): Buffer {
  const layers = bloom[layersOffset];
  const count = bloom.readUInt32LE(countsOffset + 4 * (layers - 1));
  if (count < layerCapacities[layers - 1] || layers === layersMax) return bloom;
  const grown = Buffer.alloc(bytesOf(layers + 1));
  bloom.copy(grown);
  grown[layersOffset] = layers + 1;
  return grown;
}
