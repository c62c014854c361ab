/**
 * API documentation, made from the route schemas: `/openapi.json`, `/openapi.yaml` and a page at `/docs`.
 * The page's assets come from this service; it loads nothing from elsewhere.
 */
import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import type { FastifyInstance } from 'fastify';
import fp from 'fastify-plugin';

const description = `Counts, memberships, heavy hitters and percentiles of security and compliance events, kept as
small mergeable sketches in Redis. Every approximate answer carries its error bound, and every answer says how
much of the asked time it covers.`;

export default fp(
  async (app: FastifyInstance) => {
    await app.register(swagger, {
      openapi: {
        openapi: '3.1.0',
        info: {
          title: 'PaperTrail Modern',
          version: '1.0.0',
          description,
          license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
        },
        servers: [{ url: '/' }],
        tags: [
          { name: 'events', description: 'Sending events' },
          { name: 'compliance', description: 'Asking questions' },
          { name: 'operations', description: 'Running the service' },
        ],
      },
    });
    await app.register(swaggerUi, { routePrefix: '/docs', logLevel: 'warn' });
    app.get('/openapi.json', { schema: { hide: true } }, async () => app.swagger());
    app.get('/openapi.yaml', { schema: { hide: true } }, async (_request, reply) => {
      reply.type('application/yaml');
      return app.swagger({ yaml: true });
    });
  },
  { name: 'docs' },
);
