/**
 * Connections, byte by byte: what is slow but goes on is let be, what stands still is ended. Never with a 408, which
 * senders take for final. Time passes here as it does for a client; nothing is awaited but what must come.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import t, { type Test } from 'tap';
import { startApp } from '../support/app.js';
import { event, json, send } from '../support/http.js';
import { until } from '../support/until.js';

const connectionsMax = 40;
const service = await startApp({
  config: { HEADERS_SECONDS_MAX: 1, BODY_IDLE_SECONDS: 1, CONNECTIONS_MAX: connectionsMax },
});
t.teardown(service.stop);
const { hostname, port } = new URL(service.base);
const row = `${JSON.stringify(event())}\n`;
const head = (type: string, length: number) =>
  `POST /api/v1/events/batch HTTP/1.1\r\nHost: x\r\nContent-Type: ${type}\r\nContent-Length: ${length}\r\n\r\n`;

interface Line {
  socket: Socket;
  /** What came back so far. */
  received(): string;
  isClosed(): boolean;
}

async function open(test: Test): Promise<Line> {
  const socket = connect(Number(port), hostname);
  let text = '';
  let closed = false;
  socket.on('data', (chunk) => {
    text += chunk;
  });
  socket.on('error', () => {});
  socket.on('close', () => {
    closed = true;
  });
  test.teardown(() => socket.destroy());
  await once(socket, 'connect');
  return { socket, received: () => text, isClosed: () => closed };
}

/** Writes pieces with some time between, until all are written or the other end has had enough. */
function drip({ socket, isClosed }: Line, pieces: readonly string[], everyMs: number): Promise<void> {
  let next = 0;
  return new Promise((done) => {
    const timer = setInterval(() => {
      if (!isClosed() && next < pieces.length) socket.write(pieces[next++]);
      else {
        clearInterval(timer);
        done();
      }
    }, everyMs);
  });
}

for (const [type, body] of [
  ['application/x-ndjson', row.repeat(30)],
  ['application/json', JSON.stringify(Array(30).fill(event()))],
]) {
  t.test(`${type}: an upload that goes on slowly is taken, however long it takes`, async (t) => {
    const line = await open(t);
    const started = performance.now();
    line.socket.write(head(type, body.length));
    await drip(line, body.match(/.{1,100}/gs) ?? [], 100);
    await until(() => line.received() !== '' || line.isClosed(), 'an answer');
    t.match(line.received(), /^HTTP\/1\.1 201 /);
    t.ok(performance.now() - started > 2_000, 'longer than anything may stand still');
  });

  t.test(`${type}: an upload that stands still is ended without an answer`, async (t) => {
    const line = await open(t);
    line.socket.write(head(type, body.length));
    line.socket.write(body.slice(0, 200));
    await until(line.isClosed, 'the end');
    t.equal(line.received(), '');
  });
}

t.test('headers that trickle in are ended without an answer', async (t) => {
  const line = await open(t);
  line.socket.write('GET /livez HTTP/1.1\r\nHost: x\r\n');
  const fields = Array.from({ length: 60 }, (_, i) => `X-${i}: 1\r\n`);
  await drip(line, fields, 100);
  t.ok(line.isClosed(), 'before all of them were sent');
  t.equal(line.received(), '');
});

t.test('a connection on which nothing is sent is ended', async (t) => {
  const line = await open(t);
  await until(line.isClosed, 'the end');
  t.equal(line.received(), '');
});

t.test('a connection that is kept alive outlives the time that a request may stand still', async (t) => {
  const line = await open(t);
  const ask = async (count: number) => {
    line.socket.write('GET /livez HTTP/1.1\r\nHost: x\r\n\r\n');
    await until(() => line.received().split('HTTP/1.1 200').length > count, 'an answer');
  };
  await ask(1);
  const other = await open(t);
  await until(other.isClosed, 'the end of one that asked nothing');
  await ask(2);
  t.notOk(line.isClosed());
});

t.test('header fields: a hundred are read, one more is refused and none is passed over', async (t) => {
  const headers = (count: number) =>
    Object.fromEntries([['host', 'x'], ...Array.from({ length: count }, (_, i) => [`x-field-${i}`, '1'])]);
  const own = 2; // Host and Connection
  t.equal((await send(service.base, { path: '/livez', headers: headers(100 - own) })).status, 200);
  for (const count of [101 - own, 1_000]) {
    const answer = await send<{ code: string }>(service.base, { path: '/livez', headers: headers(count) });
    t.equal(answer.status, 431);
    t.equal(answer.body.code, 'headers_too_large');
  }
});

t.test('an address and headers of more than 16 KiB are refused', async (t) => {
  for (const message of [
    { path: `/livez?${'a'.repeat(20_000)}` },
    { path: '/livez', headers: { 'x-long': 'a'.repeat(20_000) } },
  ]) {
    const answer = await send<{ code: string }>(service.base, message);
    t.equal(answer.status, 431);
    t.equal(answer.body.code, 'headers_too_large');
  }
});

t.test('bodies of questions are small, and what is wrong with them is told in brief', async (t) => {
  const message = { method: 'POST', path: '/api/v1/compliance/summaries', headers: json };
  const large = await send<{ code: string }>(service.base, {
    ...message,
    body: `[${' '.repeat(2 * 1024 ** 2)}]`,
  });
  t.match(large, { status: 413, body: { code: 'body_too_large' } });
  const fields = Object.fromEntries(Array.from({ length: 50_000 }, (_, i) => [`field${i}`, 1]));
  const body = JSON.stringify({ systems: ['crm'], ...fields });
  const wrong = await send<{ code: string }>(service.base, { ...message, body });
  t.match(wrong, { status: 400, body: { code: 'parameter_invalid' } });
  t.ok(wrong.bytes.length < 64 * 1024, `${wrong.bytes.length} bytes`);
});

t.test('no more connections than CONNECTIONS_MAX are open; one more is closed and counted', async (t) => {
  const lines = await Promise.all(Array.from({ length: connectionsMax + 5 }, () => open(t)));
  await until(() => lines.filter((line) => line.isClosed()).length >= 5, 'the ones too many');
  const { body } = await service.app.inject('/metrics');
  const [, refused] = /^papertrail_connections_refused_total (\d+)$/m.exec(body) ?? [];
  t.ok(Number(refused) >= 5, `${refused} refused`);
});
