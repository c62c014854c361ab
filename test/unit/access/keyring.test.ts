/** The keyring and what comes before it: which text of a request is its key, and whose it is. */
import t from 'tap';
import { attemptsMax, attemptsWindowSeconds, createAttempts } from '../../../src/access/attempts.js';
import { createKey, keyBytes } from '../../../src/access/create-key.js';
import { createKeyring } from '../../../src/access/keyring.js';
import { checkListening, isLoopback } from '../../../src/access/listening.js';
import { presentedKey } from '../../../src/access/presented.js';
import { makeKey } from '../../support/keys.js';

const now = Date.UTC(2026, 5, 1);
const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`;

t.test('a key is pt_ and 32 random bytes, and its record does not hold it', async (t) => {
  const random = Buffer.from(Array.from({ length: keyBytes }, (_, i) => i * 8));
  const { key, record } = createKey({ name: 'a', scopes: ['query'] }, random, now);
  t.equal(key, `pt_${random.toString('base64url')}`);
  t.match(key, /^pt_[\w-]{43}$/);
  t.notOk(JSON.stringify(record).includes(key.slice(3)));
  t.strictSame(Object.keys(record), ['name', 'scopes', 'sha256', 'created']);
});

t.test('the key of a record is its principal, and nothing else is', async (t) => {
  const one = makeKey({ name: 'one', scopes: ['query'], systems: ['crm'] });
  const two = makeKey({ name: 'two' });
  const ring = createKeyring([one.record, two.record]);
  t.match(ring.find(one.key, now), { name: 'one', scopes: new Set(['query']), systems: new Set(['crm']) });
  t.match(ring.find(two.key, now), { name: 'two', systems: undefined });
  for (const text of ['', one.record.sha256, `${one.key} `, one.key.slice(0, -1), one.key.toUpperCase()]) {
    t.equal(ring.find(text, now), 'key_unknown', text);
  }
  t.equal(createKeyring([]).find(one.key, now), 'key_unknown', 'an empty ring knows none');
});

t.test('a key ends at the instant its record names', async (t) => {
  const { key, record } = makeKey({ expires: '2026-06-01T00:00:00Z' });
  const ring = createKeyring([record]);
  t.match(ring.find(key, now - 1), { name: record.name });
  t.equal(ring.find(key, now), 'key_expired');
});

t.test('a key is read from each header that may carry it', async (t) => {
  const found: [headers: Record<string, string>, key: string | undefined][] = [
    [{}, undefined],
    [{ authorization: 'Bearer pt_x' }, 'pt_x'],
    [{ authorization: 'bearer  pt_x' }, 'pt_x'],
    [{ authorization: 'Bearer ' }, undefined],
    [{ authorization: 'Bearer' }, undefined],
    [{ authorization: 'Digest pt_x' }, undefined],
    [{ authorization: basic('anybody:pt_x') }, 'pt_x'],
    [{ authorization: basic(':pt_x') }, 'pt_x'],
    [{ authorization: basic('anybody:a:b') }, 'a:b'],
    [{ authorization: basic('anybody:') }, undefined],
    [{ 'x-api-key': 'pt_x' }, 'pt_x'],
    [{ 'x-api-key': '' }, undefined],
    [{ 'x-api-key': 'pt_x', authorization: basic('proxy:password') }, 'pt_x'],
  ];
  for (const [headers, key] of found) t.equal(presentedKey(headers), key, JSON.stringify(headers));
});

t.test('too many refusals of one address are told, until its window is over', async (t) => {
  let at = now;
  const attempts = createAttempts({ now: () => at });
  for (let i = 0; i < attemptsMax; i++) t.notOk(attempts.isTooMany('192.0.2.1'));
  t.ok(attempts.isTooMany('192.0.2.1'));
  t.notOk(attempts.isTooMany('192.0.2.2'), 'others are not concerned');
  at += attemptsWindowSeconds * 1_000;
  t.notOk(attempts.isTooMany('192.0.2.1'));
});

t.test('the memory of addresses is bounded', async (t) => {
  const attempts = createAttempts({ now: () => now });
  for (let i = 0; i < 25_000; i++) attempts.isTooMany(`address ${i}`);
  t.equal(attempts.size, 10_000);
});

t.test('addresses of this machine are known, whatever their form', async (t) => {
  for (const host of ['127.0.0.1', '127.1.2.3', '::1', '0:0:0:0:0:0:0:1', 'localhost', 'LOCALHOST']) {
    t.ok(isLoopback(host), host);
  }
  for (const host of ['0.0.0.0', '::', '192.0.2.1', '10.0.0.1', '128.0.0.1', 'localhost.example.org', 'x']) {
    t.notOk(isLoopback(host), host);
  }
});

t.test('without keys only loopback is listened on, unless told so in so many words', async (t) => {
  const listening = { host: '0.0.0.0', hasKeys: false, accessWithoutKeys: 'loopback' } as const;
  t.throws(() => checkListening(listening), {
    message: /papertrail keys create .*ACCESS_WITHOUT_KEYS=anyone/,
  });
  t.match(checkListening({ ...listening, accessWithoutKeys: 'anyone' }), /whoever can reach 0\.0\.0\.0/);
  t.match(checkListening({ ...listening, host: '127.0.0.1' }), /on this machine may do everything/);
  t.equal(checkListening({ ...listening, hasKeys: true }), undefined);
});
