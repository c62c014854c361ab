/** Pseudonyms: what an id is called, under which key, and in which forms it is asked for. */
import { createHmac } from 'node:crypto';
import t from 'tap';
import { createKeyedHash, isPseudonym } from '../../../src/privacy/keyed-hash.js';
import { createPseudonyms, plainPeople } from '../../../src/privacy/pseudonyms.js';
import { personKinds } from '../../../src/sketches/registry.js';
import { readRow } from '../../support/write-path.js';

const key = 'a key of thirty-two characters..';
const previousKey = 'the key of before, also 32 chars';
const rotatedAt = Date.UTC(2026, 0, 15);
const row = { user_id: 'alice', session_id: 's-1', metadata: { ip: '192.0.2.1', endpoint: '/a' } };

/** The definition, as the documentation gives it. */
const defined = (secret: string, prefix: string, text: string) =>
  `${prefix}_${createHmac('sha256', secret).update(text).digest('base64url').slice(0, 22)}`;

t.test('a pseudonym is the documented hash, also of ids beyond ASCII', async (t) => {
  const hash = createKeyedHash(key);
  for (const id of ['alice', '192.0.2.1', 'Ünïcödé 😀', '\0', ' ', 'u_']) {
    for (let again = 0; again < 2; again++) {
      t.equal(hash('user', id), defined(key, 'u', `user\0${id}`));
      t.equal(hash('session', id), defined(key, 's', `session\0${id}`));
      t.equal(hash('ip', id), defined(key, 'i', `ip\0${id}`));
    }
  }
});

t.test('the same text of two kinds, or under two keys, has different pseudonyms', async (t) => {
  const hashes = [createKeyedHash(key), createKeyedHash(previousKey)];
  const found = personKinds.flatMap((kind) => hashes.map((hash) => hash(kind, 'x').slice(2)));
  t.equal(new Set(found).size, found.length);
});

t.test('what is not remembered any more is computed again, to the same', async (t) => {
  const hash = createKeyedHash(key);
  const first = hash('user', 'first');
  for (let i = 0; i < 250_000; i++) hash('user', `other ${i}`);
  t.equal(hash('user', 'first'), first);
  t.equal(hash('user', 'other 1'), defined(key, 'u', 'user\0other 1'));
});

t.test('only what has the form of a pseudonym of its kind is taken for one', async (t) => {
  const hash = createKeyedHash(key);
  for (const kind of personKinds) {
    for (const other of personKinds) t.equal(isPseudonym(kind, hash(other, 'x')), kind === other);
  }
  for (const text of [
    '',
    'u_',
    'alice',
    `${hash('user', 'a')}=`,
    hash('user', 'a').slice(0, -1),
    ` ${hash('user', 'a')}`,
  ]) {
    t.notOk(isPseudonym('user', text), text);
  }
});

t.test('the ids of an event are replaced, and nothing else', async (t) => {
  const event = readRow(row);
  createPseudonyms({ key }).replaceIn(event);
  const hash = createKeyedHash(key);
  t.strictSame(event, {
    ...readRow(row),
    user: hash('user', 'alice'),
    session: hash('session', 's-1'),
    ip: hash('ip', '192.0.2.1'),
  });
  const bare = readRow({});
  createPseudonyms({ key }).replaceIn(bare);
  t.strictSame(bare, readRow({}), 'absent ids stay absent');
});

t.test('the time of an event decides under which key it is written', async (t) => {
  const pseudonyms = createPseudonyms({ key, previousKey, rotatedAt });
  const written = (timestamp: number) => {
    const event = readRow({ ...row, timestamp });
    pseudonyms.replaceIn(event);
    return event.user;
  };
  t.equal(written(rotatedAt - 1), createKeyedHash(previousKey)('user', 'alice'));
  t.equal(written(rotatedAt), createKeyedHash(key)('user', 'alice'));
  const begun = createPseudonyms({ key, rotatedAt });
  const early = readRow({ ...row, timestamp: rotatedAt - 1 });
  begun.replaceIn(early);
  t.equal(
    early.user,
    createKeyedHash(key)('user', 'alice'),
    'without a previous key nothing is written plain',
  );
});

t.test('a person is asked for in every form that may have been written, each once', async (t) => {
  const current = createKeyedHash(key)('user', 'alice');
  const previous = createKeyedHash(previousKey)('user', 'alice');
  t.strictSame(plainPeople.formsOf('user', 'alice'), ['alice']);
  t.strictSame(createPseudonyms({ key }).formsOf('user', 'alice'), [current]);
  t.strictSame(createPseudonyms({ key, previousKey, rotatedAt }).formsOf('user', 'alice'), [
    current,
    previous,
  ]);
  t.strictSame(createPseudonyms({ key, rotatedAt }).formsOf('user', 'alice'), [current, 'alice']);
});

t.test('a pseudonym can be asked with as it is', async (t) => {
  const pseudonyms = createPseudonyms({ key, rotatedAt });
  const [shown] = pseudonyms.formsOf('user', 'alice');
  const forms = pseudonyms.formsOf('user', shown);
  t.equal(forms[0], shown);
  t.strictSame(forms, [...new Set(forms)]);
});
