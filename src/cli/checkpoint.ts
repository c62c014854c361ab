/**
 * Checkpoints: how far the import of a file has come, so that it can go on there after a break.
 *
 * A note says that the first `line` lines, which are `offset` plain bytes, are acknowledged, and holds the
 * digest of the rows among them. Who goes on reads that prefix again and compares: a file that has grown, was
 * moved back or fetched anew is known again, one that has changed is not. Names and times would tell less.
 *
 * A note belongs to the absolute path and the service's address. It is kept in the user's state folder, since
 * the folder of the data may be read-only, and replaced by renaming, so a break never leaves half a note.
 */
import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { usageFailure } from './exit.js';
import type { Position } from './lines.js';

export interface Checkpoint extends Position {
  /** SHA-256 of the rows before it. */
  digest: string;
}

/** Where notes are kept unless told otherwise (XDG Base Directory Specification, which ignores relative paths). */
export function defaultStateDir(stateHome: string | undefined): string {
  const home = stateHome && isAbsolute(stateHome) ? stateHome : join(homedir(), '.local', 'state');
  return join(home, 'papertrail', 'imports');
}

function parse(text: string): Checkpoint | undefined {
  try {
    const { offset, line, digest } = JSON.parse(text);
    const valid = Number.isSafeInteger(offset) && Number.isSafeInteger(line) && typeof digest === 'string';
    return valid ? { offset, line, digest } : undefined;
  } catch {
    return undefined;
  }
}

/** The note of one file. Its methods throw a Failure where the folder cannot be used. */
export function createCheckpoint(stateDir: string, path: string, base: string) {
  const name = createHash('sha256').update(`${base}\0${path}`).digest('hex');
  const file = join(stateDir, `${name}.json`);

  function refuse(error: unknown): never {
    const { message } = error as Error;
    throw usageFailure(`the place of an import cannot be kept: ${message}; choose another with --state-dir`);
  }

  return {
    /** What was noted, if anything. @throws Failure where it cannot be understood */
    async load(): Promise<Checkpoint | undefined> {
      const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOENT') refuse(error);
      });
      if (text === undefined) return undefined;
      const checkpoint = parse(text);
      if (!checkpoint) throw usageFailure(`${file} is damaged; --restart imports from the start`);
      return checkpoint;
    },
    async save(checkpoint: Checkpoint): Promise<void> {
      try {
        await mkdir(stateDir, { recursive: true, mode: 0o700 });
        await writeFile(`${file}.new`, JSON.stringify({ path, base, ...checkpoint }), { mode: 0o600 });
        await rename(`${file}.new`, file);
      } catch (error) {
        refuse(error);
      }
    },
    async remove(): Promise<void> {
      await rm(file, { force: true }).catch(refuse);
    },
  };
}
