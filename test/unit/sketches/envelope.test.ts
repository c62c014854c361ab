import t from 'tap';
import {
  envelopeBytes,
  readEnvelope,
  SketchFormatError,
  type SketchType,
  sketchTypes,
  writeEnvelope,
} from '../../../src/sketches/envelope.js';

const types = Object.keys(sketchTypes) as SketchType[];

t.test('what follows the envelope is read back for every type', async (t) => {
  for (const type of types) {
    const bytes = writeEnvelope(type, Buffer.from('....body'));
    t.equal(bytes.toString('latin1', 0, 3), `PT${sketchTypes[type].letter}`);
    t.equal(Buffer.from(readEnvelope(type, bytes)).toString(), 'body');
  }
});

t.test('no two types share a letter', async (t) => {
  t.equal(new Set(types.map((type) => sketchTypes[type].letter)).size, types.length);
});

t.test('bytes without the magic are refused', async (t) => {
  for (const text of ['', 'PT', 'HYLL', 'PXD\x01body', '{"a":1}']) {
    t.throws(() => readEnvelope('digest', Buffer.from(text)), SketchFormatError, JSON.stringify(text));
  }
});

t.test('another type is refused, both ways for every pair', async (t) => {
  for (const written of types) {
    const bytes = writeEnvelope(written, Buffer.alloc(envelopeBytes));
    for (const expected of types.filter((type) => type !== written)) {
      t.throws(() => readEnvelope(expected, bytes), SketchFormatError);
    }
  }
});

t.test('an unknown version is refused, and the message names it', async (t) => {
  const bytes = writeEnvelope('bloom', Buffer.alloc(envelopeBytes));
  bytes[3] = 7;
  t.throws(() => readEnvelope('bloom', bytes), { name: 'SketchFormatError', message: /version 7/ });
});
