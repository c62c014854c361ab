/** Bloom filters made without names, from random hashes, so that many can be looked at. */
import { bloomEnvelope, bloomHeaderBytes, bloomLayers } from '../../src/sketches/bloom.js';
import { blockBytes } from '../../src/sketches/split-block.js';
import type { Random } from './random.js';

/** Puts `values` random values into the blocks that begin at `offset`. */
function addRandom(bytes: Buffer, offset: number, blocks: number, values: number, random: Random): void {
  for (let value = 0; value < values; value++) {
    let at = offset + Math.floor(random() * blocks) * blockBytes;
    // Two times four words: 20 random bits are 4 bit numbers.
    for (let half = 0; half < 2; half++) {
      const bits = Math.floor(random() * 2 ** 20);
      for (let shift = 0; shift < 20; shift += 5, at += 4) {
        const bit = (bits >>> shift) & 31;
        bytes[at + (bit >>> 3)] |= 1 << (bit & 7);
      }
    }
  }
}

/** So many blocks with so many random values. */
export function randomBlocks(blocks: number, values: number, random: Random): Buffer {
  const bytes = Buffer.alloc(blocks * blockBytes);
  addRandom(bytes, 0, blocks, values, random);
  return bytes;
}

/** A filter whose layers took so many values each. */
export function randomBloom(counts: readonly number[], random: Random): Buffer {
  const { blocks, offsetBytes } = bloomLayers[counts.length - 1];
  const bloom = Buffer.alloc(offsetBytes + blocks * blockBytes);
  bloomEnvelope.copy(bloom);
  bloom[bloomEnvelope.length] = counts.length;
  counts.forEach((count, layer) => {
    bloom.writeUInt32LE(count, bloomHeaderBytes - 4 * (bloomLayers.length - layer));
    addRandom(bloom, bloomLayers[layer].offsetBytes, bloomLayers[layer].blocks, count, random);
  });
  return bloom;
}
