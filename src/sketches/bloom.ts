/**
 * Membership: a scalable split-block Bloom filter. "Was this user here on that day?" No means no; yes is
 * wrong at a rate that the answer states (bloom-rate.ts), and that stays under 0.1% for every filter, however many
 * values come, up to the last layer.
 *
 * Why split blocks: a value touches one block of 32 bytes (8 words of 32 bits, one bit in each), so Lua adds
 * it with one GETRANGE and one SETRANGE. Why layers: a filter must know its size beforehand, a system does
 * not. 40 users a day cost 552 bytes, millions grow into more layers, each 4 times the one before, whose rates fall
 * by half (Almeida et al. 2007). On average they add up to 0.024%, not 0.1%: the few blocks of the first two layers fill
 * unevenly, and a single filter may have many times their average. So these aim lower: the worst of 30 million
 * simulated filters has 0.065% (ADR 6).
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
 * Block layout, salts and hash are those of the Apache Parquet Bloom filter specification.
 */
import { envelopeBytes, readEnvelope, SketchFormatError, writeEnvelope } from './envelope.js';
import { hash64 } from './hash.js';
import { blockBytes, splitBlockRate, wordsPerBlock } from './split-block.js';

const firstLayerBlocks = 16;
const layerGrowth = 4;
/** What each layer aims at. A change is none of the format: a layer ends where its writer begins the next. */
const layerRates = [1e-5, 7.5e-5, 7.5e-5, 3.75e-5, 1.875e-5, 9.375e-6, 4.6875e-6, 2.34375e-6];
const layersMax = layerRates.length;
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

/** The largest number of values for which a layer stays at or under `rate` on average. */
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

/** The layers: blocks, where they start in the string, the rate aimed at, and how many values they take for that. */
export const bloomLayers = layerRates.map((rate, layer) => {
  const blocks = firstLayerBlocks * layerGrowth ** layer;
  const blocksBefore = (blocks - firstLayerBlocks) / (layerGrowth - 1);
  return {
    blocks,
    offsetBytes: bloomHeaderBytes + blocksBefore * blockBytes,
    rate,
    capacity: capacityOf(blocks, rate),
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
  /** The last layer is over its capacity: the rate may be over 0.1%. */
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

/** True if `value` was added, or, at the rate of false positives, if it was not. */
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
 * counts are upper bounds.
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
