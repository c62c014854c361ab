/**
 * Finished imports: which files this machine has sent to a service to their end, known by what they hold. The service
 * recognises the batches that it has counted, for as long as it keeps their keys. What it would not recognise is known
 * here: a file that has grown goes on after the lines of before, one from longer ago is passed over, and one that
 * would come under other keys (another API key, other rows left out) is refused instead of being counted twice.
 *
 * A record is a file of the state folder. Its name holds the digest of the first line, the number of the last one and the
 * digest of all: so a file that was never here is read an extra time up to its first line only, and one that was renamed
 * or compressed since is known. Inputs that cannot be read anew are not recorded. Records stay until a longer
 * one of the same file takes their place or they are removed by hand; each has some 300 bytes.
 */
import { createHash } from 'node:crypto';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createLinesHash, readLines } from './batches.js';
import { readState, stateFailure, writeState } from './checkpoint.js';
import { usageFailure } from './exit.js';
import { type Input, readInput } from './input.js';

/** The lines of a file, up to some line. */
export interface Content {
  /** Digest of the first one; '' where there is none. */
  first: string;
  /** Number of the last one. */
  line: number;
  /** Digest of all. */
  digest: string;
}

/** On what it depends whether the service recognises the same lines. */
export interface FinishedTerms {
  takesTimeless: boolean;
  /** Tells API keys apart. */
  identity: string;
  /** When the service first had any of it, milliseconds since 1970. */
  beganAt: number;
  /** It was sent as whole batches and under one API key, so another import of it has the same keys. */
  isRegular: boolean;
}

export interface KnownImport extends Content, FinishedTerms {
  /** The file goes on after those lines. */
  hasGrown: boolean;
}

const firstDigits = 16;

function parse(file: string, text: string): FinishedTerms {
  try {
    const { beganAt, takesTimeless, identity, isRegular } = JSON.parse(text);
    const isSound =
      Number.isFinite(beganAt) &&
      typeof takesTimeless === 'boolean' &&
      typeof identity === 'string' &&
      typeof isRegular === 'boolean';
    if (isSound) return { beganAt, takesTimeless, identity, isRegular };
  } catch {}
  throw usageFailure(`${file}, which tells of an earlier import, is damaged; once removed it is forgotten`);
}

export function createFinishedImports({ stateDir, base }: { stateDir: string; base: string }) {
  const folder = join(stateDir, 'finished');
  const service = createHash('sha256').update(base).digest('hex').slice(0, firstDigits);
  const startOf = (first: string) => `${service}-${first.slice(0, firstDigits)}-`;
  const nameOf = ({ first, line, digest }: Content) => `${startOf(first)}${line}-${digest}.json`;

  async function recordNames(): Promise<string[]> {
    return readdir(folder).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw stateFailure(error);
      return [];
    });
  }

  /** The longest start of an input that one of the records is about. Reads no further than it must. */
  async function longestKnown(names: readonly string[], input: Input, signal: AbortSignal) {
    const hash = createLinesHash();
    let first = '';
    let candidates = new Set<string>();
    let lastLines = new Set<number>();
    let farthest = 0;
    let found: Content | undefined;
    let end = 0;
    for await (const lines of readLines(readInput(input, signal, () => {}))) {
      for (const line of lines) {
        if (first !== '' && line.line > farthest) return found && { ...found, hasGrown: true };
        hash.add(line);
        if (first === '') {
          first = hash.digest();
          candidates = new Set(names.filter((name) => name.startsWith(startOf(first))));
          lastLines = new Set([...candidates].map((name) => Number(name.split('-')[2])));
          farthest = Math.max(0, ...lastLines);
        }
        end = line.line;
        if (!lastLines.has(end)) continue;
        const content = { first, line: end, digest: hash.digest() };
        if (candidates.has(nameOf(content))) found = content;
      }
    }
    return found && { ...found, hasGrown: end > found.line };
  }

  return {
    /** What is known of the lines of a file. @throws Failure where the file or the record cannot be read */
    async find(input: Input, signal: AbortSignal): Promise<KnownImport | undefined> {
      const names = input.path === undefined ? [] : await recordNames();
      if (names.length === 0) return undefined;
      const known = await longestKnown(names, input, signal);
      if (!known) return undefined;
      const file = join(folder, nameOf(known));
      const text = await readState(file);
      return text === undefined ? undefined : { ...known, ...parse(file, text) };
    },

    /** Records a file, in place of what was known of it. @throws Failure */
    async save({ path }: Input, content: Content, terms: FinishedTerms, earlier?: Content): Promise<void> {
      if (path === undefined) return;
      const name = nameOf(content);
      await writeState(join(folder, name), { path, base, ...terms });
      if (earlier && nameOf(earlier) !== name) await rm(join(folder, nameOf(earlier)), { force: true });
    },
  };
}

export type FinishedImports = ReturnType<typeof createFinishedImports>;
