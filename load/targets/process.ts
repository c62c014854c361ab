/** Processes that a scenario starts: Node's with the options of `npm start`, gone at the latest when the bench ends. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const TRIES_MAX = 200;
const TRY_EVERY_MS = 50;

/** Options of node that `npm start` gives the service; baselines get them too. */
function nodeOptions(): string[] {
  const file = new URL('../../../package.json', import.meta.url);
  const { scripts } = JSON.parse(readFileSync(file, 'utf8')) as { scripts: { start: string } };
  return scripts.start.match(/--\S+/g) ?? [];
}

/** @param script relative to this file, as built */
export function startNode(script: string, args: readonly string[], env: Record<string, string> = {}) {
  const file = fileURLToPath(new URL(script, import.meta.url));
  const child: ChildProcess = spawn(process.execPath, [...nodeOptions(), file, ...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const killNow = () => child.kill('SIGKILL');
  process.once('exit', killNow);
  const exited = once(child, 'exit').then(() => process.removeListener('exit', killNow));

  async function end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    child.kill(signal);
    await exited;
  }
  return { child, exited, stop: () => end('SIGTERM'), kill: () => end('SIGKILL') };
}

/** Resolves when an address answers. @throws where it does not in 10 s, or the process ended */
async function untilAnswers(url: string, child: ChildProcess): Promise<void> {
  for (let tries = 0; tries < TRIES_MAX && child.exitCode === null; tries++) {
    const answer = await fetch(url).catch(() => undefined);
    if (answer && answer.status < 500) return;
    await new Promise((resolve) => setTimeout(resolve, TRY_EVERY_MS));
  }
  throw new Error(`${url} does not answer`);
}

/** Starts what listens, and waits until it answers at an address. @throws where it does not; then it is gone */
export async function startListening(url: string, ...how: Parameters<typeof startNode>) {
  const started = startNode(...how);
  try {
    await untilAnswers(url, started.child);
    return started;
  } catch (error) {
    await started.kill();
    throw error;
  }
}
