/** Every answer tells a browser to make nothing else of it. */
import t from 'tap';
import { securityHeaders } from '../../src/plugins/security-headers.js';
import { startApp } from '../support/app.js';
import { compliance, event, get, postRows } from '../support/http.js';

const { base, stop } = await startApp({ config: { QUERY_CACHE: 'on' } });
t.teardown(stop);
await postRows(base, [event()]);
const question = compliance('distinct/users', { system: 'crm' });
await get(base, question);
await get(base, question);

for (const [path, kind] of [
  [question, 'an answer from memory'],
  [compliance('distinct/users', {}), 'a problem'],
  ['/nothing', 'a path that is not there'],
  ['/api/v1/compliance/summary/%E0%A4%A', 'a path that is no URL'],
  ['/metrics', 'metrics'],
]) {
  t.test(`${kind} has the security headers`, async (t) => {
    t.match((await get(base, path)).headers, securityHeaders);
  });
}

t.test('the documentation page keeps a policy under which it works, and may not be embedded', async (t) => {
  const { headers } = await get(base, '/docs/static/index.html');
  t.match(headers['content-security-policy'], /default-src 'self'.*frame-ancestors 'none'/);
  t.equal(headers['x-content-type-options'], 'nosniff');
});
