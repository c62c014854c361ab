/**
 * Checkpoints: how far the import of an input has come, so that it can go on there after a break.
 *
 * What is noted is the acknowledged prefix: the number of the line up to which every row is dealt with, and
 * the digest of those lines. It grows batch by batch in the order of the file and is noted after each, so a
 * break at any moment leaves a note that is true. Who goes on reads the prefix again and compares (prefix.ts): a file that
 * has grown, was moved back or fetched anew is known again, one that has changed is not. Names and times would
 * tell less.
 *
 * Beside it stands what else the keys of the batches depend on, which must not change on the way.
 *
 * A note belongs to the absolute path and the service's address. It is kept in the user's state folder, since
 * the folder of the data may be read-only, and replaced by renaming, so a break never leaves half a note.
 * Inputs that cannot be read anew (standard input, pipes) have a prefix too, but nowhere to note it.
 */
import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';
import { type Failure, usageFailure } from './exit.js';
import type { Input } from './input.js';

/** What holds for one import from its first line to its last, over every break. */
export interface ImportTerms {
  /** Tells the keys of its batches from those of other imports of the same bytes; '' unless asked for (`--again`). */
  salt: string;
  /** Whether rows without a time are sent. */
  takesTimeless: boolean;
  /** Tells API keys apart: the service knows a batch again only under the same one. */
  identity: string;
  /** When it began, milliseconds since 1970. */
  beganAt: number;
}

export interface Note extends ImportTerms {
  line: number;
  /** Of the lines up to that one. */
  digest: string;
  /** They were sent as whole batches and under one API key, so another import of them has the same keys. */
  isRegular: boolean;
}

/** Where notes are kept unless told otherwise (XDG Base Directory Specification, which ignores relative paths). */
export function defaultStateDir(stateHome: string | undefined): string {
  const home = stateHome && isAbsolute(stateHome) ? stateHome : join(homedir(), '.local', 'state');
  return join(home, 'papertrail', 'imports');
}

/** The failure that an error of the state folder is. */
export function stateFailure(error: unknown): Failure {
  const { message } = error as Error;
  return usageFailure(`the place of an import cannot be kept: ${message}; choose another with --state-dir`);
}

/** The text of a file of the state folder, undefined where there is none. @throws Failure */
export async function readState(file: string): Promise<string | undefined> {
  return readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw stateFailure(error);
    return undefined;
  });
}

/** Writes a file of the state folder, whole or not at all. @throws Failure */
export async function writeState(file: string, value: object): Promise<void> {
  try {
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    await writeFile(`${file}.new`, JSON.stringify(value), { mode: 0o600 });
    await rename(`${file}.new`, file);
  } catch (error) {
    throw stateFailure(error);
  }
}

function parse(text: string): Note | undefined {
  try {
    const { line, digest, salt, takesTimeless, identity, beganAt, isRegular } = JSON.parse(text);
    const isSound =
      Number.isSafeInteger(line) &&
      typeof digest === 'string' &&
      typeof salt === 'string' &&
      typeof takesTimeless === 'boolean' &&
      typeof identity === 'string' &&
      typeof isRegular === 'boolean' &&
      Number.isFinite(beganAt);
    return isSound ? { line, digest, salt, takesTimeless, identity, beganAt, isRegular } : undefined;
  } catch {
    return undefined;
  }
}

/** The note of one input. Its methods throw a Failure where the folder cannot be used. */
export function createNote({ path }: Input, { stateDir, base }: { stateDir: string; base: string }) {
  const name = createHash('sha256').update(`${base}\0${path}`).digest('hex');
  const file = path === undefined ? undefined : join(stateDir, `${name}.json`);

  return {
    /** What was noted, if anything. @throws Failure where it cannot be understood */
    async load(): Promise<Note | undefined> {
      const text = file && (await readState(file));
      if (text === undefined) return undefined;
      const note = parse(text);
      if (note) return note;
      throw usageFailure(`${file} is damaged or of another version; --restart imports from the start`);
    },
    async save(note: Note): Promise<void> {
      if (file) await writeState(file, { path, base, ...note });
    },
    async remove(): Promise<void> {
      if (!file) return;
      await rm(file, { force: true }).catch((error: Error) => {
        throw stateFailure(error);
      });
    },
  };
}

export type NoteKeeper = ReturnType<typeof createNote>;
