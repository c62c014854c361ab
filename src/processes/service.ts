/** The service as a part of a process: the app on its port. */
import { setTimeout as pause } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';
import { type AppOptions, buildApp } from '../app.js';
import type { Part } from './life.js';

const READY_LOOK_MS = 10;

/**
 * @param readyMsMax how long to wait before listening until there is Redis. Behind a port that others serve too, requests
 *   come as soon as it is listened on, and nobody asks first whether this process is ready
 */
export function servicePart(options: () => AppOptions, readyMsMax = 0): Part {
  let app: FastifyInstance | undefined;
  return {
    async start(isStopping) {
      const given = options();
      const { HOST: host, PORT: port } = given.config;
      app = await buildApp(given);
      for (let waited = 0; waited < readyMsMax && !app.isReady() && !isStopping(); waited += READY_LOOK_MS)
        await pause(READY_LOOK_MS);
      if (isStopping()) return;
      await app.listen({ host, port }).catch((error: Error) => {
        throw new Error(`HOST and PORT: cannot listen on ${host}:${port}: ${error.message}`, {
          cause: error,
        });
      });
    },
    async stop() {
      await app?.close();
    },
  };
}
