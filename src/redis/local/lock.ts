/**
 * Locks on a folder that the kernel holds for us: `flock` on an open file.
 *
 * Why not a pid file: a pid means nothing in another container, is given to other programs after a crash, and
 * two processes that both find a stale one cannot agree which of them takes it over. A lock on an open file
 * is taken atomically and vanishes with the last process that has the file open, however that process died.
 * A child that inherits the open file holds the lock too: so a lock also tells whether a Redis still runs.
 *
 * Node has no `flock`. On Linux we let the program of that name lock a file that we opened and share with it
 * (util-linux and busybox both have it); macOS and the BSDs lock in `open` itself.
 */
import { spawnSync } from 'node:child_process';
import { closeSync, constants, openSync } from 'node:fs';

/** From <sys/fcntl.h> of macOS and the BSDs; Node does not export it. */
const O_EXLOCK = 0x20;

/**
 * Tries once to lock a file, which is made where it is missing and never removed.
 * @returns the open file that holds the lock, until it is closed everywhere; or null where another has it
 * @throws Error where this system offers no lock
 */
export function takeLock(file: string): number | null {
  const flags = constants.O_RDWR | constants.O_CREAT;
  return process.platform === 'linux' ? lockByProgram(file, flags) : lockByOpen(file, flags);
}

function lockByProgram(file: string, flags: number): number | null {
  const fd = openSync(file, flags, 0o600);
  const run = spawnSync('flock', ['-n', '3'], { stdio: ['ignore', 'ignore', 'pipe', fd], encoding: 'utf8' });
  if (run.status === 0) return fd;
  closeSync(fd);
  if (run.status === 1) return null;
  const reason = run.error?.message ?? run.stderr.trim();
  throw new Error(`cannot lock ${file} with the program flock (package util-linux): ${reason}`);
}

function lockByOpen(file: string, flags: number): number | null {
  try {
    return openSync(file, flags | O_EXLOCK | constants.O_NONBLOCK, 0o600);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EAGAIN') return null;
    throw error;
  }
}
