/**
 * Compressed bodies both ways: gzip, br and deflate in (their limits count decompressed bytes), br and gzip out.
 * Names of encodings mean the same in any case (RFC 9110, 8.4.1), which the plugin does not know.
 */
import compress from '@fastify/compress';
import type { FastifyInstance } from 'fastify';
import fp from 'fastify-plugin';

const THRESHOLD_BYTES = 1_024;

export default fp(
  async (app: FastifyInstance) => {
    app.addHook('onRequest', (request, _reply, done) => {
      const encoding = request.headers['content-encoding'];
      if (encoding !== undefined) request.headers['content-encoding'] = encoding.trim().toLowerCase();
      done();
    });
    await app.register(compress, {
      threshold: THRESHOLD_BYTES,
      encodings: ['br', 'gzip'],
      requestEncodings: ['gzip', 'br', 'deflate', 'identity'],
    });
  },
  { name: 'compression' },
);
