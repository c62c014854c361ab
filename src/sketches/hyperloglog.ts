/**
 * Distinct values: HyperLogLog, Redis's own. "How many different users?" from at most 12 KB.
 *
 * `PFADD` hashes a value, picks one of 16,384 registers with 14 bits of the hash and keeps there the longest
 * run of zeros met in the rest. Registers only grow, so adding is idempotent, commutes, and a union is the
 * larger register each time: `PFCOUNT a b` is exactly the sketch of both. Few values are stored sparsely in
 * a few bytes each. Since Redis estimates by the method of Ertl 2017 there is no range with a bias.
 *
 * The error depends on the count, so every answer computes it:
 *
 *   many values  standard error 1.04 / sqrt(m) = 0.81%, m = 16,384 (Flajolet et al. 2007)
 *   few values   most registers are empty, and the estimate is as good as linear counting:
 *                sqrt(m (e^t - t - 1)) / (t m) with t = n / m (Whang et al. 1990); 0.55% at n = 100
 *
 * The first holds from about n = 2 m on; below, the second is the smaller one. Example: 1,000 distinct users
 * have a standard error of 0.56%, so 95% of such answers lie between 989 and 1,011.
 *
 * The 95% interval is rounded outward. An estimate of few values misses by whole collisions, so an interval narrower
 * than one value would hold the truth only where nothing collided: 94% of the time at 47 values, 91% at 128. Rounded
 * outward it holds the truth at least 95% of the time at every size; 95.5% of the time, the least, near 4,000 values.
 *
 * Where Redis cannot make the union (systems on several nodes of a cluster), the process reads the stored bytes
 * and makes it itself, to the very number that `PFCOUNT` would give. Source: redis/src/hyperloglog.c.
 *
 *   0   'HYLL', encoding u8 (0 dense, 1 sparse), 3 unused bytes, 8 bytes with a cached count, not used here
 *   16  dense: 6 bits a register, the lowest bits first
 *       sparse: runs of registers. ZERO 00nnnnnn: n + 1 zeros. XZERO 01nnnnnn nnnnnnnn: n + 1 zeros.
 *       VAL 1vvvvvnn: n + 1 registers of value v + 1
 */
import { SketchFormatError } from './envelope.js';

export const registerCount = 16_384;
const headerBytes = 16;
const encodingOffset = 4;
/** Bytes of a dense one as Redis stores it. */
export const hyperloglogDenseBytes = headerBytes + (registerCount * 6) / 8;
/** 64 bits of hash less the 14 that pick the register; a run of zeros ends at the latest one beyond. */
const zerosMax = 50;
/** Relative, of many values; that of few is smaller. */
export const standardErrorMax = 1.04 / Math.sqrt(registerCount);
/** Standard errors on each side that hold 95% of a normal distribution. */
const errorsFor95 = 1.96;

interface DistinctBounds {
  /** Relative, 0.0081 for 0.81%. */
  standardError: number;
  /** The 95% interval, in whole numbers; `lower` is at least 1 where anything was counted. */
  lower: number;
  upper: number;
}

/** The relative standard error of a `PFCOUNT` that answered `count`; 0 for 0. */
export function relativeStandardError(count: number): number {
  if (count <= 0) return 0;
  const load = count / registerCount;
  const linearCounting = Math.sqrt(registerCount * (Math.expm1(load) - load)) / count;
  return Math.min(standardErrorMax, linearCounting);
}

/** Standard error and 95% interval of a `PFCOUNT` that answered `count`. */
export function distinctBounds(count: number): DistinctBounds {
  const standardError = relativeStandardError(count);
  const halfWidth = errorsFor95 * standardError * count;
  return {
    standardError,
    lower: Math.max(Math.min(count, 1), Math.floor(count - halfWidth)),
    upper: Math.ceil(count + halfWidth),
  };
}

/** One byte a register, each 0..51. */
export type Registers = Uint8Array;

/** The registers of nothing, the identity of every merge. */
export const createRegisters = (): Registers => new Uint8Array(registerCount);

/** The registers in a stored HyperLogLog. Throws `SketchFormatError` on bytes that are none. */
export function decodeHll(bytes: Uint8Array): Registers {
  const registers = createRegisters();
  mergeHll(registers, bytes);
  return registers;
}

/** Makes `into` the union with `other`. */
export function mergeRegisters(into: Registers, other: Registers): void {
  for (let i = 0; i < registerCount; i++) if (other[i] > into[i]) into[i] = other[i];
}

/**
 * Makes `into` the union with a stored HyperLogLog: about 15 us for a dense one, less for a sparse one, without
 * memory of its own. Throws `SketchFormatError` on bytes that are none, and `into` is then as before.
 */
export function mergeHll(into: Registers, bytes: Uint8Array): void {
  const encoding = bytes[encodingOffset];
  const hasMagic = bytes[0] === 0x48 && bytes[1] === 0x59 && bytes[2] === 0x4c && bytes[3] === 0x4c;
  if (!hasMagic || bytes.length < headerBytes || encoding > 1) {
    throw new SketchFormatError(`These ${bytes.length} bytes are not a HyperLogLog of Redis.`);
  }
  if (encoding === 1) {
    checkSparse(bytes);
    mergeSparse(into, bytes);
  } else {
    checkDense(bytes);
    mergeDense(into, bytes);
  }
}

/** The run of a sparse opcode, in registers. */
function runOf(bytes: Uint8Array, at: number): number {
  const code = bytes[at];
  if (code >= 0x80) return (code & 0x03) + 1;
  return code < 0x40 ? code + 1 : ((code & 0x3f) << 8) + bytes[at + 1] + 1;
}

const isLong = (code: number) => code >= 0x40 && code < 0x80;

/** Every opcode fills at least one register, so this ends with the bytes or the registers. */
function checkSparse(bytes: Uint8Array): void {
  let filled = 0;
  let at = headerBytes;
  while (at < bytes.length && filled < registerCount) {
    // NaN where the second byte is missing, which fails the comparison below.
    filled += runOf(bytes, at);
    at += isLong(bytes[at]) ? 2 : 1;
  }
  if (filled !== registerCount || at !== bytes.length) {
    throw new SketchFormatError('The runs of a sparse HyperLogLog do not fill its registers.');
  }
}

function mergeSparse(into: Registers, bytes: Uint8Array): void {
  for (let at = headerBytes, register = 0; at < bytes.length; at++) {
    const code = bytes[at];
    const end = register + runOf(bytes, at);
    if (code >= 0x80) {
      const value = ((code >> 2) & 0x1f) + 1;
      for (; register < end; register++) if (into[register] < value) into[register] = value;
    }
    register = end;
    if (isLong(code)) at++;
  }
}

/** Four registers, 24 bits. */
const quadAt = (bytes: Uint8Array, at: number) => bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16);

function checkDense(bytes: Uint8Array): void {
  let broken = bytes.length !== hyperloglogDenseBytes;
  for (let at = headerBytes; at < hyperloglogDenseBytes && !broken; at += 3) {
    const quad = quadAt(bytes, at);
    // Above 51 (110011): both of the high bits, and one of the next two. All four registers at once.
    broken = ((quad >> 5) & (quad >> 4) & ((quad >> 3) | (quad >> 2)) & 0x041041) !== 0;
  }
  if (broken) throw new SketchFormatError('The registers of a dense HyperLogLog are broken.');
}

function mergeDense(into: Registers, bytes: Uint8Array): void {
  for (let at = headerBytes, register = 0; register < registerCount; at += 3, register += 4) {
    const quad = quadAt(bytes, at);
    const first = quad & 0x3f;
    const second = (quad >> 6) & 0x3f;
    const third = (quad >> 12) & 0x3f;
    const fourth = quad >> 18;
    if (first > into[register]) into[register] = first;
    if (second > into[register + 1]) into[register + 1] = second;
    if (third > into[register + 2]) into[register + 2] = third;
    if (fourth > into[register + 3]) into[register + 3] = fourth;
  }
}

/**
 * How many distinct values the registers have seen: the improved raw estimator (Ertl 2017, "New cardinality
 * estimation algorithms for HyperLogLog sketches", algorithm 6), step for step as in Redis, so that it is
 * `PFCOUNT` to the integer. Registers that no data can fill (all at their end) give `MAX_SAFE_INTEGER`.
 */
export function estimate(registers: Registers): number {
  const histogram = new Int32Array(64);
  for (let i = 0; i < registerCount; i++) histogram[registers[i]]++;
  let z = registerCount * tau((registerCount - histogram[zerosMax + 1]) / registerCount);
  for (let zeros = zerosMax; zeros >= 1; zeros--) z = (z + histogram[zeros]) * 0.5;
  z += registerCount * sigma(histogram[0] / registerCount);
  const alpha = 0.7213475204444817; // 1 / (2 ln 2)
  return Math.min(Math.round((alpha * registerCount * registerCount) / z), Number.MAX_SAFE_INTEGER);
}

/** What the empty registers add, for their share `x` of all. */
function sigma(x: number): number {
  if (x === 1) return Number.POSITIVE_INFINITY;
  let power = x;
  let sum = x;
  for (let y = 1, before = Number.NaN; before !== sum; y += y) {
    power *= power;
    before = sum;
    sum += power * y;
  }
  return sum;
}

/** What the registers at the largest value add, for the share `x` of all others. */
function tau(x: number): number {
  if (x === 0 || x === 1) return 0;
  let root = x;
  let sum = 1 - x;
  for (let y = 0.5, before = Number.NaN; before !== sum; y *= 0.5) {
    root = Math.sqrt(root);
    before = sum;
    sum -= (1 - root) * (1 - root) * y;
  }
  return sum / 3;
}
