/** Compressed bodies both ways: gzip, br and deflate in (their limits count decompressed bytes), br and gzip out. */
import compress from '@fastify/compress';
import type { FastifyInstance } from 'fastify';
import fp from 'fastify-plugin';

const THRESHOLD_BYTES = 1_024;

export default fp(
  async (app: FastifyInstance) => {
    await app.register(compress, {
      threshold: THRESHOLD_BYTES,
      encodings: ['br', 'gzip'],
      requestEncodings: ['gzip', 'br', 'deflate', 'identity'],
    });
  },
  { name: 'compression' },
);
