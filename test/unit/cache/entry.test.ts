/** Entries: the same from both sides of Redis, and nothing else is taken for one. */
import { encode } from '@msgpack/msgpack';
import fc from 'fast-check';
import t from 'tap';
import { createEntry, decodeEntry, encodeEntry } from '../../../src/cache/entry.js';
import { openPolicies } from '../../../src/cache/policies.js';
import { envelopeBytes, writeEnvelope } from '../../../src/sketches/envelope.js';

const [times] = openPolicies;

t.test('an entry is read back as it was', async () => {
  fc.assert(
    fc.property(fc.json(), fc.integer({ min: 0, max: 4e12 }), (json, at) => {
      const entry = createEntry(json, at, times);
      const read = decodeEntry(encodeEntry(entry));
      return read.body.equals(entry.body) && JSON.stringify(read) === JSON.stringify(entry);
    }),
    { seed: 1, numRuns: 500 },
  );
});

t.test('its tag tells bodies apart, and nothing else', async (t) => {
  t.equal(createEntry('{"a":1}', 1, times).tag, createEntry('{"a":1}', 2, times).tag);
  t.not(createEntry('{"a":1}', 1, times).tag, createEntry('{"a":2}', 1, times).tag);
  t.match(createEntry('', 1, times).tag, /^[\w-]{22}$/);
});

t.test('its times are those of its policy, for us and in the header', async (t) => {
  t.hasStrict(createEntry('1', 1_000, { freshMs: 30_000, staleMs: 60_000, errorMs: 90_000 }), {
    computedAt: 1_000,
    freshUntil: 31_000,
    staleUntil: 91_000,
    errorUntil: 121_000,
    cacheControl: 'private, max-age=30, stale-while-revalidate=60, stale-if-error=90',
  });
});

t.test('other bytes are refused by name', async (t) => {
  const enveloped = (value: unknown) =>
    writeEnvelope('answer', Buffer.concat([Buffer.alloc(envelopeBytes), encode(value)]));
  const wrong = [
    Buffer.from(''),
    Buffer.from('{"a":1}'),
    writeEnvelope('digest', Buffer.alloc(20)),
    writeEnvelope('answer', Buffer.alloc(envelopeBytes)),
    writeEnvelope('answer', Buffer.from('....\xc1', 'latin1')),
    enveloped({}),
    enveloped([1, 2, 3, 4]),
    enveloped([1, 2, 3, 'x', Buffer.from('')]),
    enveloped([1, 2, 3, 4, 'text']),
  ];
  for (const bytes of wrong) t.throws(() => decodeEntry(bytes), { name: 'SketchFormatError' });
});
