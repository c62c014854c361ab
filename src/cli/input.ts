/**
 * Inputs: files and standard input as streams of plain bytes. Compression is told by the first two bytes, not
 * by a name, so it is found on standard input as well.
 *
 * Decompression is driven piece by piece instead of by a pipe: an error destroys a pipe together with all that
 * waits in it, while here what was decompressed before the damage is handed on first.
 */
import { createReadStream } from 'node:fs';
import { access, constants, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { usageFailure } from './exit.js';

const GZIP_MAGIC = [0x1f, 0x8b];
/** Small, since a piece may grow a thousandfold. */
const compressedPieceBytes = 16 * 1024;

export interface Input {
  /** As it was given. */
  name: string;
  /** Absolute; none where reading cannot begin anew: standard input, pipes. */
  path?: string;
  /** Bytes on disk; NaN where that is not known. */
  size: number;
  open(): Readable;
}

const systemMessages: Record<string, string> = {
  ENOENT: 'there is no such file',
  EACCES: 'permission denied',
  EISDIR: 'it is a directory',
};

const messageOf = ({ code = '', message }: NodeJS.ErrnoException) => systemMessages[code] ?? message;

/** Looks at an input without reading it. @throws Failure where it cannot be read */
export async function lookAt(name: string): Promise<Input> {
  if (name === '-') return { name: 'stdin', size: Number.NaN, open: () => process.stdin };
  const open = () => createReadStream(name);
  try {
    const status = await stat(name);
    if (status.isDirectory()) throw Object.assign(new Error(), { code: 'EISDIR' });
    await access(name, constants.R_OK);
    return status.isFile()
      ? { name, path: resolve(name), size: status.size, open }
      : { name, size: Number.NaN, open };
  } catch (error) {
    throw usageFailure(`${name} cannot be read: ${messageOf(error as NodeJS.ErrnoException)}`);
  }
}

/** An error of the data comes after all that could be decompressed before it. */
async function* decompress(pieces: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const gunzip = createGunzip();
  const ready: Buffer[] = [];
  gunzip.on('data', (bytes: Buffer) => ready.push(bytes));
  // It ends before its input does where that is damaged or, as some archives are, padded with zeros; what is
  // written then is never called back.
  let over: { error?: Error } | undefined;
  const ended = finished(gunzip, { writable: false }).then(
    () => {
      over = {};
    },
    (error: Error) => {
      over = { error };
    },
  );
  const written = (piece: Buffer) => new Promise<void>((done) => gunzip.write(piece, () => done()));
  try {
    for await (const piece of pieces) {
      for (let from = 0; from < piece.length && !over; from += compressedPieceBytes) {
        await Promise.race([ended, written(piece.subarray(from, from + compressedPieceBytes))]);
        yield* ready.splice(0);
      }
      if (over) break;
    }
    gunzip.end();
    await ended;
    yield* ready.splice(0);
    if (over?.error) throw over.error;
  } finally {
    gunzip.destroy();
  }
}

/** Waits for two bytes, tells whether they are gzip's, and gives all bytes back. */
async function detectGzip(pieces: AsyncIterator<Buffer>) {
  let head = Buffer.alloc(0);
  while (head.length < GZIP_MAGIC.length) {
    const { value, done } = await pieces.next();
    if (done) break;
    head = Buffer.concat([head, value]);
  }
  async function* all(): AsyncGenerator<Buffer> {
    if (head.length > 0) yield head;
    for (let next = await pieces.next(); !next.done; next = await pieces.next()) yield next.value;
  }
  return { isGzip: GZIP_MAGIC.every((byte, index) => head[index] === byte), all };
}

/**
 * The plain bytes of an input.
 * @param onRead told the number of bytes of each piece as it is on disk
 * @throws Failure where it cannot be read or decompressed to its end; the signal's reason where that is aborted
 */
export async function* readInput(
  input: Input,
  signal: AbortSignal,
  onRead: (bytes: number) => void,
): AsyncGenerator<Buffer> {
  const stream = input.open();
  const close = () => stream.destroy();
  signal.addEventListener('abort', close, { once: true });
  async function* counted(): AsyncGenerator<Buffer> {
    for await (const piece of stream) {
      onRead(piece.length);
      yield piece;
    }
  }
  try {
    const { isGzip, all } = await detectGzip(counted());
    yield* isGzip ? decompress(all()) : all();
    // A stream that was closed looks like one that has ended.
    signal.throwIfAborted();
  } catch (error) {
    signal.throwIfAborted();
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'Z_BUF_ERROR') throw usageFailure(`${input.name} is cut short: its gzip data have no end`);
    if (code?.startsWith('Z_')) throw usageFailure(`the gzip data of ${input.name} are damaged: ${message}`);
    throw usageFailure(`${input.name} cannot be read: ${messageOf(error as NodeJS.ErrnoException)}`);
  } finally {
    signal.removeEventListener('abort', close);
    close();
  }
}
