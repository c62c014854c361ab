/** An import and the cache of the service: what was imported is seen at once. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import t from 'tap';
import { startApp } from '../support/app.js';
import { clock, countEvents, countUsers, eventLines, users } from '../support/cli-events.js';
import { commandLine } from '../support/command-line.js';

t.test('answers given before an import are computed anew after it', async (t) => {
  const { base, stop } = await startApp({ clock, config: { QUERY_CACHE: 'on' } });
  t.teardown(stop);
  for (const body of eventLines('crm', 3)) {
    await fetch(`${base}/api/v1/events`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    });
  }
  t.equal(await countUsers(base, 'crm'), 3);
  t.equal(await countEvents(base, 'crm'), 3);
  const { status, stderr } = await commandLine(t, base).run(
    ['import', '-'],
    eventLines('crm', 500).join('\n'),
  );
  t.equal(status, 0, stderr);
  t.equal(await countUsers(base, 'crm'), users);
  t.equal(await countEvents(base, 'crm'), 503);
});

t.test('a service that cannot do that is told of, and the import is done all the same', async (t) => {
  const body = JSON.stringify({ accepted: 1, rejected: 0 });
  const server = createServer((request, response) => {
    request.resume();
    response.writeHead(request.url === '/api/v1/events/batch' ? 201 : 404).end(body);
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  t.teardown(() => server.close());
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const { status, stdout, stderr } = await commandLine(t, base).run(
    ['import', '-'],
    eventLines('crm', 1).join(''),
  );
  t.equal(status, 0);
  t.match(stdout, /accepted +1/);
  t.match(stderr, /^papertrail: answers from before the import may still be given for a while: 404/);
});
