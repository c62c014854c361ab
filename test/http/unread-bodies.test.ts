/**
 * Bodies of refused requests: they are dropped where they lie, and what else comes on the connection is not, nor what
 * another connection brings to the parser that dropped them.
 */
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import t, { type Test } from 'tap';
import { startApp } from '../support/app.js';
import { event, json, post, postRows } from '../support/http.js';
import { until } from '../support/until.js';

const { app, base, stop } = await startApp();
t.teardown(stop);

const stored = JSON.stringify(event());

/** A request as it is written. `announced`: the length it says it has. */
const written = (path: string, body: string, announced = Buffer.byteLength(body)) =>
  `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${announced}\r\n\r\n${body}`;

const refused = (bytes: number) => written('/no/such/path', ' '.repeat(bytes));
const taken = written('/api/v1/events', stored);

async function open(test: Test) {
  const { hostname, port } = new URL(base);
  const socket = connect(Number(port), hostname);
  test.teardown(() => socket.destroy());
  await once(socket, 'connect');
  let heard = '';
  socket.on('data', (part) => {
    heard += part;
  });
  const statuses = () => [...heard.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => Number(status));
  return {
    socket,
    statuses,
    answered: (count: number) => until(() => statuses().length === count, 'answers'),
  };
}

/** How many pieces with content are handed to a request, for each that comes from now on. */
function watchPieces(): number[] {
  const pieces: number[] = [];
  app.server.prependListener('request', (raw: IncomingMessage) => {
    const place = pieces.push(0) - 1;
    const push = raw.push.bind(raw);
    raw.push = (piece: unknown, ...rest) => {
      if (piece !== null) pieces[place]++;
      return push(piece, ...rest);
    };
  });
  return pieces;
}

t.test('of a body that is refused before it is read no piece is copied', async (t) => {
  const pieces = watchPieces();
  const { socket, statuses, answered } = await open(t);
  socket.write(refused(1_000_000));
  await answered(1);
  socket.write(taken);
  await answered(2);
  t.strictSame(statuses(), [404, 201]);
  t.strictSame(pieces, [0, 1]);
});

t.test('requests between refused ones keep their bodies, also where all come at once', async (t) => {
  const { socket, statuses, answered } = await open(t);
  socket.write([refused(10), taken, refused(200_000), refused(0), taken, taken].join(''));
  await answered(6);
  t.strictSame(statuses(), [404, 201, 404, 404, 201, 201]);
});

t.test('a body that comes long after its refusal is not taken for the next request', async (t) => {
  const { socket, statuses, answered } = await open(t);
  socket.write(written('/no/such/path', '', taken.length));
  await answered(1);
  socket.write(taken); // it is the body
  socket.write(taken);
  await answered(2);
  t.strictSame(statuses(), [404, 201]);
});

t.test('a parser whose connection ended in a refused body passes on what the next one brings', async (t) => {
  const connected = once(app.server, 'connection') as Promise<[Socket]>;
  const { socket, answered } = await open(t);
  const [accepted] = await connected;
  socket.write(written('/no/such/path', 'begun', 1_000));
  await answered(1);
  socket.destroy();
  await once(accepted, 'close');
  t.equal((await postRows(base, [event()])).status, 201);
  t.match(await post(base, '{"events":', json), { status: 400, body: { code: 'body_malformed' } });
});
