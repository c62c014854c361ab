/**
 * Headers that keep a browser from making anything else of an answer than what it is (OWASP REST Security Cheat
 * Sheet): no guessing of types, no page that embeds it, nothing that it might load. The page at /docs has a policy
 * of its own. Strict-Transport-Security is for whoever terminates TLS.
 */
import type { FastifyInstance } from 'fastify';
import fp from 'fastify-plugin';

export const securityHeaders = {
  'x-content-type-options': 'nosniff',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
} as const;

export default fp(
  async (app: FastifyInstance) => {
    app.addHook('onRequest', (_request, reply, done) => {
      reply.headers(securityHeaders);
      done();
    });
  },
  { name: 'security-headers' },
);
