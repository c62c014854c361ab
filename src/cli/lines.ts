/**
 * From bytes to lines: cuts a stream into its lines as it arrives, with each line's number and the offset of
 * its end, so that a reader can stop anywhere and go on from there later.
 *
 * Bytes are never decoded or changed: a line keeps its line end, whatever its encoding. Blank lines have a
 * number but are no rows; what is blank must be the same here as in the service, or its row indexes would
 * point to the wrong lines: what `trim` leaves empty. A line longer than `lineBytesMax` becomes `null`, its
 * bytes passed over without being kept, so memory stays bounded whatever is fed in.
 */
const NEWLINE = 0x0a;
const LAST_BLANK_OF_ASCII = 0x20;
const FIRST_BEYOND_ASCII = 0x80;

/** A place between two lines: how many bytes and lines come before it. */
export interface Position {
  offset: number;
  line: number;
}

export interface Line {
  /** With its line end, or null where it is too long. */
  bytes: Buffer | null;
  /** The place after it; `end.line` is its number, counted from 1. */
  end: Position;
}

function isBlank(line: Buffer): boolean {
  const first = line[0] ?? NEWLINE;
  if (first > LAST_BLANK_OF_ASCII && first < FIRST_BEYOND_ASCII) return false;
  return line.toString().trim() === '';
}

/** Takes the pieces of a stream that begins at its first byte. */
export function createLineSplitter(lineBytesMax: number) {
  let offset = 0;
  let line = 0;
  let tail: Buffer[] = [];
  let tailBytes = 0;

  /** Ends the begun line with its last bytes; nothing where it is blank. */
  function endLine(rest: Buffer, newlineBytes: number): Line | undefined {
    const length = tailBytes + rest.length;
    offset += length;
    line++;
    const tooLong = length - newlineBytes > lineBytesMax;
    const bytes = tooLong ? null : tail.length > 0 ? Buffer.concat([...tail, rest]) : rest;
    tail = [];
    tailBytes = 0;
    return bytes && isBlank(bytes) ? undefined : { bytes, end: { offset, line } };
  }

  function keep(rest: Buffer): void {
    tailBytes += rest.length;
    if (tailBytes > lineBytesMax) tail = [];
    else if (rest.length > 0) tail.push(rest);
  }

  return {
    /** The rows whose lines end in this piece. */
    split(piece: Buffer): Line[] {
      const lines: Line[] = [];
      let from = 0;
      for (let at = piece.indexOf(NEWLINE); at >= 0; at = piece.indexOf(NEWLINE, from)) {
        const ended = endLine(piece.subarray(from, at + 1), 1);
        if (ended) lines.push(ended);
        from = at + 1;
      }
      keep(piece.subarray(from));
      return lines;
    },
    /** At the end of the stream the begun line is a line. */
    finish(): Line[] {
      const ended = tailBytes > 0 ? endLine(Buffer.alloc(0), 0) : undefined;
      return ended ? [ended] : [];
    },
  };
}
