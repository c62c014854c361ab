/** Redaction: no user and no password of any address in a line of the log, which stays a line of JSON. */
import t from 'tap';
import { redact, redactJson } from '../../src/redaction.js';

t.test('an address is shown without what logs in', async (t) => {
  for (const [text, shown] of [
    [
      'connect ENOENT valkeys://default:hidden@127.0.0.1:46379',
      'connect ENOENT valkeys://***@127.0.0.1:46379',
    ],
    ['connect ENOENT //default:hidden@127.0.0.1/', 'connect ENOENT //***@127.0.0.1/'],
    ['redis://hid:hid/den@host, http://a', 'redis://***@host, http://a'],
    ['redis+sentinel://a/m?sentinel_password=hidden&x=1', 'redis+sentinel://a/m?sentinel_password=***&x=1'],
    ['connect ECONNREFUSED 127.0.0.1:6379', 'connect ECONNREFUSED 127.0.0.1:6379'],
    ['ada@example.org', 'ada@example.org'],
  ]) {
    t.equal(redact(text), shown);
    t.strictSame(JSON.parse(redactJson(JSON.stringify({ msg: text }))), { msg: shown });
  }
});

t.test('in JSON it ends where its string does, and a quote in a password ends nothing', async (t) => {
  const line = {
    url: 'http://127.0.0.1:3000',
    by: 'ada@example.org',
    input: 'redis://u:hi"d\\d\nen@host',
    n: 1,
  };
  t.strictSame(JSON.parse(redactJson(JSON.stringify(line))), { ...line, input: 'redis://***@host' });
});

t.test('it takes no longer for a text of many slashes and no @', async (t) => {
  for (const text of ['a//', '/x//', '//']) {
    const line = JSON.stringify({ url: text.repeat(1_000_000) });
    t.equal(redactJson(line), line);
    t.equal(redact(line), line);
  }
});
