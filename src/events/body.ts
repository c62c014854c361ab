/**
 * Bodies: from the content type to a decoder. JSON and MessagePack are parsed whole, NDJSON is left as a
 * stream to be read in chunks. Decompression has happened before, so every limit counts plain bytes.
 */
import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { refuseGzipped } from './formats/foreign.js';
import { parseJson } from './formats/json.js';
import { parseMsgpack } from './formats/msgpack.js';

export type EventsBody =
  /** `digest`: SHA-256 of the bytes where the request has an idempotency key, else ''. */
  { kind: 'value'; value: unknown; bytes: number; digest: string } | { kind: 'stream'; stream: Readable };

export const contentTypes = {
  json: ['application/json'],
  msgpack: ['application/msgpack', 'application/x-msgpack', 'application/vnd.msgpack'],
  ndjson: ['application/x-ndjson', 'application/ndjson', 'application/jsonl'],
};

const digestOf = (body: Buffer): string => createHash('sha256').update(body).digest('base64url');

/**
 * Makes the decoders the only ones of a plugin's routes.
 * @param rowsMax events that a body parsed whole may hold, where that can be told before parsing
 */
export function addBodyParsers(app: FastifyInstance, rowsMax: number): void {
  app.removeAllContentTypeParsers();
  const whole = { parseAs: 'buffer' as const };
  for (const [types, parse] of [
    [contentTypes.json, parseJson],
    [contentTypes.msgpack, parseMsgpack],
  ] as const) {
    app.addContentTypeParser(
      [...types],
      whole,
      async ({ headers }: FastifyRequest, body: Buffer): Promise<EventsBody> => {
        refuseGzipped(body);
        // Before it is parsed, which may change it.
        const digest = headers['idempotency-key'] === undefined ? '' : digestOf(body);
        return { kind: 'value', value: parse(body, rowsMax), bytes: body.length, digest };
      },
    );
  }
  app.addContentTypeParser(contentTypes.ndjson, async (_request: unknown, stream: Readable) => ({
    kind: 'stream',
    stream,
  }));
}

export const discardedBytesMax = 64 * 1024 ** 2;

/**
 * Deals with what is left of a stream that is refused in its middle. Many senders write all of their body before
 * they read: so it is read to its end and dropped, up to a bound. A compressed one may unpack to anything, so its
 * connection is closed after the answer.
 */
export function discardRest(stream: Readable, { raw }: FastifyRequest, reply: FastifyReply): void {
  if (stream.readableEnded) return;
  if (stream !== raw) {
    reply.header('connection', 'close');
    return;
  }
  let left = discardedBytesMax;
  raw.on('data', (piece: Buffer) => {
    left -= piece.length;
    if (left < 0) raw.destroy();
  });
  setImmediate(() => raw.resume()); // by then whoever read it before has let go
}
