/** What an answer says of a large NDJSON body of which only the first rows could be stored. */
import { request } from 'node:http';
import { text } from 'node:stream/consumers';
import t from 'tap';
import { startApp } from '../support/app.js';
import { type BatchAnswer, event } from '../support/http.js';
import { until } from '../support/until.js';

t.test('a body that fails after some chunks is answered with the account of those', async (t) => {
  const { base, redis, stop } = await startApp({ config: { BATCH_EVENTS_MAX: 10 } });
  t.teardown(stop);
  const rows = (count: number) => `${JSON.stringify(event())}\n`.repeat(count);
  const sending = request(`${base}/api/v1/events/batch`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-ndjson' },
  });
  const answered = new Promise<BatchAnswer & { status: number }>((resolve, reject) => {
    sending.once('error', reject);
    sending.once('response', (response) => {
      text(response).then((body) => resolve(JSON.parse(body)), reject);
    });
  });
  sending.write(`nonsense\n${rows(19)}`);
  await until(async () => {
    const answer = await fetch(`${base}/api/v1/compliance/top/event_types?system=crm`);
    const { items } = (await answer.json()) as { items: { count: number }[] };
    return items[0]?.count === 19;
  }, 'the first two chunks to be stored');
  redis.process.kill('SIGKILL');
  await until(async () => !(await fetch(`${base}/readyz`)).ok, 'the service to notice');
  sending.end(rows(15));
  t.match(await answered, {
    status: 503,
    committed_rows: 20,
    accepted: 19,
    rejected: 1,
    errors: [{ index: 0, code: 'line_malformed' }],
  });
});
