import t from 'tap';
import { hash64 } from '../../../src/sketches/hash.js';

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
