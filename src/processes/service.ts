/** The service as a part of a process: the app on its port. */
import type { FastifyInstance } from 'fastify';
import { type AppOptions, buildApp } from '../app.js';
import type { Part } from './life.js';

export function servicePart(options: () => AppOptions): Part {
  let app: FastifyInstance | undefined;
  return {
    async start(isStopping) {
      const given = options();
      const { HOST: host, PORT: port } = given.config;
      app = await buildApp(given);
      if (!isStopping()) await app.listen({ host, port });
    },
    async stop() {
      await app?.close();
    },
  };
}
