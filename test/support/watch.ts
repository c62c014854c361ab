/**
 * To be imported by what starts processes for a test: they end with the process of the test, however that ends, also by
 * `kill -9`, which no handler of its own survives. A watcher, a process in a session of its own, holds a pipe to it. When
 * that closes, all that was started within the test's own folder for temporary files is killed, and the folder removed.
 *
 * A test that ends by itself should have ended what it started. What it left is noted in the file that `leftoversFile`
 * names, for the end of `npm test` (left-running.ts).
 */
import { spawn } from 'node:child_process';
import { appendFileSync, existsSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { killAllOf, untilNoneOf } from './processes.js';

/** The name of the variable that holds the path of the file for notes. */
export const leftoversFile = 'PAPERTRAIL_TEST_LEFTOVERS';
const program = fileURLToPath(import.meta.url);
/** How long what was told to end may take after the end of its test. */
const ENDING_MS_MAX = 5_000;
/** Is there once the test process has begun to end by itself. */
const endedFile = (folder: string) => join(folder, 'ended');

function startWatcher(): void {
  const parent = realpathSync(tmpdir());
  // A short name: the kernel limits the length of a socket's path.
  const folder = mkdtempSync(join(parent, 'pt-'));
  process.env.TMPDIR = folder;
  const { PATH = '', [leftoversFile]: file = '' } = process.env;
  const watcher = spawn(process.execPath, [program, folder, process.argv[1] ?? ''], {
    cwd: '/',
    env: { PATH, TMPDIR: parent, [leftoversFile]: file },
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  watcher.unref();
  (watcher.stdin as Socket).unref();
  process.once('exit', () => writeFileSync(endedFile(folder), ''));
}

async function watch(folder: string, test: string): Promise<void> {
  for await (const _ of process.stdin);
  if (existsSync(endedFile(folder))) {
    const left = await untilNoneOf(folder, ENDING_MS_MAX);
    const notes = left.map(({ pid, command }) => `${test} left ${command} (${pid})\n`);
    const file = process.env[leftoversFile];
    if (file) appendFileSync(file, notes.join(''));
  }
  await killAllOf(folder);
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
}

if (process.argv[1] === program) await watch(process.argv[2], process.argv[3]);
else startWatcher();
