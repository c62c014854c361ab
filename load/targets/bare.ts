/** The bare routes: what a Fastify service could do at most. */
import { freePort } from '../../test/support/replication.js';
import { startListening } from './process.js';

async function startBare(script: string, args: readonly string[]) {
  const port = await freePort();
  const base = `http://127.0.0.1:${port}`;
  const { child, stop } = await startListening(base, script, [String(port), ...args]);
  return { base, pid: child.pid, stop };
}

/** Takes events, parses and checks them, and drops them. */
export const startBareIngest = () => startBare('./bare-server.js', []);

/** Sends the headers and body that a file holds. */
export const startBareAnswer = (file: string) => startBare('./bare-answer.js', [file]);
