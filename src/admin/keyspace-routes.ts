/**
 * Looking: which keys there are, what is kept of a system, what one sketch says of itself, which settings are in
 * effect, which questions were slow. Nothing here changes anything.
 *
 * Walks over the keyspace take seconds, so a process makes few of them at once; who comes too many gets 503.
 */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { Config } from '../config.js';
import { problemAnswers } from '../problem-schema.js';
import { systemFilter } from '../redis/system-filter.js';
import { tzdataVersion } from '../windows/tzdata.js';
import { type AdminRedis, takeCensus } from './census.js';
import { inspectKey } from './inspect.js';
import { listKeys } from './key-list.js';
import { invalidParameter } from './parameters.js';
import * as schemas from './schemas.js';
import { shownSettings } from './settings.js';
import type { SlowQueries } from './slow-queries.js';
import type { Turns } from './turns.js';

export interface KeyspaceOptions {
  admin: AdminRedis;
  turns: Turns;
  config: Config;
  slow: SlowQueries;
}

const tags = ['operations'];

export const keyspaceRoutes: FastifyPluginAsyncTypebox<KeyspaceOptions> = async (app, options) => {
  const { admin, turns, config, slow } = options;
  const walking = problemAnswers(['parameter_invalid', 'overloaded', 'redis_unavailable']);

  app.get(
    '/keys',
    {
      schema: {
        tags,
        operationId: 'keys',
        summary: 'Which keys of systems there are',
        querystring: schemas.keysQuery,
        response: { 200: schemas.keysAnswer, ...walking },
      },
    },
    async ({ query: { system, pattern, sketch, cursor, limit } }) => {
      if (system !== undefined && pattern !== undefined)
        throw invalidParameter('pattern', 'cannot go with system');
      const kinds = sketch === undefined ? undefined : new Set([sketch]);
      const filter = systemFilter(admin.shardsOf, system, pattern);
      return turns.take(() => listKeys(admin, { filter, kinds, cursor, limit }));
    },
  );

  app.get(
    '/systems/:system',
    {
      schema: {
        tags,
        operationId: 'systemKeys',
        summary: 'How much is kept of a system',
        params: schemas.systemParams,
        response: { 200: schemas.systemAnswer, ...walking },
      },
    },
    async ({ params: { system } }) =>
      turns.take(async () => ({
        system,
        ...(await takeCensus(admin, systemFilter(admin.shardsOf, system))),
      })),
  );

  app.get(
    '/keys/:key',
    {
      schema: {
        tags,
        operationId: 'key',
        summary: 'What one sketch says of itself',
        params: schemas.keyParams,
        response: {
          200: schemas.keyAnswer,
          ...problemAnswers(['not_found', 'sketch_unreadable', 'redis_unavailable']),
        },
      },
    },
    async ({ params: { key } }) => inspectKey(admin, key),
  );

  app.get(
    '/settings',
    {
      schema: {
        tags,
        operationId: 'settings',
        summary: 'The settings in effect',
        response: { 200: schemas.settingsAnswer },
      },
    },
    async () => ({ settings: shownSettings(config), tzdata_version: tzdataVersion }),
  );

  app.get(
    '/slow-queries',
    {
      schema: {
        tags,
        operationId: 'slowQueries',
        summary: 'Which questions took long',
        response: { 200: schemas.slowAnswer },
      },
    },
    async () => ({ threshold_milliseconds: slow.thresholdMs, ...slow.list() }),
  );
};
