/**
 * `npm start`: prepare, then become the service. The service runs in this very process, so that a signal,
 * also one that cannot be caught, meets the service and not a wrapper around it.
 */
import { ensureProgram, main, prepare, root } from './prepare.mjs';

await main(async () => {
  process.chdir(root);
  prepare();
  if (!process.env.REDIS_URL) {
    await ensureProgram('redis', '; or set REDIS_URL to a Redis that is already running.');
  }
});
await import('../build/src/server.js');
