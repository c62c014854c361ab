/** Log-ins: what a failure is, field by field, and what is none. */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import t from 'tap';
import { failureWords, isFailedLogin, negations, successWords } from '../../../src/events/login-outcome.js';
import { eventTypes } from '../../../src/sketches/registry.js';

const login = eventTypes.indexOf('user_login');
const security = eventTypes.indexOf('security_event');

const failures: object[] = [
  ...[401, 403, 404, 500, 530, '401', '535', '401 Unauthorized', '403: no access', 50_126, '50126'].flatMap(
    (code) => [{ status_code: code }, { status: code }],
  ),
  ...['failed', 'FAILURE', 'Fail', 'denied', 'locked', 'blocked', 'error', 'false', ' failed '].map(
    (status) => ({
      status,
    }),
  ),
  ...['invalid password', 'Invalid credentials', 'INVALID_PASSWORD', 'InvalidPassword', 'wrong-password'].map(
    (status) => ({ status }),
  ),
  ...['login failed', 'authentication failure', 'access denied', 'user not found', 'No such user'].map(
    (status) => ({ status }),
  ),
  ...['not authorized', 'NotAuthorizedException', 'not successful', 'Unknown user name'].map((status) => ({
    status,
  })),
  ...['0xC000006D', '0xc0000234', 3_221_225_581].flatMap((code) => [{ status: code }, { status_code: code }]),
  { status: false },
  { outcome: 'failure' },
  { outcome: 'FAILURE' },
  { 'event.outcome': 'failure' },
  { event: { outcome: 'failure' } },
  { result: 'failed' },
  { result: false },
  { success: false },
  { success: 'false' },
  { success: 'no' },
  { success: 0 },
  { success: '0' },
  { status_id: 2 },
  { status_id: '2' },
  { status: 'unknown', status_code: 401 },
  { status: 'success', status_code: 401 },
  { status: 'failed', outcome: 'success' },
  { status: 302, success: false },
];

const others: object[] = [
  {},
  ...[200, 204, '200', '200 OK', 230, 302, '302', 0, 1, 100, 399, '331 Password required'].flatMap((code) => [
    { status_code: code },
    { status: code },
  ]),
  ...['success', 'ok', 'accepted', 'pending', 'unknown', 'closed', '', 'no error', 'without errors'].map(
    (status) => ({
      status,
    }),
  ),
  ...['not failed', 'successful after 2 failed attempts', 'failsafe', 'terrors', '2024-05-18', '0x0'].map(
    (status) => ({ status }),
  ),
  { status: true },
  { status: null },
  { status: ['failed'] },
  { status: { failed: true } },
  { outcome: 'success' },
  { outcome: 'unknown' },
  { event: 'failure' },
  { event: null },
  { success: true },
  { success: 'true' },
  { success: 1 },
  { success: null },
  { status_id: 1 },
  { status_id: 0 },
  { status_id: 99 },
  { message: 'failed' },
];

t.test('a user_login failed where any field says so', async (t) => {
  for (const metadata of failures) {
    t.equal(isFailedLogin(login, metadata as Record<string, unknown>), true, JSON.stringify(metadata));
  }
});

t.test('a user_login of which nothing says so has not failed', async (t) => {
  for (const metadata of others) {
    t.equal(isFailedLogin(login, metadata as Record<string, unknown>), false, JSON.stringify(metadata));
  }
});

t.test('a 2xx never is a failure, whatever else is said', async (t) => {
  for (const code of [200, 201, 299, '200', '200 OK', '204: no content']) {
    for (const field of ['status', 'status_code']) {
      for (const metadata of failures) {
        const contradicting = { ...metadata, [field]: code };
        t.equal(isFailedLogin(login, contradicting), false, JSON.stringify(contradicting));
        t.equal(isFailedLogin(security, contradicting), false, JSON.stringify(contradicting));
      }
    }
  }
});

t.test('a security_event is a failed log-in where its code or outcome says so, and only there', async (t) => {
  const failed = [
    { status_code: 401 },
    { status_code: '403' },
    { status_code: 'denied' },
    { outcome: 'failure' },
    { 'event.outcome': 'failure' },
    { event: { outcome: 'failure' } },
    { status: 'closed', status_code: 401 },
  ];
  for (const metadata of failed) t.equal(isFailedLogin(security, metadata), true, JSON.stringify(metadata));
  const none = [
    ...[200, '200', 302, null, 'here'].map((code) => ({ status_code: code })),
    { status: 'failure' },
    { status: 401 },
    { success: false },
    { status_id: 2 },
    { outcome: 'success' },
  ];
  for (const metadata of [...none, ...others]) {
    t.equal(isFailedLogin(security, metadata as Record<string, unknown>), false, JSON.stringify(metadata));
  }
});

t.test('no other event is a failed log-in', async (t) => {
  for (const [type, name] of eventTypes.entries()) {
    if (type === login || type === security) continue;
    for (const metadata of failures)
      t.equal(isFailedLogin(type, metadata as Record<string, unknown>), false, name);
  }
});

t.test('no metadata makes it throw, and the same is said however often it is asked', async () => {
  const field = fc.constantFrom(
    'status',
    'status_code',
    'outcome',
    'event',
    'result',
    'success',
    'status_id',
  );
  fc.assert(
    fc.property(fc.dictionary(field, fc.anything()), (metadata) => {
      const first = isFailedLogin(login, metadata);
      return isFailedLogin(login, metadata) === first;
    }),
    { seed: 1, numRuns: 2_000 },
  );
});

t.test('a text of any length is read by its beginning, at a cost that does not grow with it', async (t) => {
  t.equal(isFailedLogin(login, { status: `failed ${'x'.repeat(1e6)}` }), true);
  t.equal(isFailedLogin(login, { status: `${'x '.repeat(1e6)} failed` }), false);
});

t.test('docs/logins.md names every word of the table', async (t) => {
  const text = readFileSync(new URL('../../../../docs/logins.md', import.meta.url), 'utf8');
  for (const word of [...failureWords, ...successWords, ...negations]) t.match(text, `\`${word}\``, word);
});
