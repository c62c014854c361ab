/**
 * The ingest API. Both paths take every shape and format; they differ in what they answer: `/events` speaks
 * of one event where the body is one, `/events/batch` always gives the account of a batch.
 */
import type { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { Problem } from '../errors.js';
import type { Principal } from '../principal.js';
import { problemAnswers } from '../problem-schema.js';
import { formatInstant } from '../windows/instant.js';
import { addBodyParsers, contentTypes, discardRest, type EventsBody } from './body.js';
import { type Chunk, readNdjson } from './formats/ndjson.js';
import { checkRows, type Rows, rowsOf } from './formats/rows.js';
import type { Account, Ingest } from './ingest.js';
import { batchAnswerSchema, batchSchema, eventAnswerSchema, eventSchema, ingestHeaders } from './schemas.js';
import { addShedding, type SheddingOptions } from './shedding.js';

/** Charges a request for so many events before any of them is stored. @throws Problem quota_exceeded */
type Charge = (events: number) => Promise<void>;

interface EventsOptions {
  ingest: Ingest;
  shedding: SheddingOptions;
  /** Opens what the events of a request are charged to; undefined: to nobody. */
  openCharge?: (request: FastifyRequest, reply: FastifyReply) => Charge | undefined;
  batchEventsMax: number;
  bodyBytesMax: number;
  randomId: () => string;
}

type IngestRequest = FastifyRequest<{ Body: EventsBody }>;

const isStrict = ({ headers: { prefer } }: FastifyRequest): boolean =>
  prefer !== undefined && /(?:^|,)\s*handling\s*=\s*"?strict"?\s*(?:$|[,;])/i.test([prefer].flat().join(','));

const media = (types: string[], schema: object) =>
  Object.fromEntries(types.map((type) => [type, { schema }]));
const ingestProblems = problemAnswers([
  'body_malformed',
  'body_not_utf8',
  'batch_empty',
  'events_invalid',
  'system_forbidden',
  'body_too_large',
  'batch_too_large',
  'content_type_unsupported',
  'content_encoding_unsupported',
  'quota_exceeded',
  'overloaded',
  'redis_unavailable',
  'outcome_unknown',
  'ingest_failed',
]);

/** The one chunk of an NDJSON body that must not be taken apart. @throws Problem where it needs more */
async function onlyChunk(chunks: AsyncIterable<Chunk>): Promise<Chunk> {
  let only: Chunk | undefined;
  for await (const chunk of chunks) {
    if (only) throw new Problem('body_too_large', 'a body with handling=strict must fit into one batch');
    only = chunk;
  }
  if (!only) throw new Problem('batch_empty', 'the body holds no event');
  return only;
}

/** The same chunks, each paid for before it is handed on. */
async function* charged(chunks: AsyncIterable<Chunk>, charge: Charge): AsyncGenerator<Chunk> {
  for await (const chunk of chunks) {
    await charge(chunk.rows.length);
    yield chunk;
  }
}

export default async function eventsRoutes(app: FastifyInstance, options: EventsOptions): Promise<void> {
  const { ingest, openCharge, shedding, batchEventsMax, bodyBytesMax, randomId } = options;
  const chunkLimits = { rowsMax: batchEventsMax, bytesMax: bodyBytesMax };

  function wholeRows(body: EventsBody & { kind: 'value' }): Rows {
    const rows = rowsOf(body.value);
    checkRows(rows.rows.length, batchEventsMax);
    return rows;
  }

  interface StreamTerms {
    strict: boolean;
    charge: Charge | undefined;
    principal: Principal;
  }

  async function storeStream(stream: Readable, { strict, charge, principal }: StreamTerms): Promise<Account> {
    const { systems } = principal;
    // Destroyed in its middle, the stream of a request would leave its sender stuck.
    const read = readNdjson(stream.iterator({ destroyOnReturn: false }), chunkLimits);
    const chunks = charge ? charged(read, charge) : read;
    if (!strict) return ingest.ingestChunks(chunks, systems);
    const { rows, bytes } = await onlyChunk(chunks);
    return ingest.ingest(rows, bytes, strict, systems);
  }

  /** Stores the body of a request, whatever its form. */
  async function store(request: IngestRequest, reply: FastifyReply) {
    const { body, principal } = request;
    const strict = begin(request, reply);
    const charge = openCharge?.(request, reply);
    if (!body) throw new Problem('batch_empty', 'there is no body');
    if (body.kind === 'value') {
      const { rows, single } = wholeRows(body);
      if (charge) await charge(rows.length);
      return { account: await ingest.ingest(rows, body.bytes, strict, principal.systems), single };
    }
    try {
      return { account: await storeStream(body.stream, { strict, charge, principal }), single: false };
    } catch (error) {
      discardRest(body.stream, request, reply);
      throw error;
    }
  }

  function batchAnswer(account: Account, requestId: string) {
    const { accepted, rejected, errors } = account;
    return {
      success: true,
      processed: accepted,
      total: accepted + rejected,
      message: `${accepted} of ${accepted + rejected} events stored`,
      accepted,
      rejected,
      errors,
      errorsTruncated: rejected > errors.length,
      requestId,
    };
  }

  function begin(request: FastifyRequest, reply: FastifyReply): boolean {
    const strict = isStrict(request);
    if (strict) reply.header('preference-applied', 'handling=strict');
    reply.code(201);
    return strict;
  }

  addShedding(app, shedding);
  addBodyParsers(app, batchEventsMax);
  app.setValidatorCompiler(() => () => true); // rows are read one by one, see read-event.ts
  const config = { unexpected: 'ingest_failed' as const };
  const ndjson = media(contentTypes.ndjson, {
    type: 'string',
    description: 'One event a line, any number of lines.',
  });
  const anyAnswer = {
    anyOf: [eventAnswerSchema, batchAnswerSchema],
    description: 'Redis has acknowledged every event that was accepted.',
  };
  const consumes = (schema: object) => ({
    content: { ...media([...contentTypes.json, ...contentTypes.msgpack], schema), ...ndjson },
  });

  app.post<{ Body: EventsBody }>(
    '/events',
    {
      config,
      bodyLimit: bodyBytesMax,
      schema: {
        tags: ['events'],
        operationId: 'sendEvent',
        summary: 'Send an event',
        description: 'Takes batches too; those are answered as by /events/batch.',
        headers: ingestHeaders,
        body: consumes({ anyOf: [eventSchema, batchSchema] }),
        response: { 201: anyAnswer, ...ingestProblems },
      },
      serializerCompiler: () => JSON.stringify,
      compress: false, // answers are short, and the hook costs more than it saves
    },
    async (request, reply) => {
      const { account, single } = await store(request, reply);
      if (!single) return batchAnswer(account, request.id);
      return {
        success: true,
        event_id: randomId(),
        message: 'Event stored',
        timestamp: formatInstant(account.lastAt),
      };
    },
  );

  app.post<{ Body: EventsBody }>(
    '/events/batch',
    {
      config,
      bodyLimit: bodyBytesMax,
      schema: {
        tags: ['events'],
        operationId: 'sendEvents',
        summary: 'Send events',
        description:
          `Up to ${batchEventsMax} events and ${bodyBytesMax} bytes (decompressed); NDJSON of any size. ` +
          'Good rows are stored and bad ones listed, unless `Prefer: handling=strict` asks for all or nothing.',
        headers: ingestHeaders,
        body: consumes(batchSchema),
        response: { 201: batchAnswerSchema, ...ingestProblems },
      },
      serializerCompiler: () => JSON.stringify,
      compress: false, // answers are short, and the hook costs more than it saves
    },
    async (request, reply) => {
      const { account } = await store(request, reply);
      return batchAnswer(account, request.id);
    },
  );

  // Log shippers ask for the ingest path itself to learn whether it is there, and want exactly 200.
  const probe = {
    config: { swagger: { exposeHeadRoute: true } },
    schema: {
      tags: ['events'],
      summary: 'Are events taken here',
      response: { 200: { type: 'null', description: 'They are.' } },
    },
  };
  for (const url of ['/events', '/events/batch']) {
    app.head(url, probe, async (_request, reply) => reply.code(200).send());
  }
}
