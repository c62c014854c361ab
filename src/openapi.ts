/**
 * The API description as a file: what `/openapi.yaml` of a running service answers, without running one. The
 * app is put together and taken apart again; it needs no Redis, since nothing is asked of it, and no setting
 * of this machine shows in the text.
 */
import { pino } from 'pino';
import { buildApp } from './app.js';
import { loadConfig } from './config.js';

/** No socket can ever be there. */
const nowhere = { path: '/dev/null/redis.sock' };

/** The description of the API, OpenAPI 3.1 as YAML. */
export async function openapiYaml(): Promise<string> {
  const app = await buildApp({ config: loadConfig({}), address: nowhere, log: pino({ level: 'silent' }) });
  try {
    await app.ready();
    return app.swagger({ yaml: true });
  } finally {
    await app.close();
  }
}
