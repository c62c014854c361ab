/**
 * Bodies: from the content type to a decoder. JSON and MessagePack are parsed whole, NDJSON is left as a
 * stream to be read in chunks. Decompression has happened before, so every limit counts plain bytes.
 */
import type { FastifyInstance } from 'fastify';
import { parseJson } from './formats/json.js';
import { parseMsgpack } from './formats/msgpack.js';

export type EventsBody =
  | { kind: 'value'; value: unknown; bytes: number }
  | { kind: 'stream'; stream: AsyncIterable<Buffer> };

export const contentTypes = {
  json: ['application/json'],
  msgpack: ['application/msgpack', 'application/x-msgpack', 'application/vnd.msgpack'],
  ndjson: ['application/x-ndjson', 'application/ndjson', 'application/jsonl'],
};

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
      async (_request: unknown, body: Buffer): Promise<EventsBody> => {
        return { kind: 'value', value: parse(body, rowsMax), bytes: body.length };
      },
    );
  }
  app.addContentTypeParser(contentTypes.ndjson, async (_request: unknown, stream: AsyncIterable<Buffer>) => ({
    kind: 'stream',
    stream,
  }));
}
