/** 405 with `Allow` for the paths that exist under other methods. Register last: it looks at all routes. */
import type { FastifyInstance, HTTPMethods } from 'fastify';
import { Problem } from '../errors.js';

const METHODS: HTTPMethods[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];

/** Collects the routes of an app as they are added; `seal` adds the missing methods of each path. */
export function collectMethods(app: FastifyInstance) {
  const methodsByUrl = new Map<string, Set<string>>();
  app.addHook('onRoute', ({ url, method }) => {
    if (url.startsWith('/docs')) return; // the page's own routes, with wildcards among them
    const methods = methodsByUrl.get(url) ?? new Set();
    for (const name of [method].flat()) methods.add(name);
    methodsByUrl.set(url, methods);
  });
  return {
    seal(): void {
      for (const [url, methods] of [...methodsByUrl]) {
        const missing = METHODS.filter((method) => !methods.has(method));
        const allow = [...methods].sort().join(', ');
        app.route({
          method: missing,
          url,
          schema: { hide: true },
          config: { access: 'open' },
          // Before the body is read: it does not matter what it holds.
          onRequest: async (_request, reply) => {
            reply.header('allow', allow);
            throw new Problem('method_not_allowed', `this path offers ${allow}`);
          },
          handler: async () => undefined,
        });
      }
    },
  };
}
