/**
 * Split blocks: how often the blocks of a Bloom filter say yes to a value that was never added, from their bits or,
 * where these are not at hand, from how many values they took.
 *
 * A block is 8 words of 32 bits, and a value sets one bit in each. So a block says yes to a foreign value with the
 * product of the shares of set bits of its words, and the blocks together with the mean of that. Without the bits it is
 * a mean over the Poisson distribution of the values in a block (Putze, Sanders, Singler 2007). Example: 16 blocks with
 * 191 values hold 12 a block on average, and a foreign value meets 8 set bits in 0.03% of cases.
 */

export const wordsPerBlock = 8;
const bitsPerWord = 32;
export const blockBytes = (wordsPerBlock * bitsPerWord) / 8;

/** Set bits in a byte. */
const onesIn = Uint8Array.from({ length: 256 }, (_, byte) => byte.toString(2).replaceAll('0', '').length);

/** The rate of `blocks` blocks that begin at `offset`, from their bits. */
export function rateOfBits(bytes: Uint8Array, offset: number, blocks: number): number {
  let sum = 0;
  let at = offset;
  for (let block = 0; block < blocks; block++) {
    let ones = 1;
    for (let word = 0; word < wordsPerBlock; word++, at += 4)
      ones *= onesIn[bytes[at]] + onesIn[bytes[at + 1]] + onesIn[bytes[at + 2]] + onesIn[bytes[at + 3]];
    sum += ones;
  }
  return sum / blocks / bitsPerWord ** wordsPerBlock;
}

/** The mean over blocks with `load` values on average, given that of a block with `values`. */
function meanOverBlocks(load: number, of: (values: number) => number): number {
  const mode = Math.floor(load);
  const negligible = 1e-18;
  let sum = 0;
  let total = 0;
  // Poisson weights relative to that of the mode, so that no exponential can underflow at a high load.
  for (let j = mode, weight = 1; weight > negligible; weight *= load / ++j) {
    sum += weight * of(j);
    total += weight;
  }
  for (let j = mode, weight = mode / load; j > 0 && weight > negligible; weight *= j / load) {
    sum += weight * of(--j);
    total += weight;
  }
  return sum / total;
}

/** The average rate of a block that holds `values`: the share of set bits of a word, 8 times. */
const blockRate = (values: number) => (1 - (1 - 1 / bitsPerWord) ** values) ** wordsPerBlock;

/** The average of its square. */
const blockSquare = (values: number) =>
  (1 - (63 / 32) * (31 / 32) ** values + (31 / 32) * (30 / 32) ** values) ** wordsPerBlock;

/** The rate that `blocks` blocks with `count` values have on average. */
export const splitBlockRate = (count: number, blocks: number): number =>
  meanOverBlocks(count / blocks, blockRate);

/** The standard deviation of the rate around that average, a little too large: the root of the mean square, by blocks. */
export const splitBlockDeviation = (count: number, blocks: number): number =>
  Math.sqrt(meanOverBlocks(count / blocks, blockSquare) / blocks);
