/** Which texts are an idempotency key, and which key they are. */
import t from 'tap';
import { readIdempotencyKey } from '../../../src/events/idempotency-key.js';

t.test('a quoted string and the bare text are the same key', async (t) => {
  const uuid = '8e03978e-40d5-43dd-bc93-6894a57f9324';
  t.equal(readIdempotencyKey(`"${uuid}"`), uuid);
  t.equal(readIdempotencyKey(uuid), uuid);
  t.equal(readIdempotencyKey('"a \\"b\\" \\\\"'), 'a "b" \\');
  for (const key of ['x', 'x'.repeat(255)]) {
    t.equal(readIdempotencyKey(key), key);
    t.equal(readIdempotencyKey(`"${key}"`), key);
  }
});

t.test('everything else is refused by a problem that names the header', async (t) => {
  const refused = [
    '',
    '""',
    'x'.repeat(256),
    `"${'x'.repeat(256)}"`,
    '"open',
    'two words',
    '"a";p=1',
    '"a", "b"',
    '"\\n"',
    'schlüssel',
    '"tab\t"',
    'a\u0000',
    ['a', 'b'],
  ];
  for (const text of refused) {
    t.throws(
      () => readIdempotencyKey(text),
      { code: 'parameter_invalid', message: /^Idempotency-Key must/ },
      JSON.stringify(text),
    );
  }
});
