/**
 * The hashes: xxHash64, with seed 0 for the sketches, over the UTF-8 bytes of a string, as the Parquet Bloom filter asks for.
 *
 * It must be the same in every process and every release, because its bits are stored: a changed hash turns
 * every "yes" in Redis into a "no". The test holds it against published values.
 *
 * WebAssembly hands 64 bits over as a BigInt, whose arithmetic is slow. One store into scratch memory splits
 * it into two 32-bit numbers instead. Loading the module is asynchronous, hence the top-level await.
 */
import xxhash from 'xxhash-wasm';

const { h64 } = await xxhash();
const scratch = new DataView(new ArrayBuffer(8));

/** Bytes that tell an event id from all others. At 14, an element of a set takes Redis 16 bytes less than at 16. */
export const idHashBytes = 14;
/** Of the second half; any other than 0 would do. */
const ID_SEED = 0x9e3779b97f4a7c15n;

/**
 * Writes 112 bits of an id: xxHash64 under two seeds, the last two bytes left out. That any two of a thousand million
 * ids share them has a probability of 10^-16.
 */
export function writeIdHash(id: string, out: Buffer, at: number): void {
  scratch.setBigUint64(0, h64(id, ID_SEED), true);
  out.writeUInt32LE(scratch.getUint32(0, true), at + 8);
  out.writeUInt16LE(scratch.getUint16(4, true), at + 12);
  scratch.setBigUint64(0, h64(id), true);
  out.writeUInt32LE(scratch.getUint32(0, true), at);
  out.writeUInt32LE(scratch.getUint32(4, true), at + 4);
}

/** Hashes `value` and leaves [low 32 bits, high 32 bits] in `out`, which the caller reuses. */
export function hash64(value: string, out: Uint32Array): void {
  scratch.setBigUint64(0, h64(value), true);
  out[0] = scratch.getUint32(0, true);
  out[1] = scratch.getUint32(4, true);
}
