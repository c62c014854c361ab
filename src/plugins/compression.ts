/** Compressed answers, br or gzip. Compressed requests are decoded by content-codings.ts. */
import compress from '@fastify/compress';
import type { FastifyInstance } from 'fastify';
import fp from 'fastify-plugin';

const THRESHOLD_BYTES = 1_024;

export default fp(
  async (app: FastifyInstance) => {
    await app.register(compress, {
      threshold: THRESHOLD_BYTES,
      encodings: ['br', 'gzip'],
      globalDecompression: false,
    });
  },
  { name: 'compression' },
);
