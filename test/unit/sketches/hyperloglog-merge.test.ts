/** HyperLogLogs in the process: reading the stored bytes, and the laws of the union. */
import t, { type Test } from 'tap';
import { SketchFormatError } from '../../../src/sketches/envelope.js';
import { hash64 } from '../../../src/sketches/hash.js';
import {
  createRegisters,
  decodeHll,
  estimate,
  hyperloglogDenseBytes,
  mergeHll,
  mergeRegisters,
  type Registers,
} from '../../../src/sketches/hyperloglog.js';
import { dataSets, namesOf } from '../../support/data-sets.js';
import { seededRandom } from '../../support/random.js';

const header = (encoding: number) => {
  const bytes = Buffer.alloc(16);
  bytes.write('HYLL');
  bytes[4] = encoding;
  return bytes;
};
const sparse = (...opcodes: number[]) => Buffer.concat([header(1), Buffer.from(opcodes)]);

/** The dense bytes of some registers, bit by bit. */
function denseOf(registers: Registers): Buffer {
  const bytes = Buffer.concat([header(0), Buffer.alloc(hyperloglogDenseBytes - 16)]);
  registers.forEach((value, register) => {
    for (let bit = 0; bit < 6; bit++) {
      const place = register * 6 + bit;
      bytes[16 + (place >> 3)] |= ((value >> bit) & 1) << (place & 7);
    }
  });
  return bytes;
}

/** The registers of some values, by a hash of ours: its high half picks, its low half has the run of zeros. */
function registersOf(values: readonly string[]): Registers {
  const registers = createRegisters();
  const halves = new Uint32Array(2);
  for (const value of values) {
    hash64(value, halves);
    const register = halves[1] % registers.length;
    registers[register] = Math.max(registers[register], Math.clz32(halves[0]) + 1);
  }
  return registers;
}

function union(...all: Registers[]): Registers {
  const registers = createRegisters();
  for (const one of all) mergeRegisters(registers, one);
  return registers;
}

/** Compared as bytes: tap's own comparison takes milliseconds for an array of this length. */
function same(t: Test, found: Registers, wanted: Registers, message = 'the same registers'): void {
  t.ok(Buffer.from(found).equals(wanted), message);
}

t.test(
  'the union has an identity, commutes, associates, is idempotent, and is the sketch of both',
  async (t) => {
    for (const set of dataSets) {
      const names = [1, 2, 3].map((seed) => namesOf(set, 3_000, seed));
      const [a, b, c] = names.map(registersOf);
      same(t, union(a), a, `${set}: identity`);
      same(t, union(a, b), union(b, a), `${set}: commutes`);
      same(t, union(union(a, b), c), union(a, union(b, c)), `${set}: associates`);
      same(t, union(a, a), a, `${set}: idempotent`);
      same(t, union(a, b, c), registersOf(names.flat()), `${set}: of all`);
    }
  },
);

t.test('dense bytes are read back register for register, from any place in a buffer', async (t) => {
  const random = seededRandom(1);
  for (const max of [0, 1, 20, 51]) {
    const registers = createRegisters().map(() => Math.round(random() * max));
    const bytes = denseOf(registers);
    same(t, decodeHll(bytes), registers, `up to ${max}`);
    same(t, decodeHll(Buffer.concat([Buffer.alloc(3), bytes]).subarray(3)), registers);
  }
});

t.test('each sparse opcode fills the registers that it names', async (t) => {
  // 64 zeros, three of value 32, 16,300 zeros, one of value 1, 16 zeros.
  const bytes = sparse(0x3f, 0x80 | (31 << 2) | 2, 0x40 | (16_299 >> 8), 16_299 & 255, 0x80, 0x0f);
  const expected = createRegisters();
  expected.fill(32, 64, 67);
  expected[16_367] = 1;
  same(t, decodeHll(bytes), expected);
  same(t, decodeHll(sparse(0x7f, 0xff)), createRegisters());
});

t.test('merging stored bytes is merging their registers', async (t) => {
  const random = seededRandom(2);
  for (let round = 0; round < 50; round++) {
    const into = createRegisters().map(() => Math.round(random() * 40));
    const opcodes: number[] = [];
    for (let left = into.length; left > 0; ) {
      const run = Math.min(1 + Math.floor(random() * 4), left);
      opcodes.push(random() < 0.5 ? run - 1 : 0x80 | (Math.floor(random() * 32) << 2) | (run - 1));
      left -= run;
    }
    for (const bytes of [sparse(...opcodes), denseOf(into.map(() => Math.round(random() * 51)))]) {
      const merged = Uint8Array.from(into);
      mergeHll(merged, bytes);
      same(t, merged, union(into, decodeHll(bytes)));
    }
  }
});

t.test('bytes that are no HyperLogLog are refused and leave the union as it was', async (t) => {
  const dense = denseOf(createRegisters().fill(51));
  const high = (value: number, register: number) => {
    const registers = createRegisters();
    registers[register] = value;
    return denseOf(registers);
  };
  const broken: Record<string, Uint8Array> = {
    nothing: Buffer.alloc(0),
    'other text': Buffer.from('text'),
    'the magic alone': Buffer.from('HYLL'),
    'a header alone': header(1),
    'a dense header alone': header(0),
    'an unknown encoding': Buffer.concat([header(2), dense.subarray(16)]),
    'dense and cut': dense.subarray(0, -1),
    'dense and longer': Buffer.concat([dense, Buffer.alloc(1)]),
    'too few registers': sparse(0xff, 0x7f, 0xfa),
    'too many registers': sparse(0xff, 0x7f, 0xff),
    'a run beyond the end': sparse(0x7f, 0xfe, 0x80 | 3),
    'bytes after the last register': sparse(0x7f, 0xff, 0x00),
    'a long run cut': sparse(0x80, 0x7f),
    'a long run cut at the end': sparse(0x7f, 0xfe, 0x40),
    'megabytes of opcodes': Buffer.concat([header(1), Buffer.alloc(10_000_000, 0xff)]),
  };
  for (let register = 0; register < 4; register++) {
    for (const value of [52, 55, 56, 63]) broken[`${value} in register ${register}`] = high(value, register);
  }
  const before = registersOf(namesOf('uniform', 100, 1));
  for (const [name, bytes] of Object.entries(broken)) {
    const into = Uint8Array.from(before);
    t.throws(() => mergeHll(into, bytes), SketchFormatError, name);
    same(t, into, before, name);
    t.throws(() => decodeHll(bytes), SketchFormatError, name);
  }
});

t.test('the estimate is that of the published formula at its ends', async (t) => {
  t.equal(estimate(createRegisters()), 0);
  const one = createRegisters();
  one[7] = 3;
  t.equal(estimate(one), 1);
  t.equal(estimate(createRegisters().fill(51)), Number.MAX_SAFE_INTEGER);
  for (const size of [100, 10_000, 1_000_000]) {
    const names = Array.from({ length: size }, (_, i) => `user-${i}`);
    const answer = estimate(registersOf(names));
    t.ok(Math.abs(answer / size - 1) < 0.03, `${size}: ${answer}`);
  }
});
