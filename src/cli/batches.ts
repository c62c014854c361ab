/**
 * From bytes to request bodies: a stream is cut into its rows as it arrives, and consecutive rows become
 * batches.
 *
 * Bytes are never decoded or changed: a row keeps its line end, whatever its encoding. Blank lines have a
 * number but are no rows; what is blank must be the same here as in the service, or its row indexes would
 * point to the wrong lines: what `trim` leaves empty. The bytes of a line too long to be sent are passed over
 * without being kept, so memory stays bounded whatever is fed in.
 */
const NEWLINE = 0x0a;
const LAST_BLANK_OF_ASCII = 0x20;
const FIRST_BEYOND_ASCII = 0x80;

/** A row longer than this is refused here, as the service would refuse it, without being sent. */
const rowBytesMax = 16 * 1024 ** 2;
const bodyBytesMax = 8 * 1024 ** 2;

export interface Row {
  /** Number of its line, from 1. */
  line: number;
  /** With its line end. */
  bytes: Buffer;
}

/** A line that is too long to be a row. */
interface LongLine {
  line: number;
  bytes: null;
}

export interface Batch {
  rows: Row[];
  /** Numbers of the lines too long to be sent. */
  tooLong: number[];
  /** Number of its last line. */
  lastLine: number;
}

/** The body that some rows make. */
export const bodyOf = (rows: readonly Row[]): Buffer => Buffer.concat(rows.map(({ bytes }) => bytes));

function isBlank(line: Buffer): boolean {
  const first = line[0] ?? NEWLINE;
  if (first > LAST_BLANK_OF_ASCII && first < FIRST_BEYOND_ASCII) return false;
  return line.toString().trim() === '';
}

/** Cuts the pieces of a stream, from its first byte, into rows: for each piece those that end in it. */
export async function* readRows(pieces: AsyncIterable<Buffer>): AsyncGenerator<(Row | LongLine)[]> {
  let line = 0;
  let begun: Buffer[] = [];
  let begunBytes = 0;

  function begin(start: Buffer): void {
    begunBytes += start.length;
    if (begunBytes > rowBytesMax) begun = [];
    else if (start.length > 0) begun.push(start);
  }

  /** Ends the begun line with its last bytes. */
  function* end(rest: Buffer): Generator<Row | LongLine> {
    line++;
    const bytes = begun.length > 0 ? Buffer.concat([...begun, rest]) : rest;
    if (begunBytes + rest.length > rowBytesMax + 1) yield { line, bytes: null };
    else if (!isBlank(bytes)) yield { line, bytes };
    begun = [];
    begunBytes = 0;
  }

  for await (const piece of pieces) {
    const rows: (Row | LongLine)[] = [];
    let from = 0;
    for (let at = piece.indexOf(NEWLINE); at >= 0; at = piece.indexOf(NEWLINE, from)) {
      rows.push(...end(piece.subarray(from, at + 1)));
      from = at + 1;
    }
    begin(piece.subarray(from));
    yield rows;
  }
  // At the end of the stream the begun line is a line.
  if (begunBytes > 0) yield [...end(Buffer.alloc(0))];
}

/**
 * Gathers rows into batches of at most `rowsMax` rows and about 8 MiB. Where reading fails, the rows read
 * until then are still a batch, and the error comes after it.
 */
export async function* cutBatches(
  source: AsyncIterable<(Row | LongLine)[]>,
  rowsMax: number,
): AsyncGenerator<Batch> {
  let batch: Batch = { rows: [], tooLong: [], lastLine: 0 };
  let bytes = 0;
  const isFull = (next: number) =>
    batch.rows.length + batch.tooLong.length >= rowsMax || (bytes > 0 && bytes + next > bodyBytesMax);
  let failure: unknown;
  try {
    for await (const rows of source) {
      for (const row of rows) {
        const length = row.bytes?.length ?? 0;
        if (isFull(length)) {
          yield batch;
          batch = { rows: [], tooLong: [], lastLine: 0 };
          bytes = 0;
        }
        if (row.bytes) batch.rows.push(row);
        else batch.tooLong.push(row.line);
        batch.lastLine = row.line;
        bytes += length;
      }
    }
  } catch (error) {
    failure = error;
  }
  if (batch.lastLine > 0) yield batch;
  if (failure) throw failure;
}
