/**
 * A front of the service, as a balancer is one: forwards what it gets, and does what a test asks to some of
 * the requests, those for administration apart. What a sender makes of a bad day can only be seen with one that comes at the right moment.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import type { Test } from 'tap';

export type Action =
  | 'forward'
  /** Never answered, never forwarded. */
  | 'hold'
  /** Forwarded, and the answer lost with the connection. */
  | 'lose'
  /** Forwarded, and never answered. */
  | 'mute'
  /** Answered by the front. */
  | { status: number; headers?: Record<string, string>; body?: object };

export interface Front {
  base: string;
  /** Bodies in the order of their arrival. */
  bodies: Buffer[];
}

/**
 * Starts a front.
 * @param target where the service is, asked for every request
 * @param decide says what becomes of a request; the first is number 1
 */
export async function startFront(
  test: Test,
  target: string | (() => string),
  decide: (number: number) => Action,
): Promise<Front> {
  const bodies: Buffer[] = [];

  async function forward(request: IncomingMessage, body: Buffer) {
    const headers = new Headers({ 'content-type': request.headers['content-type'] ?? '' });
    for (const name of ['idempotency-key', 'authorization']) {
      const value = request.headers[name];
      if (typeof value === 'string') headers.set(name, value);
    }
    const address = typeof target === 'string' ? target : target();
    const answer = await fetch(`${address}${request.url}`, { method: request.method, headers, body });
    const own: Record<string, string> = {};
    for (const name of ['content-type', 'idempotency-replayed']) {
      const value = answer.headers.get(name);
      if (value !== null) own[name] = value;
    }
    return { status: answer.status, headers: own, text: await answer.text() };
  }

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await buffer(request);
    if (request.url?.startsWith('/api/v1/admin/')) {
      const { status, headers, text } = await forward(request, body);
      response.writeHead(status, headers).end(text);
      return;
    }
    const action = decide(bodies.push(body));
    if (action === 'hold') return;
    if (typeof action === 'object') {
      response.writeHead(action.status, action.headers).end(JSON.stringify(action.body ?? {}));
      return;
    }
    const { status, headers, text } = await forward(request, body);
    if (action === 'mute') return;
    if (action === 'lose') response.destroy();
    else response.writeHead(status, headers).end(text);
  }

  const server = createServer((request, response) => {
    serve(request, response).catch(() => response.destroy());
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  test.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return { base: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, bodies };
}
