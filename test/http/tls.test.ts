/** Redis over TLS: events and questions as always, and no word to a Redis that cannot prove who it is. */
import t from 'tap';
import { launchServiceProcess, startServiceProcess } from '../support/service-process.js';
import { startTlsRedis } from '../support/tls-redis.js';

const redis = await startTlsRedis();
t.teardown(() => redis.stop());

const headers = { 'content-type': 'application/json' };
const body = JSON.stringify({ event_type: 'user_login', user_id: 'ada', system: 'payments' });

t.test('what was sent is answered where the certificate is trusted', async (t) => {
  const service = await startServiceProcess(redis, { NODE_EXTRA_CA_CERTS: redis.certificate });
  t.teardown(() => service.kill());
  const stored = await fetch(`${service.base}/api/v1/events`, { method: 'POST', headers, body });
  t.equal(stored.status, 201);
  const path = '/api/v1/compliance/distinct/users?system=payments&window=1d';
  const answer = await fetch(service.base + path);
  t.match(await answer.json(), { count: 1 });
});

t.test('the service is not ready where the certificate is not trusted', async (t) => {
  const service = await launchServiceProcess(redis);
  t.teardown(() => service.kill());
  const ready = await fetch(`${service.base}/readyz?verbose`);
  t.equal(ready.status, 503);
  const stored = await fetch(`${service.base}/api/v1/events`, { method: 'POST', headers, body });
  t.equal(stored.status, 503, 'and takes no events');
});
