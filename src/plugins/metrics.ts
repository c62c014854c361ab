/**
 * Request metrics, and apart from them `GET /metrics` for Prometheus. One observation a request, labelled by the pattern of
 * its route, never by its path. Children of the histogram are kept, since finding them costs more than using
 * them.
 */
import type { FastifyInstance } from 'fastify';
import fp from 'fastify-plugin';
import type { Metrics } from '../metrics.js';

const methods = new Set(['GET', 'HEAD', 'POST']);

export default fp(
  async (app: FastifyInstance, { metrics }: { metrics: Metrics }) => {
    const children = new Map<string, ReturnType<Metrics['requestSeconds']['labels']>>();

    app.addHook('onResponse', (request, reply, done) => {
      const method = methods.has(request.method) ? request.method : 'other';
      const route = request.is404 ? 'none' : (request.routeOptions.url ?? 'none');
      const id = `${method} ${route} ${reply.statusCode}`;
      let child = children.get(id);
      if (!child) {
        child = metrics.requestSeconds.labels(method, route, String(reply.statusCode));
        children.set(id, child);
      }
      child.observe(reply.elapsedTime / 1_000);
      done();
    });
  },
  { name: 'metrics' },
);

/** The metrics of this process, for Prometheus. */
export async function metricsRoute(app: FastifyInstance, { metrics }: { metrics: Metrics }): Promise<void> {
  app.get(
    '/metrics',
    {
      schema: {
        tags: ['operations'],
        operationId: 'metrics',
        summary: 'Prometheus metrics',
        response: {
          200: {
            description: 'The metrics of this process.',
            content: { 'text/plain': { schema: { type: 'string' } } },
          },
        },
      },
    },
    async (_request, reply) => {
      reply.type(metrics.register.contentType);
      return metrics.register.metrics();
    },
  );
}
