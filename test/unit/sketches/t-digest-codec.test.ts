import { encode } from '@msgpack/msgpack';
import t from 'tap';
import { SketchFormatError, writeEnvelope } from '../../../src/sketches/envelope.js';
import {
  decodeDigest,
  decodeDigestHeader,
  digestOf,
  encodeDigest,
  encodeDigestHeader,
  mergeDigests,
  quantile,
} from '../../../src/sketches/t-digest.js';
import { dataSets, numbersOf } from '../../support/data-sets.js';

const blobOf = (fields: unknown) => Buffer.concat([writeEnvelope('digest', Buffer.alloc(4)), encode(fields)]);

t.test('a digest comes back as it went, on every data set and from any place in a buffer', async (t) => {
  for (const set of dataSets) {
    for (const length of [0, 1, 2, 100, 250, 251, 5_000]) {
      const digest = digestOf(numbersOf(set, length, length));
      const blob = encodeDigest(digest);
      t.strictSame(decodeDigest(blob), digest, `${set} ${length}`);
      t.strictSame(decodeDigest(Buffer.concat([Buffer.alloc(3), blob]).subarray(3)), digest);
    }
  }
  t.strictSame(decodeDigest(encodeDigest(mergeDigests([]))), mergeDigests([]));
});

t.test('a decoded digest stays as it is when its bytes are reused', async (t) => {
  const blob = encodeDigest(digestOf([1, 2, 3]));
  const digest = decodeDigest(blob);
  blob.fill(0);
  t.equal(quantile(digest, 0.5), 2);
});

t.test('an encoded digest stays as it is when the next one is encoded', async (t) => {
  const first = encodeDigest(digestOf([1.5]));
  const copy = Buffer.from(first);
  encodeDigest(digestOf([-7.25, 8]));
  t.strictSame(first, copy);
});

t.test('one sample takes at most 48 bytes, a full digest about 1 KB', async (t) => {
  for (const sample of [0, -0, 12, -12.5, 1e308, -5e-324]) {
    t.ok(encodeDigest(digestOf([sample])).length <= 48, `${sample}`);
  }
  t.ok(encodeDigest(digestOf(numbersOf('lognormal', 100_000, 1))).length < 1_400);
});

t.test('bytes that are no digest are refused', async (t) => {
  const means = new Uint8Array(new Float64Array([1, 2]).buffer);
  const nan = new Uint8Array(new Float64Array([Number.NaN, 2]).buffer);
  const moments = [1.5, 0, 0.5, 0, 0.125];
  t.equal(decodeDigest(blobOf([2, 1, 2, means, [1, 1], moments])).count, 2, 'the form that is right');
  t.equal(decodeDigest(blobOf([2, 1, 2, means, [], []])).count, 2, 'the form without weights');
  for (const fields of [
    null,
    7,
    {},
    [],
    [2, 1, 2, means],
    [2, 1, 2, means, []],
    [2, 1, 2, means, [1], moments],
    [3, 1, 2, means, [1, 1], moments],
    [2, 1, 2, means, [2, 0], moments],
    [2, 1, 2, means, [1, 'x'], moments],
    [2, 1, 2, nan, [1, 1], moments],
    [2, 1.5, 2, means, [1, 1], moments],
    [2, 1, 1.5, means, [1, 1], moments],
    [2, '1', 2, means, [1, 1], moments],
    [2, 1, 2, 'means', [1, 1], moments],
    [2, 1, 2, means, [1, 1], []],
    [2, 1, 2, means, [], moments],
    [2, 1, 2, means, [1, 1], 'moments'],
    [2, 1, 2, means, [1, 1], [1.5, 0, 0.5, 0]],
    [2, 1, 2, means, [1, 1], [1.5, 0, 0.5, 0, '1']],
    [2, 1, 2, means, [1, 1], [Number.NaN, 0, 0.5, 0, 0.125]],
    [2, 1, 2, means, [1, 1], [1.5, 0, -1, 0, 0.125]],
    [2, 1, 2, means, [1, 1], [1.5, 0, 0.5, 0, -1]],
  ]) {
    t.throws(() => decodeDigest(blobOf(fields)), SketchFormatError, JSON.stringify(fields));
  }
  const whole = Buffer.from(encodeDigest(digestOf([1, 2, 3])));
  for (let length = 0; length < whole.length; length++) {
    t.throws(() => decodeDigest(whole.subarray(0, length)), SketchFormatError, `cut to ${length} bytes`);
  }
});

t.test('the header is the envelope, the generation in decimal digits, and the epoch', async (t) => {
  t.equal(encodeDigestHeader(12, 'e7').toString('latin1'), 'PTH\x0112 e7');
  for (const generation of [0, 1, 99, 2 ** 40, Number.MAX_SAFE_INTEGER]) {
    for (const epoch of ['', 'e1', 'with space', 'é']) {
      t.strictSame(decodeDigestHeader(encodeDigestHeader(generation, epoch)), { generation, epoch });
    }
  }
  for (const text of ['', ' ', '1', '01 e', '-1 e', '1.5 e', 'x e', '12345678901234567 e']) {
    const bytes = Buffer.concat([encodeDigestHeader(0, '').subarray(0, 4), Buffer.from(text)]);
    t.throws(() => decodeDigestHeader(bytes), SketchFormatError, text);
  }
  t.throws(() => decodeDigestHeader(encodeDigest(digestOf([1]))), SketchFormatError);
});
