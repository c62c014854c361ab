/**
 * Bounds of connections that the framework has no option for: how many there are, and how many header fields a request
 * has. Node by itself reads the first two thousand fields and passes over the rest without a word, so a key or a length
 * could be among those; here one too many is refused. Bytes of headers are bounded by Node (16 KiB, the address included).
 *
 * Connections are counted here and not by Node's `maxConnections`: where workers share a port, a worker that is full by
 * that bound hands the connection back, and it would go round among them for as long as all are full.
 */
import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';
import fp from 'fastify-plugin';
import { Problem } from '../errors.js';
import type { Metrics } from '../metrics.js';

const HEADER_FIELDS_MAX = 100;

interface ConnectionBoundsOptions {
  connectionsMax: number;
  metrics: Metrics;
}

export default fp(
  async (app: FastifyInstance, { connectionsMax, metrics }: ConnectionBoundsOptions) => {
    const server = app.server as Server;
    let open = 0;
    server.prependListener('connection', (socket: Socket) => {
      if (open >= connectionsMax) {
        metrics.connectionsRefused.inc();
        socket.destroy();
        return;
      }
      open++;
      socket.once('close', () => {
        open--;
      });
    });
    server.maxHeadersCount = HEADER_FIELDS_MAX + 1;
    app.addHook('onRequest', ({ raw }, _reply, done) => {
      if (raw.rawHeaders.length <= 2 * HEADER_FIELDS_MAX) return done();
      done(new Problem('headers_too_large', `a request has at most ${HEADER_FIELDS_MAX} header fields`));
    });
  },
  { name: 'connection-bounds' },
);
