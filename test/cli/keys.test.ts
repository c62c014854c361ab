/** `papertrail keys`, and the other commands against a service that asks for one. */
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { KeyDescription } from '../../src/access/create-key.js';
import { addKey, listKeys, revokeKey } from '../../src/cli/keys.js';
import { startApp } from '../support/app.js';
import { commandLine, temporaryFolder } from '../support/command-line.js';
import { environmentOf, makeKey } from '../support/keys.js';
import { until } from '../support/until.js';

const nowhere = 'http://127.0.0.1:1';

/** A way to run `papertrail keys` on a file of the test. */
function keysOf(test: Test) {
  const file = join(temporaryFolder(test), 'keys.json');
  const cli = commandLine(test, nowhere, { API_KEYS_FILE: file });
  return { file, keys: (...values: string[]) => cli.run(['keys', ...values]) };
}

t.test('create prints the key once, and its file holds the hash, for its owner only', async (t) => {
  const { file, keys } = keysOf(t);
  const { status, stdout, stderr } = await keys('create', '--name', 'ship', '--scope', 'ingest', 'query');
  t.equal(status, 0);
  t.match(stdout, /^pt_[\w-]{43}\n$/);
  t.match(stderr, /shown only now/);
  t.notOk(stderr.includes(stdout.trim()));
  t.notOk(readFileSync(file, 'utf8').includes(stdout.trim().slice(3)));
  t.equal(statSync(file).mode & 0o777, 0o600);
});

t.test('a key that was created enters a running service, and one that was revoked does not', async (t) => {
  const { file, keys } = keysOf(t);
  const { base, stop } = await startApp({ config: { API_KEYS_FILE: file } });
  t.teardown(stop);
  const made = await keys('create', '--name', 'asker', '--scope', 'query', '--json');
  const { key } = JSON.parse(made.stdout);
  const ask = async () =>
    (await fetch(`${base}/api/v1/systems`, { headers: { authorization: `Bearer ${key}` } })).status;
  await until(async () => (await ask()) === 200, 'the key to be known');
  t.equal((await keys('revoke', 'asker')).status, 0);
  await until(async () => (await ask()) !== 200, 'the key to be unknown');
  t.ok([401, 429].includes(await ask()), 'who asks often is told so');
});

t.test('list says what each key may do, and never its hash', async (t) => {
  const { file, keys } = keysOf(t);
  await keys('create', '--name', 'ship', '--scope', 'ingest', '--system', 'crm', 'erp');
  await keys('create', '--name', 'figures', '--scope', 'none', '--expires', '2199-01-31T00:00:00Z');
  const { stdout } = await keys('list');
  t.match(stdout, /^ship +ingest +crm erp +\d{4}-\S+Z +never$/m);
  t.match(stdout, /^figures +none +all +\d{4}-\S+Z +2199-01-31T00:00:00Z$/m);
  const list = JSON.parse((await keys('list', '--json')).stdout);
  t.match(list, [{ name: 'ship', scopes: ['ingest'], systems: ['crm', 'erp'] }, { name: 'figures' }]);
  const { keys: records } = JSON.parse(readFileSync(file, 'utf8'));
  for (const { sha256 } of records) t.notOk(`${stdout}${JSON.stringify(list)}`.includes(sha256));
});

t.test('what cannot be done is a failure that says so, and changes nothing', async (t) => {
  const file = join(temporaryFolder(t), 'keys.json');
  const now = Date.UTC(2026, 0, 31);
  const create = (fields: Partial<KeyDescription>) =>
    addKey(file, { name: 'other', scopes: ['query'], ...fields }, (bytes) => Buffer.alloc(bytes, 7), now);
  await t.rejects(listKeys(file), { status: 2, message: /there is no key file .*keys create makes one/ });
  await create({ name: 'ship' });
  const before = readFileSync(file, 'utf8');
  for (const [fields, message] of [
    [{ name: 'ship' }, /called ship already/],
    [{ name: 'two words' }, /\/name/],
    [{ expires: 'tomorrow' }, /\/expires must be RFC 3339/],
    [{ expires: '2020-01-31T00:00:00Z' }, /is over already/],
    [{ systems: ['*'] }, /leave it out for all systems/],
    [{ scopes: ['admin'], systems: ['crm'] }, /cannot go with the scope admin/],
  ] as [Partial<KeyDescription>, RegExp][]) {
    await t.rejects(create(fields), { status: 2, message });
  }
  await t.rejects(revokeKey(file, 'nobody'), { status: 2, message: /no key called nobody/ });
  t.equal(readFileSync(file, 'utf8'), before);
  writeFileSync(file, '{');
  await t.rejects(listKeys(file), { status: 2, message: /cannot be used: it is not JSON/ });
  await t.rejects(create({}), { status: 2, message: /cannot be used: it is not JSON/ });
});

t.test('wrong use ends with status 2 and says what is allowed', async (t) => {
  const { keys } = keysOf(t);
  t.match(await keys('create', '--name', 'ship'), { status: 2, stdout: '', stderr: /--scope/ });
  const wrong = await keys('create', '--name', 'x', '--scope', 'root');
  t.match(wrong, { status: 2, stdout: '', stderr: /Allowed choices are ingest, query, admin, none/ });
});

const own = makeKey({ scopes: ['ingest', 'query'], systems: ['crm'] });
const whole = makeKey();
const expired = makeKey({ expires: '2026-01-31T00:00:01Z' });
const service = await startApp({ config: { API_KEYS: environmentOf(own, whole, expired) } });
t.teardown(service.stop);
const as = (test: Test, key?: string) => {
  const env: Record<string, string> = key === undefined ? {} : { PAPERTRAIL_API_KEY: key };
  return commandLine(test, service.base, env);
};
const login = (system: string) => JSON.stringify({ event_type: 'user_login', system, user_id: 'ann' });

t.test('import and query present the key of the environment, or that of a file', async (t) => {
  const keyFile = join(temporaryFolder(t), 'key');
  writeFileSync(keyFile, `${whole.key}\n`);
  const imported = await as(t, whole.key).run(['import', '-', '--now', '--quiet'], login('crm'));
  t.match(imported, { status: 0, stdout: /accepted +1/, stderr: '' });
  for (const [cli, options] of [
    [as(t, whole.key), []],
    [as(t, 'pt_wrong'), ['--key-file', keyFile]],
  ] as const) {
    const answer = await cli.run(['query', 'distinct', 'users', '--system', 'crm', ...options]);
    t.match(answer, { status: 0, stdout: /count +1/ });
  }
  t.equal((await as(t).run(['query', 'systems', '--key-file', keyFile])).status, 0);
});

t.test('a key that does not count is said to be that, with what to do', async (t) => {
  const query = ['query', 'systems'];
  for (const [cli, message] of [
    [as(t), /401 An API key is needed here.*set PAPERTRAIL_API_KEY or use --key-file/],
    [as(t, 'pt_wrong'), /401 The API key is not valid.*look at what PAPERTRAIL_API_KEY/],
    [as(t, expired.key), /401 The API key has expired.*keys create makes a new one/],
  ] as const) {
    t.match(await cli.run(query), { status: 2, stderr: message });
  }
  const imported = await as(t).run(['import', '-', '--now', '--quiet'], login('crm'));
  t.match(imported, { status: 3, stderr: /answered 401 An API key is needed here/ });
  const forbidden = await as(t, own.key).run(['query', 'summary', 'erp']);
  t.match(forbidden, { status: 2, stderr: /403 The API key is not for this system/ });
});

t.test(
  'import counts rows of other systems as rejected, and says that it could not invalidate',
  async (t) => {
    const cli = as(t, own.key);
    const rows = [login('crm'), login('erp'), login('erp')].join('\n');
    for (const options of [[], ['--again']]) {
      const { status, stdout, stderr } = await cli.run(['import', '-', '--now', ...options], rows);
      t.equal(status, 1);
      t.match(stdout, /accepted +1\nrejected +2\n +system_forbidden +2/);
      t.match(stderr, /for a while: 403 .*the scope admin/);
    }
  },
);

t.test('a key that no header could carry is refused before anything is sent', async (t) => {
  const cli = as(t, 'two words');
  t.match(await cli.run(['query', 'systems']), {
    status: 2,
    stderr: /PAPERTRAIL_API_KEY does not hold one API key/,
  });
  const missing = await as(t).run(['query', 'systems', '--key-file', '/nowhere/key']);
  t.match(missing, { status: 2, stderr: /the API key cannot be read/ });
});
