/**
 * API documentation: the description (openapi.ts) as `/openapi.json` and `/openapi.yaml`, and a page at `/docs`
 * to read and try it. The page's assets come from this service; it loads nothing from elsewhere.
 */
import swaggerUi from '@fastify/swagger-ui';
import type { FastifyInstance } from 'fastify';
import fp from 'fastify-plugin';

/** The page brings styles of its own inline, and small pictures as data. */
const contentPolicy =
  "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; object-src 'none'; frame-ancestors 'none'; base-uri 'self'";

const answer = (type: string, schema: object) => ({
  200: { description: 'An OpenAPI 3.1 document.', content: { [type]: { schema } } },
});

export default fp(
  async (app: FastifyInstance) => {
    await app.register(swaggerUi, { routePrefix: '/docs', logLevel: 'warn', staticCSP: contentPolicy });
    const schema = { tags: ['operations'], summary: 'This description' };
    app.get(
      '/openapi.json',
      {
        schema: {
          ...schema,
          operationId: 'openapiJson',
          response: answer('application/json', { type: 'object', additionalProperties: true }),
        },
      },
      async () => app.swagger(),
    );
    app.get(
      '/openapi.yaml',
      {
        schema: {
          ...schema,
          operationId: 'openapiYaml',
          response: answer('application/yaml', { type: 'string' }),
        },
      },
      async (_request, reply) => {
        reply.type('application/yaml');
        return app.swagger({ yaml: true });
      },
    );
  },
  { name: 'docs', dependencies: ['openapi'] },
);
