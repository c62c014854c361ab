/**
 * Which processes belong to a folder for temporary files, as far as Linux shows them: those that were started with it, or
 * one within, as TMPDIR, and those that work in it. The former is inherited; the latter tells of Redis, which writes its
 * title over its environment. Elsewhere there are none to be seen.
 */
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';

export interface RunningProcess {
  pid: number;
  /** Its program and arguments. */
  command: string;
}

const key = 'TMPDIR=';
const COMMAND_CHARACTERS_MAX = 200;
const POLL_MS = 20;

/** What a file of a process says; '' where it has ended, or belongs to somebody else. */
function read(pid: number, look: (path: string) => string): string {
  try {
    return look(`/proc/${pid}`);
  } catch {
    return '';
  }
}

/** Processes of a folder, this one apart. @param folder its real path */
export function processesOf(folder: string): RunningProcess[] {
  if (!existsSync('/proc/self')) return [];
  const isWithin = (path: string) => path === folder || path.startsWith(`${folder}/`);
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.map(Number).flatMap((pid) => {
    if (pid === process.pid) return [];
    const environment = read(pid, (path) => readFileSync(`${path}/environ`, 'utf8'));
    const isStartedWith = environment
      .split('\0')
      .some((entry) => entry.startsWith(key) && isWithin(entry.slice(key.length)));
    if (!isStartedWith && !isWithin(read(pid, (path) => readlinkSync(`${path}/cwd`)))) return [];
    const command = read(pid, (path) => readFileSync(`${path}/cmdline`, 'utf8'));
    return [{ pid, command: command.replaceAll('\0', ' ').trim().slice(0, COMMAND_CHARACTERS_MAX) }];
  });
}

/** Waits until no process of a folder is left, or for so long. @returns those that are */
export async function untilNoneOf(folder: string, ms: number): Promise<RunningProcess[]> {
  const signal = AbortSignal.timeout(ms);
  let left = processesOf(folder);
  while (left.length > 0 && !signal.aborted) {
    await pause(POLL_MS);
    left = processesOf(folder);
  }
  return left;
}

/** Kills all processes of a folder, those that they start meanwhile too. */
export async function killAllOf(folder: string): Promise<void> {
  for (let left = processesOf(folder); left.length > 0; left = await untilNoneOf(folder, POLL_MS)) {
    for (const { pid } of left) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It has ended by itself.
      }
    }
  }
}
