/**
 * Administration: what an operator, or an import at its end, asks and tells the service. Looking at the keyspace is in
 * keyspace-routes.ts, deleting in purge-routes.ts; here is invalidation.
 *
 * Invalidation makes answers be computed anew that the cache (cache/answers.ts) would still give out: about some systems
 * or all of them, at one endpoint or all of them. After an import what it brought is seen at once that way, instead of
 * when the answers of before have become old.
 *
 * It deletes nothing and tells nobody anything: the worst that can be done with it is to make questions cost what they
 * cost without a cache, and single flight still holds then.
 *
 * It holds at once in this process and, since others look for it once a second, shortly after everywhere. Redis away:
 * 503, and nothing is invalid; try again.
 */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import { cachedEndpoints } from '../cache/endpoints.js';
import type { Invalidation } from '../cache/generations.js';
import { problemAnswers } from '../problem-schema.js';
import { type KeyspaceOptions, keyspaceRoutes } from './keyspace-routes.js';
import { systemName } from './parameters.js';
import { type PurgeOptions, purgeRoutes } from './purge-routes.js';

const SYSTEMS_MAX = 1_000;
const EVERYTHING = '*' as const;

interface AdminOptions extends KeyspaceOptions, PurgeOptions {
  /** @throws Problem redis_unavailable */
  invalidate: (what: Invalidation) => Promise<void>;
}

const invalidationBody = Type.Object(
  {
    systems: Type.Optional(
      Type.Array(systemName, {
        minItems: 1,
        maxItems: SYSTEMS_MAX,
        description: 'Answers about these systems, and about all systems together. Default: about any.',
      }),
    ),
    endpoint: Type.Optional(
      Type.Enum([...cachedEndpoints], { description: 'Answers of this operation. Default: of any.' }),
    ),
  },
  { additionalProperties: false },
);
const invalidationAnswer = Type.Object(
  {
    invalidated: Type.Object({
      systems: Type.Union([Type.Array(Type.String()), Type.Literal(EVERYTHING)]),
      endpoint: Type.String(),
    }),
  },
  { title: 'Invalidation', description: 'What is computed anew from now on; `*` means everything.' },
);

const adminRoutes: FastifyPluginAsyncTypebox<AdminOptions> = async (app, options) => {
  const { invalidate, admin, turns, config, slow, purge } = options;
  await app.register(keyspaceRoutes, { admin, turns, config, slow });
  await app.register(purgeRoutes, { purge, turns });

  app.post(
    '/cache/invalidate',
    {
      schema: {
        tags: ['operations'],
        operationId: 'invalidate',
        summary: 'Have cached answers computed anew',
        body: invalidationBody,
        response: {
          200: invalidationAnswer,
          ...problemAnswers(['parameter_invalid', 'quota_exceeded', 'internal', 'redis_unavailable']),
        },
      },
    },
    async ({ body: { systems: named, endpoint } }) => {
      const systems = named?.includes(EVERYTHING) ? undefined : named;
      await invalidate({ systems, endpoint });
      return { invalidated: { systems: systems ?? EVERYTHING, endpoint: endpoint ?? EVERYTHING } };
    },
  );
};

export default adminRoutes;
