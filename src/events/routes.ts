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
import type { Attempt } from './attempt.js';
import { addBodyParsers, contentTypes, discardRest, type EventsBody } from './body.js';
import { type Chunk, readNdjson } from './formats/ndjson.js';
import { checkRows, type Rows, rowsOf } from './formats/rows.js';
import { readIdempotencyKey } from './idempotency-key.js';
import type { Account, Ingest } from './ingest.js';
import { noticeMembers } from './notices.js';
import type { Once } from './once.js';
import {
  batchAnswerSchema,
  batchSchema,
  eventAnswerSchema,
  eventSchema,
  ingestHeaders,
  replayedHeader,
} from './schemas.js';
import { addShedding, type SheddingOptions } from './shedding.js';

/**
 * Charges a request for so many events before any of them is stored, at once (undefined) where it can.
 * @throws Problem quota_exceeded
 */
type Charge = (events: number) => Promise<void> | undefined;

interface EventsOptions {
  ingest: Ingest;
  once: Once;
  shedding: SheddingOptions;
  /** Opens what the events of a request are charged to; undefined: to nobody. */
  openCharge?: (request: FastifyRequest, reply: FastifyReply) => Charge | undefined;
  batchEventsMax: number;
  bodyBytesMax: number;
  randomId: () => string;
}

type IngestRequest = FastifyRequest<{ Body: EventsBody }>;

interface Stored {
  account: Account;
  /** The body was one bare event. */
  single: boolean;
}

type AnswerOf = (stored: Stored, requestId: string) => object;

/** What the rows of a request come under. */
interface Terms {
  strict: boolean;
  charge: Charge | undefined;
  allowed: Principal['systems'];
  /** The try that it is, where the request has an idempotency key. */
  attempt?: Attempt;
}

interface Keyed {
  key: string | string[];
  body: EventsBody;
  terms: Terms;
  answerOf: AnswerOf;
}

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
  'parameter_invalid',
  'request_in_flight',
  'idempotency_key_reused',
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
  const { ingest, once, openCharge, shedding, batchEventsMax, bodyBytesMax, randomId } = options;
  const chunkLimits = { rowsMax: batchEventsMax, bytesMax: bodyBytesMax };

  function wholeRows(body: EventsBody & { kind: 'value' }): Rows {
    const rows = rowsOf(body.value);
    checkRows(rows.rows.length, batchEventsMax);
    return rows;
  }

  async function storeStream(
    stream: Readable,
    { strict, charge, allowed, attempt }: Terms,
  ): Promise<Account> {
    const { limits = chunkLimits, hash } = attempt ?? {};
    // Destroyed in its middle, the stream of a request would leave its sender stuck.
    const read = readNdjson(stream.iterator({ destroyOnReturn: false }), limits, hash);
    const chunks = charge ? charged(read, charge) : read;
    if (!strict) return ingest.ingestChunks(chunks, { allowed, mark: attempt?.next });
    const chunk = await onlyChunk(chunks);
    return ingest.ingest(chunk, { strict, allowed, marked: await attempt?.next(chunk) });
  }

  /** Stores a body, whatever its form. */
  async function store(body: EventsBody, terms: Terms): Promise<Stored> {
    if (body.kind === 'stream') return { account: await storeStream(body.stream, terms), single: false };
    const { strict, charge, allowed, attempt } = terms;
    const { rows, single } = wholeRows(body);
    const charging = charge?.(rows.length);
    if (charging) await charging;
    const marked = attempt?.whole();
    return { account: await ingest.ingest({ rows, bytes: body.bytes }, { strict, allowed, marked }), single };
  }

  /** The same for a request with an idempotency key, answered as every try of it is. */
  async function storeOnce(
    request: IngestRequest,
    reply: FastifyReply,
    { key, body, terms, answerOf }: Keyed,
  ): Promise<FastifyReply> {
    const { principal, routeOptions } = request;
    const claimed = {
      principal: principal.name,
      key: readIdempotencyKey(key),
      form: `${routeOptions.url} ${body.kind} ${terms.strict ? 'strict' : 'lenient'}`,
      digest: body.kind === 'value' ? body.digest : '',
    };
    const stream = body.kind === 'stream' ? body.stream : undefined;
    const { status, answer, replayed } = await once.answer(claimed, stream, async (attempt) => {
      const stored = await store(body, { ...terms, attempt });
      return { status: reply.statusCode, answer: JSON.stringify(answerOf(stored, request.id)) };
    });
    if (replayed) reply.header('idempotency-replayed', 'true');
    return reply.code(status).type('application/json; charset=utf-8').serializer(String).send(answer);
  }

  /** Stores what a request brings and answers it. */
  async function respond(request: IngestRequest, reply: FastifyReply, answerOf: AnswerOf) {
    const { body, principal } = request;
    const strict = begin(request, reply);
    const charge = openCharge?.(request, reply);
    if (!body) throw new Problem('batch_empty', 'there is no body');
    const key = request.headers['idempotency-key'];
    const terms = { strict, charge, allowed: principal.systems };
    try {
      if (key === undefined) return answerOf(await store(body, terms), request.id);
      return await storeOnce(request, reply, { key, body, terms, answerOf });
    } catch (error) {
      if (body.kind === 'stream') discardRest(body.stream, request, reply);
      throw error;
    }
  }

  function batchAnswer({ account }: Stored, requestId: string) {
    const { accepted, rejected, duplicates, errors, notices } = account;
    return {
      success: true,
      processed: accepted,
      total: accepted + rejected,
      message: `${accepted} of ${accepted + rejected} events stored`,
      accepted,
      rejected,
      duplicates,
      ...noticeMembers(notices),
      errors,
      errorsTruncated: rejected > errors.length,
      requestId,
    };
  }

  function eventAnswer(stored: Stored, requestId: string) {
    if (!stored.single) return batchAnswer(stored, requestId);
    return {
      success: true,
      event_id: randomId(),
      message: 'Event stored',
      timestamp: formatInstant(stored.account.lastAt),
      duplicates: stored.account.duplicates,
      ...noticeMembers(stored.account.notices),
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
    description: 'One event a line, any number of lines; blank lines and byte order marks are passed over.',
  });
  const answered = (schema: object) => ({
    description: 'Redis has acknowledged every event that was accepted.',
    headers: replayedHeader,
    content: media(['application/json'], schema),
  });
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
        response: {
          201: answered({ anyOf: [eventAnswerSchema, batchAnswerSchema] }),
          ...ingestProblems,
        },
      },
      serializerCompiler: () => JSON.stringify,
      compress: false, // answers are short, and the hook costs more than it saves
    },
    (request, reply) => respond(request, reply, eventAnswer),
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
        response: { 201: answered(batchAnswerSchema), ...ingestProblems },
      },
      serializerCompiler: () => JSON.stringify,
      compress: false, // answers are short, and the hook costs more than it saves
    },
    (request, reply) => respond(request, reply, batchAnswer),
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
