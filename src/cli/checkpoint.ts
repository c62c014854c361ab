/**
 * Checkpoints: how far the import of an input has come, so that it can go on there after a break.
 *
 * What is noted is the acknowledged prefix: the number of the line up to which every row is dealt with, and
 * the digest of those rows. It grows batch by batch in the order of the file and is noted after each, so a
 * break at any moment leaves a note that is true. Who goes on reads the prefix again and compares: a file that
 * has grown, was moved back or fetched anew is known again, one that has changed is not. Names and times would
 * tell less.
 *
 * Beside it stand what makes the keys of the batches, an id of the import and the rows of a batch: what was under way at
 * the break is cut and sent again under the same keys, so that the service counts it once (docs/idempotency.md).
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

/** What holds for one import from its first line to its last, over every break. */
interface ImportTerms {
  /** Nobody else's. */
  id: string;
  /** In a batch. */
  batchRowsMax: number;
}

interface Note extends ImportTerms {
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
    const { line, digest, id, batchRowsMax } = JSON.parse(text);
    const isSound = Number.isSafeInteger(line) && Number.isSafeInteger(batchRowsMax) && batchRowsMax > 0;
    if (!isSound || typeof digest !== 'string' || typeof id !== 'string') return undefined;
    return { line, digest, id, batchRowsMax };
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

interface Opening extends ImportTerms {
  /** Begin at the first row whatever was noted. */
  restart: boolean;
}

/**
 * Finds out where to begin. `id` and `batchRowsMax` are for an import that begins.
 * @throws Failure where no note can be kept or the one there is damaged
 */
export async function openPrefix(name: string, note: ReturnType<typeof createNote>, opening: Opening) {
  const noted = opening.restart ? undefined : await note.load();
  const { id, batchRowsMax } = noted ?? opening;
  const start = noted?.line ?? 0;
  const hash = createHash('sha256');
  const digest = () => hash.copy().digest('hex');
  let end = start;
  // Before anything is sent, so that a folder which cannot be written ends the import here.
  if (!noted) await note.save({ line: 0, digest: digest(), id, batchRowsMax });

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
    /** In a batch of this import. */
    batchRowsMax,

    /** The idempotency key of a batch: of this import, its place and what it holds. */
    keyOf({ rows, lastLine }: Batch): string {
      const place = createHash('sha256').update(`${id}\0${rows[0]?.line ?? lastLine}\0`);
      return place.update(bodyOf(rows)).digest('base64url');
    },

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

    /** Adds the batch that follows. */
    async advance({ rows, lastLine }: Batch): Promise<void> {
      hash.update(bodyOf(rows));
      end = lastLine;
      await note.save({ line: end, digest: digest(), id, batchRowsMax });
    },
  };
}
