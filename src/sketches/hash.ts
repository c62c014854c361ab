/**
 * The hash: xxHash64 with seed 0 over the UTF-8 bytes of a string, as the Parquet Bloom filter asks for.
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

/** Hashes `value` and leaves [low 32 bits, high 32 bits] in `out`, which the caller reuses. */
export function hash64(value: string, out: Uint32Array): void {
  scratch.setBigUint64(0, h64(value), true);
  out[0] = scratch.getUint32(0, true);
  out[1] = scratch.getUint32(4, true);
}
