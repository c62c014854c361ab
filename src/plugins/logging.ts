/**
 * Request log: one line for what failed on our side, at `debug` one for every request. A 503 is no failure of the
 * request, and there may be thousands a second: what is behind it is told elsewhere. A line names the
 * pattern of the route and the request id, never the path or the query, which may carry an id.
 */
import type { FastifyInstance } from 'fastify';
import fp from 'fastify-plugin';

export default fp(
  async (app: FastifyInstance) => {
    const everyRequest = ['debug', 'trace'].includes(app.log.level);
    // Hooks that every request passes call back: a promise each would be the dearest part of them.
    app.addHook('onRequest', (request, reply, done) => {
      reply.header('x-request-id', request.id);
      done();
    });
    app.addHook('onResponse', (request, reply, done) => {
      const failed = reply.statusCode >= 500 && reply.statusCode !== 503;
      if (!failed && !everyRequest) return done();
      const { id: requestId, traceId, method, routeOptions } = request;
      const ms = Math.round(reply.elapsedTime * 1_000) / 1_000;
      request.log[failed ? 'warn' : 'debug'](
        { requestId, traceId, method, route: routeOptions.url, status: reply.statusCode, ms },
        'request',
      );
      done();
    });
  },
  { name: 'logging' },
);
