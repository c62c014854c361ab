/**
 * From lines to request bodies: consecutive rows with their bytes as they are, as many as fit. Blank lines are
 * left out, so the row that the service calls `index` is entry `index` of the batch.
 */
import { createLineSplitter, type Line, type Position } from './lines.js';

/** A row longer than this is refused here, as the service would refuse it, without being sent. */
export const lineBytesMax = 16 * 1024 ** 2;
const bodyBytesMax = 8 * 1024 ** 2;

export interface Batch {
  body: Buffer;
  rows: BatchRow[];
  /** Numbers of the lines too long to be sent. */
  tooLong: number[];
  /** The place in the stream after it. */
  end: Position;
}

interface BatchRow {
  /** Where it ends in the body, and in the stream. */
  bodyEnd: number;
  end: Position;
}

interface BatchLimits {
  rowsMax: number;
  /** Rows up to here are passed over. */
  start: Position;
  /** Told the bytes of every row that is passed over. */
  onSkipped: (bytes: Buffer) => void;
}

function createBatchBuilder(rowsMax: number) {
  let pieces: Buffer[] = [];
  let bytes = 0;
  let rows: BatchRow[] = [];
  let tooLong: number[] = [];
  let end: Position | undefined;

  function* take(): Generator<Batch> {
    if (end) yield { body: Buffer.concat(pieces, bytes), rows, tooLong, end };
    pieces = [];
    bytes = 0;
    rows = [];
    tooLong = [];
    end = undefined;
  }

  return {
    take,
    /** Adds a line; where it does not fit, what was there before is a batch. */
    *add(line: Line): Generator<Batch> {
      const length = line.bytes?.length ?? 0;
      if (bytes > 0 && bytes + length > bodyBytesMax) yield* take();
      if (line.bytes) {
        pieces.push(line.bytes);
        bytes += length;
        rows.push({ bodyEnd: bytes, end: line.end });
      } else {
        tooLong.push(line.end.line);
      }
      end = line.end;
      if (rows.length + tooLong.length >= rowsMax) yield* take();
    },
  };
}

/**
 * Cuts a stream that begins at its first byte into batches of at most `rowsMax` rows and about 8 MiB. Where
 * reading fails, the whole lines read until then are still a batch, and the error comes after it.
 */
export async function* cutBatches(pieces: AsyncIterable<Buffer>, limits: BatchLimits): AsyncGenerator<Batch> {
  const { rowsMax, start, onSkipped } = limits;
  const splitter = createLineSplitter(lineBytesMax);
  const builder = createBatchBuilder(rowsMax);

  function* addAll(lines: Line[]): Generator<Batch> {
    for (const line of lines) {
      if (line.end.offset > start.offset) yield* builder.add(line);
      else if (line.bytes) onSkipped(line.bytes);
    }
  }

  let failure: unknown;
  try {
    for await (const piece of pieces) yield* addAll(splitter.split(piece));
    yield* addAll(splitter.finish());
  } catch (error) {
    failure = error;
  }
  yield* builder.take();
  if (failure) throw failure;
}
