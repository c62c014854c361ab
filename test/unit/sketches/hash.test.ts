import t from 'tap';
import { hash64, idHashBytes, writeIdHash } from '../../../src/sketches/hash.js';

function hex(value: string): string {
  const out = new Uint32Array(2);
  hash64(value, out);
  return [out[1], out[0]].map((half) => half.toString(16).padStart(8, '0')).join('');
}

t.test('the hash is xxHash64 with seed 0: published values', async (t) => {
  t.equal(hex(''), 'ef46db3751d8e999');
  t.equal(hex('a'), 'd24ec4f1a98c6e5b');
  t.equal(hex('abc'), '44bc2cf5ad770999');
  t.equal(hex('Nobody inspects the spammish repetition'), 'fbcea83c8a378bf1');
});

t.test('text is hashed as UTF-8, and long text after short text is hashed whole', async (t) => {
  t.equal(hex('é'), hex(Buffer.from([0xc3, 0xa9]).toString('utf8')));
  t.not(hex('é'), hex('e'));
  const long = 'x'.repeat(200_000);
  const before = hex(long);
  hex('short');
  t.equal(hex(long), before);
  t.not(hex(`${long}y`), before);
});

t.test(
  'the hash of an id is 14 bytes, of which the first 8 are xxHash64, and the rest hang on all of it too',
  async (t) => {
    const hashOf = (id: string) => {
      const out = Buffer.alloc(idHashBytes + 2, 0xaa);
      writeIdHash(id, out, 1);
      t.strictSame([out[0], out[idHashBytes + 1]], [0xaa, 0xaa], 'and no other byte is touched');
      return out.subarray(1, idHashBytes + 1);
    };
    t.equal(hashOf('abc').readBigUInt64LE().toString(16), '44bc2cf5ad770999');
    const tails = Array.from({ length: 1_000 }, (_, i) => hashOf(`id ${i}`).subarray(8).toString('hex'));
    t.equal(new Set(tails).size, 1_000);
    t.strictSame(hashOf('id 7'), hashOf('id 7'));
  },
);
