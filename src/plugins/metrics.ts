/**
 * Request metrics, and apart from them `GET /metrics` for Prometheus. One observation a request, labelled by the pattern of
 * its route, never by its path. Children of the histogram are kept, since finding them costs more than using
 * them.
 */
import type { FastifyInstance } from 'fastify';
import fp from 'fastify-plugin';
import type { Metrics } from '../metrics.js';

const methods = new Set(['GET', 'HEAD', 'POST', 'DELETE']);

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

interface MetricsRouteOptions {
  contentType: string;
  /** The metrics as text; of all processes that share the port, where there are several. */
  scrape: () => Promise<string>;
}

/** The metrics of the service, for Prometheus. */
export async function metricsRoute(
  app: FastifyInstance,
  { contentType, scrape }: MetricsRouteOptions,
): Promise<void> {
  app.get(
    '/metrics',
    {
      schema: {
        tags: ['operations'],
        operationId: 'metrics',
        summary: 'Prometheus metrics',
        response: {
          200: {
            description: 'The metrics of the service, all its workers together.',
            content: { 'text/plain': { schema: { type: 'string' } } },
          },
        },
      },
    },
    async (_request, reply) => {
      reply.type(contentType);
      return scrape();
    },
  );
}
