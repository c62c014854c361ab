/** Shapes of the ingest API, for its documentation and its answers. Rows are read by read-event.ts. */
import { Type } from 'typebox';
import { rowErrorCodes } from '../errors.js';
import { eventTypes } from '../sketches/registry.js';
import { ignoredNamesMax } from './ignored-fields.js';
import { eventLimits } from './read-event.js';

/** Lengths are limited in bytes of UTF-8; JSON Schema counts characters, of which there are as many or fewer. */
const text = (bytesMax: number, description: string, minLength = 1) =>
  Type.String({ minLength, maxLength: bytesMax, description });

/** Optional: an empty one is absent. */
const id = (description: string) =>
  text(
    eventLimits.idBytesMax,
    `${description} Kept byte for byte; at most ${eventLimits.idBytesMax} bytes.`,
    0,
  );

export const eventSchema = Type.Object(
  {
    event_type: Type.Enum([...eventTypes]),
    system: text(
      eventLimits.systemBytesMax,
      `The system touched: any text of 1 to ${eventLimits.systemBytesMax} bytes but "*".`,
    ),
    event_id: Type.Optional(
      id(
        'What tells the event from all others of its system. Where EVENT_ID_SECONDS is set, it is counted once.',
      ),
    ),
    user_id: Type.Optional(id('Who.')),
    session_id: Type.Optional(id('In which session.')),
    timestamp: Type.Optional(
      Type.Union(
        [
          Type.String({ format: 'date-time' }),
          Type.Number(),
          Type.String({ pattern: '^-?\\d+(\\.\\d+)?$', description: 'The number as text.' }),
        ],
        { description: 'RFC 3339 with an offset, or epoch s, ms, us or ns told by size. Default: now.' },
      ),
    ),
    metadata: Type.Optional(
      Type.Object(
        {
          ip: Type.Optional(id('From where.')),
          endpoint: Type.Optional(
            text(
              eventLimits.endpointBytesMax,
              `What was called, at most ${eventLimits.endpointBytesMax} bytes.`,
              0,
            ),
          ),
          status: Type.Optional(
            Type.Unknown({ description: 'Of a user_login: whether it failed, see docs/logins.md.' }),
          ),
          status_code: Type.Optional(
            Type.Unknown({ description: 'The same, also of a security_event; a 2xx never is a failure.' }),
          ),
          outcome: Type.Optional(
            Type.Unknown({
              description: 'The same, also of a security_event; ECS: success, failure, unknown.',
            }),
          ),
          success: Type.Optional(Type.Unknown({ description: 'Of a user_login: false where it failed.' })),
          status_id: Type.Optional(
            Type.Unknown({ description: 'Of a user_login, OCSF: 2 where it failed.' }),
          ),
          result: Type.Optional(Type.Unknown({ description: 'Of a user_login: as `status`.' })),
          latency_ms: Type.Optional(Type.Number()),
        },
        {
          maxProperties: eventLimits.metadataKeysMax,
          description:
            'Any keys. Numbers are kept as percentiles under their key, except codes, ports and ids.',
        },
      ),
    ),
  },
  {
    title: 'Event',
  },
);

export const batchSchema = Type.Union(
  [Type.Object({ events: Type.Array(eventSchema) }), Type.Array(eventSchema), eventSchema],
  { title: 'Batch' },
);

const duplicates = Type.Optional(
  Type.Integer({
    description: 'Of the accepted events, those not counted again since their event_id was known.',
  }),
);

const notices = {
  defaulted: Type.Optional(
    Type.Record(Type.String(), Type.Integer(), {
      description:
        'Fields that accepted events lacked and were given, with how many events: ' +
        '`timestamp` means counted at the time of arrival. Absent where there are none.',
    }),
  ),
  ignored: Type.Optional(
    Type.Record(Type.String(), Type.Integer(), {
      description:
        'Fields of accepted events that were not read, with how often they came: beside `metadata`, empty, or numbers ' +
        `dropped inside it. The first ${ignoredNamesMax} names; \`...\` stands for all others. Absent where there are none.`,
    }),
  ),
};

const rowErrorSchema = Type.Object(
  {
    index: Type.Integer({ description: 'Row of the body, from 0.' }),
    code: Type.String({ description: `One of ${Object.keys(rowErrorCodes).join(', ')}.` }),
    pointer: Type.String({ description: 'RFC 6901 pointer into the row.' }),
    detail: Type.String(),
  },
  { title: 'RowError' },
);

export const batchAnswerSchema = Type.Object(
  {
    success: Type.Boolean(),
    processed: Type.Integer({ description: 'Events stored.' }),
    total: Type.Integer({ description: 'Rows in the body.' }),
    message: Type.String(),
    accepted: Type.Integer(),
    rejected: Type.Integer(),
    duplicates,
    ...notices,
    errors: Type.Array(rowErrorSchema),
    errorsTruncated: Type.Boolean({ description: 'More rows were refused than `errors` lists.' }),
    requestId: Type.String(),
  },
  { title: 'BatchStored', description: 'Redis has acknowledged every event that was accepted.' },
);

export const eventAnswerSchema = Type.Object(
  {
    success: Type.Boolean(),
    event_id: Type.String({ description: 'Made up for this answer.' }),
    message: Type.String(),
    timestamp: Type.String({ description: 'The time the event was counted at.' }),
    duplicates,
    ...notices,
  },
  { title: 'EventStored', description: 'Redis has acknowledged the event.' },
);

export const ingestHeaders = Type.Object({
  prefer: Type.Optional(
    Type.String({ description: '`handling=strict`: store nothing where any row is bad (RFC 7240).' }),
  ),
  'idempotency-key': Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 512,
      description:
        'A string of 1 to 255 ASCII characters, best in quotes, that no other request has. Sent again with the ' +
        'same key, a request counts nothing twice and is answered as the first time ' +
        '(draft-ietf-httpapi-idempotency-key-header-07).',
    }),
  ),
  'content-encoding': Type.Optional(
    Type.String({
      description:
        'A list of `gzip` (or `x-gzip`), `br`, `deflate` (the zlib format, RFC 1950) and `identity`, in any case ' +
        'and in the order in which they were applied; at most three besides `identity` (RFC 9110, 8.4).',
    }),
  ),
});

/** Of answers. */
export const replayedHeader = {
  'Idempotency-Replayed': {
    type: 'string',
    enum: ['true'],
    description: 'There where the answer is that of an earlier request with the same `Idempotency-Key`.',
  },
};
