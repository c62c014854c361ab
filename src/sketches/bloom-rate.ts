/**
 * False positives: at which rate a Bloom filter, or several, says yes to a value that was never added. A single filter
 * may be far from the average, so the rate is that of its own bits.
 *
 * The header and the first two or three layers are read whole: their few blocks fill unevenly. A layer that is not read has
 * many blocks, so its rate lies near the average of such layers; stated are 10 standard deviations more, and a tenth of what
 * the layer aims at, for one that has just begun, where chance may do more than that, in numbers too small to matter.
 *
 * A value picks its eight bits by 32 bits of hash. So how many of the selectors (a block and 32 bits) find all eight set is
 * a matter of chance: those of the values added for certain, and of the others `rate * selectors`, give or take
 * three times its root. With few values that is all there is: one value in 16 blocks is found for 1 in 16 * 2^32.
 */
import { bloomLayers, decodeBloomHeader } from './bloom.js';
import { blockBytes, rateOfBits, splitBlockDeviation, splitBlockRate } from './split-block.js';

const deviations = 10;
const shareOfAim = 0.1;
const selectorsOfBlock = 2 ** 32;
/** A question about no more filters than this reads three layers, 11 KB of each, one about more reads two, 2.6 KB. */
const closelyReadMax = 62;

const endOf = (layer: number) => bloomLayers[layer].offsetBytes + bloomLayers[layer].blocks * blockBytes;

/** How many bytes from its start are read of each of so many filters. */
export const bloomStartBytes = (filters: number): number => endOf(filters <= closelyReadMax ? 2 : 1);

/**
 * The rate at which a filter says a wrong yes, at most. Throws `SketchFormatError`.
 * @param start the filter, or its header and any number of layers
 */
export function falsePositiveRate(start: Uint8Array): number {
  const { counts } = decodeBloomHeader(start);
  return combineRates(counts.map((count, layer) => layerRate(start, layer, count)));
}

function layerRate(start: Uint8Array, layer: number, count: number): number {
  const { blocks, offsetBytes } = bloomLayers[layer];
  const isRead = start.length >= endOf(layer);
  const rate = isRead ? rateOfBits(start, offsetBytes, blocks) : unreadRate(layer, count);
  const selectors = blocks * selectorsOfBlock;
  return Math.min(1, rate + (3 * Math.sqrt(rate * selectors) + count) / selectors);
}

function unreadRate(layer: number, count: number): number {
  if (count === 0) return 0;
  const { blocks, rate } = bloomLayers[layer];
  return splitBlockRate(count, blocks) + deviations * splitBlockDeviation(count, blocks) + shareOfAim * rate;
}

/** The rate at which at least one of several filters says a wrong yes, for example those of several days. */
export function combineRates(rates: readonly number[]): number {
  // Sums of logarithms keep the digits that 1 - (1 - p) would lose for small p.
  return -Math.expm1(rates.reduce((sum, rate) => sum + Math.log1p(-rate), 0));
}
