/**
 * Subjects: what an operator does for one person. `resolve` tells which pseudonyms an id has, to find somebody in a
 * top list or in a log. `DELETE subjects/:id` takes somebody out of every top list and says what remains, where, and
 * until when (docs/privacy.md). Neither ever repeats an id in a log or in a problem.
 */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import type { Invalidation } from '../cache/generations.js';
import type { Clock } from '../clock.js';
import { Problem } from '../errors.js';
import { type People, type Pseudonyms, plainPeople } from '../privacy/pseudonyms.js';
import { problemAnswers } from '../problem-schema.js';
import { fromCursor, toCursor } from '../redis/cursor.js';
import { encodablePattern } from '../redis/keys.js';
import { toProblem } from '../redis/pipeline.js';
import { formatInstant } from '../windows/instant.js';
import { remainKinds, remainsOf } from './remains.js';
import type { Removal } from './removal.js';

interface SubjectsOptions {
  pseudonyms: Pseudonyms | undefined;
  removal: Removal;
  /** @throws Problem redis_unavailable */
  invalidate: (what: Invalidation) => Promise<void>;
  remains: Parameters<typeof remainsOf>[1];
  clock: Clock;
}

const ID_CHARACTERS_MAX = 512;
const IDS_MAX = 1_000;
const strict = { additionalProperties: false };

const id = Type.String({ minLength: 1, maxLength: ID_CHARACTERS_MAX, pattern: encodablePattern });
const ids = (what: string) =>
  Type.Array(id, { maxItems: IDS_MAX, default: [], description: `${what}, up to ${IDS_MAX}.` });
const resolveBody = Type.Object(
  { users: ids('User ids'), sessions: ids('Session ids'), ips: ids('IPs') },
  strict,
);
const resolved = Type.Array(
  Type.Object({
    id: Type.String(),
    current: Type.String(),
    previous: Type.Optional(Type.String({ description: 'Under the previous key, where one is set.' })),
  }),
);
const resolveAnswer = Type.Object(
  {
    users: resolved,
    sessions: resolved,
    ips: resolved,
    rotated_at: Type.Union([Type.String(), Type.Null()], {
      description: 'From when the current key writes.',
    }),
  },
  { title: 'Pseudonyms', description: 'The pseudonyms of each id, in the order asked.' },
);

const subjectParams = Type.Object({ id });
const subjectQuery = Type.Object(
  {
    kind: Type.Enum(['user', 'ip'], { default: 'user', description: 'What the id is of.' }),
    cursor: Type.Optional(Type.String({ description: '`next` of the answer before.' })),
  },
  strict,
);
const removalAnswer = Type.Object(
  {
    kind: Type.String(),
    done: Type.Boolean({ description: 'All systems have been looked at.' }),
    next: Type.Union([Type.String(), Type.Null()], {
      description: 'Cursor to send the same request with, to go on; null when done.',
    }),
    systems: Type.Integer({ description: 'Systems this request has looked at.' }),
    lists: Type.Integer({ description: 'Top lists in them that held the person.' }),
    removed: Type.Integer({ description: 'Entries taken out of these.' }),
    stays: Type.Array(
      Type.Object({
        in: Type.Enum([...remainKinds]),
        tells: Type.String(),
        until: Type.String({ description: 'At the latest, for what was written up to now.' }),
      }),
      { description: 'What is left of the person.' },
    ),
  },
  { title: 'Removal', description: 'What was removed, and what remains until when.' },
);

const subjectsRoutes: FastifyPluginAsyncTypebox<SubjectsOptions> = async (app, options) => {
  const { pseudonyms, removal, invalidate, remains, clock } = options;
  const people: People = pseudonyms ?? plainPeople;

  app.post(
    '/compliance/resolve',
    {
      schema: {
        tags: ['operations'],
        operationId: 'resolve',
        summary: 'Which pseudonyms ids have',
        body: resolveBody,
        response: {
          200: resolveAnswer,
          ...problemAnswers(['parameter_invalid', 'pseudonyms_off', 'quota_exceeded']),
        },
      },
    },
    async ({ body: { users, sessions, ips } }) => {
      if (!pseudonyms) {
        throw new Problem('pseudonyms_off', 'no PSEUDONYM_KEY is set, so ids are kept as they are');
      }
      const { resolve, changedAt } = pseudonyms;
      return {
        users: users.map((user) => ({ id: user, ...resolve('user', user) })),
        sessions: sessions.map((session) => ({ id: session, ...resolve('session', session) })),
        ips: ips.map((ip) => ({ id: ip, ...resolve('ip', ip) })),
        rotated_at: changedAt === undefined ? null : formatInstant(changedAt),
      };
    },
  );

  app.delete(
    '/subjects/:id',
    {
      schema: {
        tags: ['operations'],
        operationId: 'removeSubject',
        summary: 'Take somebody out of every top list',
        description:
          'Does a part of the work and says where to go on: send it again with `cursor` until it is done. Doing it twice changes nothing.',
        params: subjectParams,
        querystring: subjectQuery,
        response: {
          200: removalAnswer,
          ...problemAnswers(['parameter_invalid', 'internal', 'redis_unavailable']),
        },
      },
    },
    async ({ params: { id }, query: { kind, cursor }, principal }) => {
      const forms = [...new Set([...people.formsOf(kind, id), id])];
      const after = fromCursor(cursor);
      const { next, touched, ...counts } = await removal({
        kind,
        forms,
        after,
        within: principal.systems,
      }).catch((error: Error) => {
        throw toProblem(error);
      });
      if (touched.length > 0) await invalidate({ systems: touched });
      return {
        kind,
        done: next === undefined,
        next: next === undefined ? null : toCursor(next),
        ...counts,
        stays: remainsOf(kind, remains, clock.now()).map(({ until, ...remain }) => ({
          ...remain,
          until: formatInstant(until),
        })),
      };
    },
  );
};

export default subjectsRoutes;
