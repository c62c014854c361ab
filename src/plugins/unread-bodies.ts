/**
 * Unread bodies: what is answered before its body was read, since it is refused, has a body that still comes. It must be
 * taken from the connection, or the sender would not get to see the answer (RFC 9112, 9.6). Node does so by copying each
 * piece of it into a buffer that nobody looks at; under a flood of refusals these buffers keep the garbage collector
 * busier than all the rest. So the parser is told not to pass the body on, and drops it where it lies.
 *
 * There is no public way to say so. A parser of Node's calls the functions that stand under its numbers, and passes over
 * a number under which none stands: the one for bodies is taken away, and put back before the next request on the
 * connection, or at the end of the connection, whose parser then goes to another one, maybe of a client in this process.
 * A parser that has no such function goes on as Node has it.
 */
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';
import fp from 'fastify-plugin';

/** What is called is under numbers. Source: lib/_http_common.js of Node. */
type Parser = Record<number, unknown>;

const CALLBACKS = 8;
const ON_BODY = 'parserOnBody';

/** Parsers that drop, and how they would go on. */
const dropping = new WeakMap<Parser, () => void>();

const parserOf = (socket: Socket) => (socket as { parser?: Parser | null }).parser;

/** Has what comes of a request's body dropped, where nobody has begun to read it. */
export function dropUnreadBody(raw: IncomingMessage): void {
  const { headers, socket } = raw;
  const hasBody = headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined;
  if (!hasBody || raw.complete || raw.readableFlowing !== null) return;
  const parser = parserOf(socket);
  if (!parser || dropping.has(parser)) return;
  for (let place = 0; place < CALLBACKS; place++) {
    const callback = parser[place];
    if (typeof callback !== 'function' || callback.name !== ON_BODY) continue;
    const goOn = () => {
      parser[place] = callback;
      dropping.delete(parser);
      socket.removeListener('close', goOn);
    };
    parser[place] = undefined;
    dropping.set(parser, goOn);
    socket.once('close', goOn);
  }
}

export default fp(
  async (app: FastifyInstance) => {
    // The first hook of all, so that it runs while the headers are being parsed, before any of the body is.
    app.addHook('onRequest', ({ raw }, _reply, done) => {
      const parser = parserOf(raw.socket);
      if (parser) dropping.get(parser)?.();
      done();
    });
  },
  { name: 'unread-bodies' },
);
