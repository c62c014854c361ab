/**
 * Content codings of requests (RFC 9110, 8.4): a body is decoded before anything reads it, so every limit counts plain
 * bytes. `Content-Encoding` lists the codings in the order in which they were applied, so they are decoded from the last
 * to the first. Names mean the same in any case, `x-gzip` means gzip and `identity` nothing.
 *
 *   raw -> decoder -> bound [-> decoder -> bound ...] -> body parser
 *
 * Bounds: a few bytes may decode to very many, and those of two codings to a million times as many. So a list has at
 * most `codingsMax` codings, and what comes out of each decoder is at most `ratioMax` times what came over the wire (what
 * gzip can do, applied once), above a free amount. Nothing waits in memory: a decoder stops while its output is not read.
 * And decoding ends with the request: of a body that is refused in its middle the rest is not decoded.
 */
import { type Readable, Transform } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';
import type { FastifyInstance, RequestPayload } from 'fastify';
import fp from 'fastify-plugin';
import { Problem } from '../errors.js';

const codingsMax = 3;
const ratioMax = 1_100;
const decodedBytesFree = 64 * 1024 ** 2;

interface Coding {
  name: string;
  /** The format that the name stands for. */
  format: string;
  createDecoder: () => Transform;
}

const gzip = { name: 'gzip', format: 'gzip (RFC 1952)', createDecoder: () => createGunzip() };
const codings = new Map<string, Coding>([
  ['gzip', gzip],
  ['x-gzip', gzip],
  [
    'deflate',
    {
      name: 'deflate',
      format: 'the zlib format (RFC 1950; raw deflate, RFC 1951, is not read)',
      createDecoder: () => createInflate(),
    },
  ],
  ['br', { name: 'br', format: 'Brotli (RFC 7932)', createDecoder: () => createBrotliDecompress() }],
]);

/** What is read, for messages. */
const codingNames = ['gzip', 'br', 'deflate', 'identity'];

const unsupported = (detail: string) => new Problem('content_encoding_unsupported', detail);

/** The codings of a header, in the order in which they are to be decoded. @throws Problem content_encoding_unsupported */
function readCodings(header: string): Coding[] {
  const found: Coding[] = [];
  for (const member of header.toLowerCase().split(',')) {
    const name = member.trim();
    if (name === '' || name === 'identity') continue;
    const coding = codings.get(name);
    if (!coding) throw unsupported(`Content-Encoding must be a list of ${codingNames.join(', ')}`);
    if (found.unshift(coding) > codingsMax) {
      throw unsupported(`Content-Encoding lists more than ${codingsMax} codings`);
    }
  }
  return found;
}

/** As Node calls it, which is known in errors.ts. */
const lostConnection = () => Object.assign(new Error('aborted'), { code: 'ECONNRESET' });

/** The problem that an error of a decoder is. */
function decodingProblem({ name, format }: Coding, cause: NodeJS.ErrnoException): Problem {
  const detail =
    cause.code === 'Z_BUF_ERROR'
      ? `the body is cut short: its ${name} data have no end`
      : `the body is damaged or not ${format}, which Content-Encoding: ${name} stands for`;
  return new Problem('body_malformed', detail, {}, { cause });
}

/** Passes bytes on and ends with a problem where they are too many for what was received. */
function createBound(receivedBytes: () => number): Transform {
  let bytes = 0;
  return new Transform({
    transform(piece: Buffer, _encoding, done) {
      bytes += piece.length;
      if (bytes <= decodedBytesFree + ratioMax * receivedBytes()) return done(null, piece);
      const detail = `the body decodes to more than ${ratioMax} times its bytes`;
      done(new Problem('body_too_large', detail));
    },
  });
}

/** The plain bytes of a body. Their stream fails with a Problem where they cannot be had; destroying it ends the decoding. */
function decode(raw: Readable, list: readonly Coding[]): Transform & RequestPayload {
  let received = 0;
  const createStageBound = () => createBound(() => received);
  const plain: Transform & RequestPayload = createStageBound();
  plain.receivedEncodedLength = 0;

  const stages = list.map((coding) => ({ coding, decoder: coding.createDecoder() }));
  const fail = (error: Error): unknown => plain.destroy(error);
  plain.on('error', () => undefined); // it may come after its reader has stopped listening
  plain.on('close', () => {
    raw.unpipe();
    for (const { decoder } of stages) decoder.destroy();
    raw.resume(); // so that a sender that is still writing gets to see the answer
  });
  raw.on('data', (piece: Buffer) => {
    received += piece.length;
    plain.receivedEncodedLength = received;
  });
  raw.on('error', fail);
  raw.on('close', () => raw.readableEnded || fail(lostConnection()));
  let last: Readable = raw;
  for (const [index, { coding, decoder }] of stages.entries()) {
    // No bytes at all are no gzip, but an empty body.
    decoder.on('error', (error) =>
      received === 0 && raw.readableEnded ? plain.end() : fail(decodingProblem(coding, error)),
    );
    if (index > 0) last = last.pipe(createStageBound().on('error', fail));
    last = last.pipe(decoder);
  }
  last.pipe(plain);
  return plain;
}

export default fp(
  async (app: FastifyInstance) => {
    app.addHook('preParsing', (request, reply, payload, done) => {
      const header = request.headers['content-encoding'];
      if (header === undefined) return done(null, payload);
      try {
        const list = readCodings(header);
        if (list.length === 0) return done(null, payload);
        const plain = decode(payload, list);
        reply.raw.once('close', () => plain.destroy());
        done(null, plain);
      } catch (error) {
        done(error as Problem);
      }
    });
  },
  { name: 'content-codings' },
);
