/**
 * One run of the own Redis: from the moment it is spawned until it has exited. `server.ts` decides when
 * there is a next one.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { closeSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';
import { askServer, type LocalConnection, socketName } from './connection.js';
import { pidName } from './leftover.js';
import type { createServerOutput } from './output.js';

const answerMs = 1_000;
const pollMs = 20;
/** A server that answers nothing, not even that it is loading, for so many polls is given up. */
const silentPollsMax = 1_500;
const stopMsMax = 20_000;

export interface Run {
  program: string;
  /** Absolute; becomes the working directory of the server. */
  dataDir: string;
  connection: LocalConnection;
  appendfsync: string;
  /** An open file that holds the lock of the running server; it is closed here and stays open there. */
  lock: number;
  output: ReturnType<typeof createServerOutput>;
}

export type ServerProcess = ReturnType<typeof spawnServer>;

/** Spawns the server; returns at once. */
export function spawnServer({ program, dataDir, connection, appendfsync, lock, output }: Run) {
  const listen =
    'path' in connection
      ? ['--port', '0', '--unixsocket', socketName, '--unixsocketperm', '700']
      : ['--port', `${connection.port}`, '--bind', connection.host];
  const keep = ['--appendonly', 'yes', '--appendfsync', appendfsync, '--save', ''];
  const rest = [
    '--maxmemory-policy',
    'noeviction',
    '--lazyfree-lazy-expire',
    'yes',
    '--daemonize',
    'no',
    '--logfile',
    '',
  ];
  const child = spawn(program, [...listen, ...keep, ...rest, '--pidfile', pidName], {
    cwd: dataDir,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe', lock],
  }) as ChildProcessByStdio<null, Readable, Readable>;
  closeSync(lock);
  output.read(child.stdout);
  output.read(child.stderr);
  let running = true;
  /** Settles with how it ended, once the last line it printed has been read. */
  const exited = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('close', (code, signal) => resolve(signal ?? `exit code ${code}`));
  }).finally(() => {
    running = false;
  });

  return {
    exited,
    /** Sends a signal, if it still runs. */
    signal: (name: NodeJS.Signals): void => void (running && child.kill(name)),

    /**
     * Waits until the server has loaded its data and answers. Loading may take as long as it takes.
     * @throws Error with its last lines where it exits instead, or never answers
     */
    async ready(): Promise<void> {
      for (let silent = 0; running; silent++) {
        const reply = await askServer(connection, answerMs, 'PING').catch((error: Error) => error.message);
        if (reply === 'PONG' && running) return;
        if (String(reply).startsWith('LOADING')) silent = 0;
        if (silent >= silentPollsMax) break;
        await Promise.race([exited, pause(pollMs)]);
      }
      child.kill('SIGKILL');
      throw new Error(
        `The service's own Redis did not start (${await exited}). Its last lines:\n${output.last()}`,
      );
    },

    /** Ends the server, which first writes what it holds to disk, and waits until it is gone. */
    async end(): Promise<void> {
      if (running) child.kill('SIGTERM');
      const gone = await Promise.race([exited, pause(stopMsMax, null, { ref: false })]);
      if (gone === null) child.kill('SIGKILL');
      await exited;
    },
  };
}
