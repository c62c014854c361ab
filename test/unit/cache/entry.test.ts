/** Entries: the same from both sides of Redis, and nothing else is taken for one. */
import { encode } from '@msgpack/msgpack';
import fc from 'fast-check';
import t from 'tap';
import { createEntry, decodeEntry, encodeEntry } from '../../../src/cache/entry.js';
import { notKept, openPolicies } from '../../../src/cache/policies.js';
import { envelopeBytes, writeEnvelope } from '../../../src/sketches/envelope.js';

const [{ freshMs, staleMs, errorMs }] = openPolicies;
const times = { freshMs, staleMs, errorMs };

t.test('an entry is read back as it was', async () => {
  fc.assert(
    fc.property(fc.json(), fc.integer({ min: 0, max: 4e12 }), (json, asOf) => {
      const entry = createEntry(json, { asOf, at: 5 }, times);
      const read = decodeEntry(encodeEntry(entry), { asOf, at: 5 });
      return read.body.equals(entry.body) && JSON.stringify(read) === JSON.stringify(entry);
    }),
    { seed: 1, numRuns: 500 },
  );
});

t.test('its tag tells bodies apart, and nothing else', async (t) => {
  const tag = (json: string, asOf = 1) => createEntry(json, { asOf, at: asOf }, times).tag;
  t.equal(tag('{"a":1}'), tag('{"a":1}', 2));
  t.not(tag('{"a":1}'), tag('{"a":2}'));
  t.match(tag(''), /^[\w-]{22}$/);
});

t.test('its times are those of its policy, for us and in the header', async (t) => {
  t.hasStrict(
    createEntry('1', { asOf: 5e12, at: 1_000 }, { freshMs: 30_000, staleMs: 60_000, errorMs: 90_000 }),
    {
      asOf: 5e12,
      computedAt: 1_000,
      freshUntil: 31_000,
      staleUntil: 91_000,
      errorUntil: 121_000,
      cacheControl: 'private, max-age=30, stale-while-revalidate=60, stale-if-error=90',
    },
  );
});

t.test('one that is not kept tells clients to ask again', async (t) => {
  t.equal(createEntry('1', { asOf: 1, at: 1 }, notKept).cacheControl, 'private, no-cache');
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
    enveloped([1, 2, 3]),
    enveloped([1, 2, 'x', Buffer.from('')]),
    enveloped([1, 2, 3, 'text']),
  ];
  for (const bytes of wrong)
    t.throws(() => decodeEntry(bytes, { asOf: 1, at: 1 }), { name: 'SketchFormatError' });
});
