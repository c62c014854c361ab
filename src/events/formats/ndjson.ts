/**
 * NDJSON bodies: an event a line, blank lines ignored, the last line end optional. The body is cut into
 * chunks of rows as it arrives, so one upload may be of any size while no more than a chunk is in memory;
 * whoever takes the chunks sets the pace, since nothing more is read before the next one is asked for.
 *
 * A line that cannot be parsed becomes a marker in its place, and so does one longer than a whole body may
 * be, whose bytes are passed over without being kept. Empty lines are dropped as they arrive: compressed, a
 * thousand of them are one byte.
 *
 * Where the first line is no JSON the body may be something else altogether. Then the reason of that row says what it looks
 * like; and of what no line is meant as an event, such as a list over several lines whose last element would be a row,
 * nothing is taken.
 *
 * Where a body is cut depends on its bytes and the limits alone, not on the pieces in which they arrive: a second try of
 * a request with an idempotency key is cut as the first was.
 */
import { isUtf8 } from 'node:buffer';
import type { Hash } from 'node:crypto';
import { Problem } from '../../errors.js';
import { withoutMark } from './byte-order-mark.js';
import { foreignLines, headBytes, refuseGzipped } from './foreign.js';
import { isTooDense } from './json.js';
import { foreignLine, malformedLine, nestedMax, oversizedLine } from './rows.js';

const NEWLINE = 0x0a;
const RETURN = 0x0d;
/** Lists and objects in a line of a chunk that holds too many of them, unless the line is long. */
const LINE_NESTED_MAX = 64;

export interface Chunk {
  rows: unknown[];
  /** Bytes of its lines. */
  bytes: number;
  /** Of the body up to the end of the chunk; absent where nobody asked for it. */
  digest?: string;
}

export interface ChunkLimits {
  /** Lines in one chunk. */
  rowsMax: number;
  /** Bytes at which a chunk is closed, and of the longest line. */
  bytesMax: number;
}

/** `dense`: it or the lines around it hold more than they may. */
function parseLine(line: string, dense: boolean): unknown {
  if (dense && isTooDense(Buffer.from(line), Math.max(LINE_NESTED_MAX, line.length / 16))) {
    return malformedLine;
  }
  try {
    return JSON.parse(line);
  } catch {
    // Looked for only here, since hardly any line has one.
    return line.startsWith('\ufeff') ? parseLine(withoutMark(line), dense) : malformedLine;
  }
}

const isBlank = (line: string) => line.trim() === '';

/** The rows of some lines. Decoded in one go where all is UTF-8, else line by line. */
function parseLines(lines: Buffer): unknown[] {
  const rows: unknown[] = [];
  const dense = isTooDense(lines, nestedMax(lines.length));
  if (isUtf8(lines)) {
    for (const line of lines.toString().split('\n')) if (!isBlank(line)) rows.push(parseLine(line, dense));
    return rows;
  }
  for (let from = 0; from < lines.length; ) {
    const newline = lines.indexOf(NEWLINE, from);
    const line = lines.subarray(from, newline < 0 ? lines.length : newline);
    from += line.length + 1;
    if (!isUtf8(line)) rows.push(malformedLine);
    else if (!isBlank(line.toString())) rows.push(parseLine(line.toString(), dense));
  }
  return rows;
}

/**
 * The row in place of a first line that is no JSON.
 * @throws Problem body_malformed where no line can be meant as an event
 */
function readForeign(segments: readonly (Buffer | symbol)[]): symbol {
  let head = Buffer.alloc(0);
  for (const segment of segments) {
    if (head.length >= headBytes || !Buffer.isBuffer(segment)) break;
    head = Buffer.concat([head, segment.subarray(0, headBytes)]);
  }
  refuseGzipped(head);
  const looks = foreignLines(head);
  if (!looks) return malformedLine;
  if (looks.isOpaque)
    throw new Problem('body_malformed', `the body is not NDJSON: it looks like ${looks.name}`);
  return foreignLine(looks.name);
}

/** What has arrived: whole lines in `segments` (a marker for each oversized one), the begun line in `tail`. */
function createChunkBuilder({ rowsMax, bytesMax }: ChunkLimits) {
  let segments: (Buffer | typeof oversizedLine)[] = [];
  let lines = 0;
  let bytes = 0;
  let tail: Buffer[] = [];
  let tailBytes = 0;
  let skipping = false;
  let isFirst = true;

  /** Whether the begun line and its end are an empty line that arrived in two pieces. */
  const isEmptyTail = (rest: Buffer) =>
    tailBytes === 1 && rest.length === 1 && rest[0] === NEWLINE && tail[0]?.[0] === RETURN;

  /** Ends the begun line. */
  function endTail(rest: Buffer): void {
    const lineBytes = tailBytes + rest.length;
    if (!isEmptyTail(rest)) {
      if (skipping || lineBytes > bytesMax + 1) segments.push(oversizedLine);
      else {
        segments.push(...tail, rest);
        bytes += lineBytes;
      }
      lines++;
    }
    tail = [];
    tailBytes = 0;
    skipping = false;
  }

  /** Where the line at `at` of a piece ends, 0 where it is not whole. */
  function lineEnd(piece: Buffer, at: number): number {
    if (piece[at] === NEWLINE) return at + 1;
    return piece.indexOf(NEWLINE, at) + 1;
  }

  const isEmptyLine = (piece: Buffer, at: number, end: number) =>
    end === at + 1 || (end === at + 2 && piece[at] === RETURN);

  return {
    /** Takes lines off a piece until it is used up or the chunk is full; returns where it stopped. */
    take(piece: Buffer, from: number): number {
      let at = from;
      let kept = from; // lines from here to `at` go into one segment
      const keepLines = () => at > kept && segments.push(piece.subarray(kept, at));
      while (lines < rowsMax && bytes < bytesMax) {
        const end = lineEnd(piece, at);
        if (end === 0) break;
        if (tailBytes > 0) {
          endTail(piece.subarray(at, end));
          kept = end;
        } else if (isEmptyLine(piece, at, end) || end - at > bytesMax + 1) {
          keepLines();
          if (end - at > bytesMax + 1) endTail(piece.subarray(at, end));
          kept = end;
        } else {
          bytes += end - at;
          lines++;
        }
        at = end;
      }
      keepLines();
      return at;
    },
    /** Keeps the begun line, or only the fact of it where it is too long. */
    keep(rest: Buffer): void {
      tailBytes += rest.length;
      skipping ||= tailBytes > bytesMax;
      if (skipping) tail = [];
      else if (rest.length > 0) tail.push(rest);
    },
    /** At the end of the body the begun line is a line. */
    finish(): void {
      if (tailBytes > 0) endTail(Buffer.alloc(0));
    },
    isFull: () => lines >= rowsMax || bytes >= bytesMax,
    drain(): Chunk {
      const rows: unknown[] = [];
      for (let i = 0; i < segments.length; ) {
        if (segments[i] === oversizedLine) {
          rows.push(oversizedLine);
          i++;
          continue;
        }
        const run: Buffer[] = [];
        for (let part = segments[i]; part && part !== oversizedLine; part = segments[++i]) run.push(part);
        for (const row of parseLines(run.length === 1 ? run[0] : Buffer.concat(run))) rows.push(row);
      }
      if (isFirst && rows[0] === malformedLine) rows[0] = readForeign(segments);
      isFirst &&= rows.length === 0;
      const chunk = { rows, bytes };
      segments = [];
      lines = 0;
      bytes = 0;
      return chunk;
    },
  };
}

/**
 * Cuts a body into chunks of at most `rowsMax` lines; a chunk is closed by the line that brings it to
 * `bytesMax`. Chunks without a row (blank lines only) are left out.
 * @param hash fed with the bytes of the body; each chunk has its digest (base64url) then
 */
export async function* readNdjson(
  body: AsyncIterable<Buffer>,
  limits: ChunkLimits,
  hash?: Hash,
): AsyncGenerator<Chunk> {
  const builder = createChunkBuilder(limits);
  const drain = () => ({ ...builder.drain(), digest: hash?.copy().digest('base64url') });
  for await (const piece of body) {
    let hashed = 0;
    let at = builder.take(piece, 0);
    while (builder.isFull()) {
      hash?.update(piece.subarray(hashed, at));
      hashed = at;
      const chunk = drain();
      if (chunk.rows.length > 0) yield chunk;
      at = builder.take(piece, at);
    }
    hash?.update(piece.subarray(hashed));
    builder.keep(piece.subarray(at));
  }
  builder.finish();
  const chunk = drain();
  if (chunk.rows.length > 0) yield chunk;
}
