/**
 * From bytes to batches: a stream is cut into its lines as it arrives, and consecutive lines become batches.
 *
 * Bytes are never decoded or changed: a line keeps its end, whatever its encoding; only the last one gets one if it
 * has none. Blank lines have a number but are no rows; what is blank must be the same here as in the service, or its row indexes would
 * point to the wrong lines: what `trim` leaves empty. The bytes of a line too long to be sent are passed over
 * without being kept, so memory stays bounded whatever is fed in.
 */
import { createHash } from 'node:crypto';

const NEWLINE = 0x0a;
const lineEnd = Buffer.from([NEWLINE]);
const LAST_BLANK_OF_ASCII = 0x20;
const FIRST_BEYOND_ASCII = 0x80;

/** A row longer than this is refused here, as the service would refuse it, without being sent. */
const rowBytesMax = 16 * 1024 ** 2;

/** Part of every idempotency key: with another one, files that were imported before are not recognised any more. */
export const batchLinesMax = 1_000;
const batchBytesMax = 4 * 1024 ** 2;

export interface Line {
  /** Its number, from 1. */
  line: number;
  /** With its line end; null where it is too long to be a row. */
  bytes: Buffer | null;
  /** The last one of an input, whose line end is not in there: it may be still being written. */
  isOpen?: true;
}

export interface Batch {
  /** Those that are not blank. */
  lines: Line[];
  /** Number of its last line. */
  lastLine: number;
}

/** The digest (SHA-256, hex) of lines so far. Blank ones do not count, nor what a line too long holds. */
export function createLinesHash() {
  const hash = createHash('sha256');
  return {
    add({ bytes }: Line): void {
      hash.update(bytes ?? '\0');
    },
    digest: () => hash.copy().digest('hex'),
  };
}

function isBlank(line: Buffer): boolean {
  const first = line[0] ?? NEWLINE;
  if (first > LAST_BLANK_OF_ASCII && first < FIRST_BEYOND_ASCII) return false;
  return line.toString().trim() === '';
}

/** Cuts the pieces of a stream, from its first byte, into lines: for each piece those that end in it. */
export async function* readLines(pieces: AsyncIterable<Buffer>): AsyncGenerator<Line[]> {
  let line = 0;
  let begun: Buffer[] = [];
  let begunBytes = 0;

  function begin(start: Buffer): void {
    begunBytes += start.length;
    if (begunBytes > rowBytesMax) begun = [];
    else if (start.length > 0) begun.push(start);
  }

  /** Ends the begun line with its last bytes. */
  function* end(rest: Buffer): Generator<Line> {
    line++;
    const bytes = begun.length > 0 ? Buffer.concat([...begun, rest]) : rest;
    if (begunBytes + rest.length > rowBytesMax + 1) yield { line, bytes: null };
    else if (!isBlank(bytes)) yield { line, bytes };
    begun = [];
    begunBytes = 0;
  }

  for await (const piece of pieces) {
    const lines: Line[] = [];
    let from = 0;
    for (let at = piece.indexOf(NEWLINE); at >= 0; at = piece.indexOf(NEWLINE, from)) {
      lines.push(...end(piece.subarray(from, at + 1)));
      from = at + 1;
    }
    begin(piece.subarray(from));
    yield lines;
  }
  // At the end of the stream the begun line is a line. It gets the end that it lacks, so that it is the same with and without.
  if (begunBytes > 0) yield [...end(lineEnd)].map((line) => ({ ...line, isOpen: true }));
}

/**
 * Gathers lines into batches. Where one ends depends on the bytes of the input alone, from its start: after
 * `batchLinesMax` lines, or before the line with which it would have more than `batchBytesMax` bytes. So every import of
 * the same bytes has the same batches. Where reading fails, the lines read until then are still a batch, and the error
 * comes after it.
 */
export async function* cutBatches(source: AsyncIterable<Line[]>): AsyncGenerator<Batch> {
  let batch: Batch = { lines: [], lastLine: 0 };
  let bytes = 0;
  const isFull = (next: number) =>
    batch.lines.length >= batchLinesMax || (bytes > 0 && bytes + next > batchBytesMax);
  let failure: unknown;
  try {
    for await (const lines of source) {
      for (const line of lines) {
        const length = line.bytes?.length ?? 0;
        if (isFull(length)) {
          yield batch;
          batch = { lines: [], lastLine: 0 };
          bytes = 0;
        }
        batch.lines.push(line);
        batch.lastLine = line.line;
        bytes += length;
      }
    }
  } catch (error) {
    failure = error;
  }
  if (batch.lines.length > 0) yield batch;
  if (failure) throw failure;
}
