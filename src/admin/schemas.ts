/** What operators send and get, for the documentation and the serialiser. */
import { Type } from 'typebox';
import { encodablePattern } from '../redis/keys.js';
import { purgeableKind, sketchKind, systemName, systemPatternText } from './parameters.js';
import { ticketSeconds } from './purge-tickets.js';

const nullable = <Schema extends Parameters<typeof Type.Union>[0][number]>(schema: Schema) =>
  Type.Union([schema, Type.Null()]);

export const keysQuery = Type.Object(
  {
    system: Type.Optional(systemName),
    pattern: Type.Optional(systemPatternText),
    sketch: Type.Optional(sketchKind),
    cursor: Type.Optional(Type.String({ description: '`next` of the page before.' })),
    limit: Type.Integer({
      minimum: 1,
      maximum: 1_000,
      default: 100,
      description: 'So many keys end a page; the step of the walk that comes to them is listed whole.',
    }),
  },
  { additionalProperties: false },
);
export const keysAnswer = Type.Object(
  {
    keys: Type.Array(Type.Object({ key: Type.String(), system: Type.String(), sketch: Type.String() })),
    next: nullable(Type.String({ description: 'Cursor of the next page; null where this was all.' })),
  },
  {
    title: 'Keys',
    description: 'In no order. A page may hold more keys than were asked for, or fewer, even none.',
  },
);

const ttl = nullable(
  Type.Object({ min: Type.Integer(), max: Type.Integer() }, { description: 'Of the keys measured.' }),
);
const census = {
  keys: Type.Integer(),
  bytes: Type.Integer({ description: 'Memory of Redis.' }),
  bytes_are: Type.String({ description: 'sum, or extrapolation from the keys measured.' }),
  measured: Type.Integer({ description: 'Keys that were asked for their size and time to live.' }),
  complete: Type.Boolean({ description: 'Whether all keys were visited in time; else there are more.' }),
  sketches: Type.Record(
    Type.String(),
    Type.Object({ keys: Type.Integer(), bytes: Type.Integer(), ttl_seconds: ttl }),
    { description: 'By kind of sketch.' },
  ),
};
export const systemParams = Type.Object({ system: systemName });
export const systemAnswer = Type.Object(
  { system: Type.String(), ...census },
  { title: 'SystemKeys', description: 'What is kept of a system.' },
);

export const keyParams = Type.Object({ key: Type.String({ description: 'A key of a system.' }) });
export const keyAnswer = Type.Object(
  {
    key: Type.String(),
    system: Type.String(),
    sketch: Type.String(),
    metric: nullable(Type.String()),
    grain: nullable(Type.String()),
    bucket: nullable(Type.String()),
    type: Type.String({ description: 'Of Redis.' }),
    encoding: Type.String({ description: 'Of Redis.' }),
    ttl_seconds: Type.Integer(),
    bytes: Type.Integer({ description: 'Memory of Redis.' }),
    state: Type.Record(Type.String(), Type.Unknown(), {
      description: 'What the sketch says of itself, by its kind.',
    }),
  },
  { title: 'Key', description: 'One sketch.' },
);

export const purgeBody = Type.Object(
  {
    system: Type.Optional(systemName),
    pattern: Type.Optional(systemPatternText),
    sketches: Type.Optional(
      Type.Array(purgeableKind, {
        minItems: 1,
        uniqueItems: true,
        description: 'These kinds only. Default: all that is kept of the systems.',
      }),
    ),
    confirm: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 256,
        pattern: encodablePattern,
        description: 'From the answer before, and nothing else with it: do it, or go on.',
      }),
    ),
    dry_run: Type.Optional(
      Type.Boolean({ description: 'Without `confirm` every request is one; may say so.' }),
    ),
  },
  { additionalProperties: false },
);
const confirm = nullable(
  Type.String({ description: `To be sent back within ${ticketSeconds} seconds, once; null: nothing to do.` }),
);
/** One object with what both answers may have: which it is says `dry_run`. */
export const purgeAnswer = Type.Object(
  {
    dry_run: Type.Boolean({ description: 'true: nothing was deleted.' }),
    done: Type.Boolean(),
    system: nullable(Type.String()),
    pattern: nullable(Type.String()),
    sketches_only: nullable(Type.Array(Type.String())),
    systems: Type.Integer({ description: 'Still to be purged.' }),
    systems_named: Type.Array(Type.String(), { description: 'The first of them.' }),
    removed_keys: Type.Integer({ description: 'By this purge so far.' }),
    would_remove: Type.Optional(Type.Object(census)),
    confirm,
  },
  { title: 'Purge', description: 'What would go, or how far the purge has come.' },
);

export const settingsAnswer = Type.Object(
  {
    settings: Type.Record(Type.String(), Type.Union([Type.String(), Type.Number(), Type.Boolean()]), {
      description: 'By name.',
    }),
    tzdata_version: Type.String({ description: 'Release of the time zone data that comes with Node.' }),
  },
  { title: 'Settings', description: 'In effect in this process; secrets and passwords are `***`.' },
);

export const slowAnswer = Type.Object(
  {
    threshold_milliseconds: Type.Integer(),
    noted: Type.Integer({ description: 'Since the start of this process.' }),
    questions: Type.Array(
      Type.Object({
        at: Type.String(),
        operation: Type.String(),
        milliseconds: Type.Number(),
        state: Type.String({ description: 'Where the answer came from; failed: there was none.' }),
        systems: Type.Array(Type.String(), { description: 'The first of them; `*` for all.' }),
        systems_asked: Type.Integer(),
        window: nullable(Type.String()),
        from: Type.String(),
        to: Type.String(),
        buckets: Type.Integer({ description: 'Buckets of time read, of each system.' }),
        commands: Type.Integer({ description: 'Commands to Redis.' }),
      }),
    ),
  },
  { title: 'SlowQueries', description: 'The latest first; of this process.' },
);
