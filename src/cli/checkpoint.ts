/**
 * Checkpoints: how far the import of an input has come, so that it can go on there after a break.
 *
 * What is noted is the acknowledged prefix: the number of the line up to which every row is dealt with, and
 * the digest of those rows. It grows batch by batch in the order of the file and is noted after each, so a
 * break at any moment leaves a note that is true. Who goes on reads the prefix again and compares: a file that
 * has grown, was moved back or fetched anew is known again, one that has changed is not. Names and times would
 * tell less.
 *
 * A note belongs to the absolute path and the service's address. It is kept in the user's state folder, since
 * the folder of the data may be read-only, and replaced by renaming, so a break never leaves half a note.
 * Inputs that cannot be read anew (standard input, pipes) have a prefix too, but nowhere to note it.
 */
import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { type Batch, bodyOf, type readRows } from './batches.js';
import { usageFailure } from './exit.js';
import type { Input } from './input.js';

interface Note {
  line: number;
  /** SHA-256 of the rows up to that line. */
  digest: string;
}

/** Where notes are kept unless told otherwise (XDG Base Directory Specification, which ignores relative paths). */
export function defaultStateDir(stateHome: string | undefined): string {
  const home = stateHome && isAbsolute(stateHome) ? stateHome : join(homedir(), '.local', 'state');
  return join(home, 'papertrail', 'imports');
}

function parse(text: string): Note | undefined {
  try {
    const { line, digest } = JSON.parse(text);
    return Number.isSafeInteger(line) && typeof digest === 'string' ? { line, digest } : undefined;
  } catch {
    return undefined;
  }
}

/** The note of one input. Its methods throw a Failure where the folder cannot be used. */
export function createNote({ path }: Input, { stateDir, base }: { stateDir: string; base: string }) {
  const name = createHash('sha256').update(`${base}\0${path}`).digest('hex');
  const file = path === undefined ? undefined : join(stateDir, `${name}.json`);

  function refuse(error: unknown): never {
    const { message } = error as Error;
    throw usageFailure(`the place of an import cannot be kept: ${message}; choose another with --state-dir`);
  }

  return {
    /** What was noted, if anything. @throws Failure where it cannot be understood */
    async load(): Promise<Note | undefined> {
      if (!file) return undefined;
      const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOENT') refuse(error);
      });
      if (text === undefined) return undefined;
      const note = parse(text);
      if (!note) throw usageFailure(`${file} is damaged; --restart imports from the start`);
      return note;
    },
    async save(note: Note): Promise<void> {
      if (!file) return;
      try {
        await mkdir(stateDir, { recursive: true, mode: 0o700 });
        await writeFile(`${file}.new`, JSON.stringify({ path, base, ...note }), { mode: 0o600 });
        await rename(`${file}.new`, file);
      } catch (error) {
        refuse(error);
      }
    },
    async remove(): Promise<void> {
      if (file) await rm(file, { force: true }).catch(refuse);
    },
  };
}

/**
 * Finds out where to begin.
 * @param restart begin at the first row whatever was noted
 * @throws Failure where no note can be kept or the one there is damaged
 */
export async function openPrefix(name: string, note: ReturnType<typeof createNote>, restart: boolean) {
  const noted = restart ? undefined : await note.load();
  const start = noted?.line ?? 0;
  const hash = createHash('sha256');
  const digest = () => hash.copy().digest('hex');
  let end = start;
  // Before anything is sent, so that a folder which cannot be written ends the import here.
  if (!noted) await note.save({ line: 0, digest: digest() });

  function compare(): void {
    if (digest() === noted?.digest) return;
    const since = `has changed since its import stopped after line ${start}`;
    throw usageFailure(`${name} ${since}; --restart imports it from its first line`);
  }

  return {
    /** Number of the last line that an earlier import has dealt with. */
    start,
    /** Number of the last line dealt with. */
    end: () => end,

    /** Passes over the rows up to `start`. @throws Failure where they are not those of the note */
    async *rest(source: ReturnType<typeof readRows>): ReturnType<typeof readRows> {
      let passing = noted !== undefined;
      for await (const rows of source) {
        if (!passing) {
          yield rows;
          continue;
        }
        const rest = rows.filter(({ line }) => line > start);
        for (const { line, bytes } of rows) if (bytes && line <= start) hash.update(bytes);
        if (rest.length === 0) continue;
        compare();
        passing = false;
        yield rest;
      }
      if (passing) compare();
    },

    /** Adds the batch that follows, or only its first `settled` rows. */
    async advance({ rows, lastLine }: Batch, settled: number): Promise<void> {
      hash.update(bodyOf(rows.slice(0, settled)));
      end = settled === rows.length ? lastLine : (rows[settled - 1]?.line ?? end);
      await note.save({ line: end, digest: digest() });
    },
  };
}
