/**
 * The prefix of an input that is dealt with, and the parts that come after it.
 *
 * The idempotency key of a part is made of content and place alone: the digest of all lines from the start of the input
 * to the end of the part, and which lines of the part are left out. So the service knows a part again from whatever
 * machine and however often the input is imported, and no part of the same input, or of one that begins differently, has
 * the same key. An import that is to count again has a salt in its keys besides.
 */
import { createHash } from 'node:crypto';
import { type Batch, createLinesHash, type Line } from './batches.js';
import type { ImportTerms, Note, NoteKeeper } from './checkpoint.js';
import { usageFailure } from './exit.js';
import type { Content } from './finished-imports.js';
import { lookAtFirst, type RejectedRow, refusalOf } from './row-checks.js';

/** Begins the text of each key, and changes whenever the rest of it means something else. */
const keyLabel = 'papertrail import, form 1';

export type Row = Line & { bytes: Buffer };

/** What of a batch is to be dealt with. */
export interface Part {
  /** To be sent. */
  rows: Row[];
  /** Not to be sent. */
  refused: RejectedRow[];
  /** Of both; lines too long to be read do not count. */
  bytes: number;
  /** Number of its last line. */
  lastLine: number;
  /** Of all lines up to that one. */
  digest: string;
  /** The idempotency key. */
  key: string;
}

/**
 * Opens the prefix of an input.
 * @param noted where to begin; undefined: at the first line
 * @param terms of an import that begins; one that goes on has those that were noted, but for the API key
 * @throws Failure where no note can be kept
 */
export async function openPrefix(
  name: string,
  note: NoteKeeper,
  noted: Note | undefined,
  terms: ImportTerms,
) {
  const { salt, takesTimeless, beganAt } = noted ?? terms;
  const { identity } = terms;
  const start = noted?.line ?? 0;
  const hash = createLinesHash();
  let isCompared = noted === undefined;
  let end = start;
  let isFirst = true;
  /** What was passed. */
  const passed = { first: '', line: 0 };
  let isRegular = noted === undefined || (noted.isRegular && noted.identity === identity);
  const save = (line: number, digest: string) =>
    note.save({ line, digest, salt, takesTimeless, identity, beganAt, isRegular });
  // Before anything is sent, so that a folder which cannot be written ends the import here.
  if (!noted) await save(0, hash.digest());

  function compare(): void {
    isCompared = true;
    if (hash.digest() === noted?.digest) return;
    const since = `has changed since its import stopped after line ${start}`;
    throw usageFailure(`${name} ${since}; --restart imports it from its first line`);
  }

  /** Goes past a line. @returns why it is refused; 'done': an earlier import has dealt with it */
  function pass(line: Line): RejectedRow | 'done' | undefined {
    if (!isCompared && line.line > start) compare();
    const isDone = line.line <= start;
    const refusal = isDone ? undefined : refusalOf(line, takesTimeless);
    // The rest of a line that is being written will come: it is to be looked at again then.
    if (line.isOpen && refusal?.code === 'line_malformed') return refusal;
    hash.add(line);
    passed.line = line.line;
    if (passed.first === '') passed.first = hash.digest();
    if (!isCompared && line.line === start) compare();
    return isDone ? 'done' : refusal;
  }

  function keyOf(digest: string, leftOut: readonly number[]): string {
    const text = [keyLabel, salt, digest, leftOut.join()].join('\0');
    return createHash('sha256').update(text).digest('base64url');
  }

  return {
    /** Number of the last line that an earlier import has dealt with. */
    start,
    /** Number of the last line dealt with. */
    end: () => end,
    beganAt,
    isRegular: () => isRegular,

    /** The part of the batch that follows; undefined: an earlier import has dealt with it. @throws Failure */
    take({ lines, lastLine }: Batch): Part | undefined {
      const rows: Row[] = [];
      const refused: RejectedRow[] = [];
      const leftOut: number[] = [];
      let bytes = 0;
      for (const [index, line] of lines.entries()) {
        const looks = isFirst ? lookAtFirst(name, line) : undefined;
        isFirst = false;
        const refusal = pass(line);
        if (refusal === undefined) rows.push(line as Row);
        else leftOut.push(index);
        if (refusal !== 'done') bytes += line.bytes?.length ?? 0;
        if (refusal === undefined || refusal === 'done') continue;
        if (looks) refusal.detail += ` It looks like ${looks}.`;
        refused.push(refusal);
      }
      if (lastLine <= start) return undefined;
      if (lines[0] && lines[0].line <= start) isRegular = false;
      const digest = hash.digest();
      return { rows, refused, bytes, lastLine: passed.line, digest, key: keyOf(digest, leftOut) };
    },

    /** To be called at the end of the input. @throws Failure where that comes before the start */
    finish(): void {
      if (!isCompared) compare();
    },

    /** Adds the part that follows. */
    async advance({ lastLine, digest }: Part): Promise<void> {
      end = lastLine;
      await save(end, digest);
    },

    /** The lines that were passed. */
    content: (): Content => ({ ...passed, digest: hash.digest() }),
  };
}
