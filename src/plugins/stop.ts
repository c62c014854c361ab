/**
 * A clean stop: what was accepted is answered, then every connection ends, so that the process can.
 *
 * The server takes no new connection once it closes, but the ones there are stay open as long as their clients
 * keep them alive, and a busy client always does. So from then on a new request on such a connection is
 * answered with 503 and `Connection: close`, and connections that fall idle are closed.
 */
import type { FastifyInstance } from 'fastify';
import fp from 'fastify-plugin';
import { Problem } from '../errors.js';

const IDLE_LOOK_MS = 50;

export default fp(
  async (app: FastifyInstance) => {
    let closing: NodeJS.Timeout | undefined;
    app.addHook('preClose', async () => {
      closing = setInterval(() => app.server.closeIdleConnections(), IDLE_LOOK_MS);
    });
    app.addHook('onClose', async () => clearInterval(closing));
    app.addHook('onRequest', (_request, _reply, done) => {
      done(closing && new Problem('stopping', 'the service is stopping; nothing was stored'));
    });
  },
  { name: 'stop' },
);
