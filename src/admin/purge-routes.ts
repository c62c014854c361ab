/**
 * `POST /purge`, in two steps at least: the first says what would go and deletes nothing, the next ones carry what
 * the answer before told them to `confirm`. Each purge is logged with who asked for it.
 */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyRequest } from 'fastify';
import { Problem } from '../errors.js';
import { problemAnswers } from '../problem-schema.js';
import { invalidParameter } from './parameters.js';
import type { PurgeWork } from './purge.js';
import type { PurgeScope } from './purge-tickets.js';
import * as schemas from './schemas.js';
import type { Turns } from './turns.js';

export interface PurgeOptions {
  purge: PurgeWork;
  turns: Turns;
}

/** Names that an answer repeats. */
const SYSTEMS_NAMED_MAX = 100;

interface PurgeAsked extends PurgeScope {
  confirm?: string;
  dry_run?: boolean;
}

/** What is asked for. @throws Problem parameter_invalid */
function readScope({ confirm: _, dry_run, ...scope }: PurgeAsked): PurgeScope {
  if (dry_run === false) throw invalidParameter('confirm', 'is required: ask without it first');
  const { system, pattern } = scope;
  if ((system === undefined) !== (pattern === undefined)) return scope;
  const detail = 'exactly one of system and pattern is required';
  throw new Problem('parameter_invalid', detail, { errors: [{ pointer: '/system', detail }] });
}

/** @throws Problem parameter_invalid */
function checkAlone({ confirm: _, dry_run, ...rest }: PurgeAsked): void {
  const [name] = dry_run ? ['dry_run'] : Object.keys(rest);
  if (name !== undefined) throw invalidParameter(name, 'cannot go with confirm');
}

/** What a purge is about, in the words of the API. */
const said = ({ system, pattern, sketches }: PurgeScope, systems: readonly string[]) => ({
  system: system ?? null,
  pattern: pattern ?? null,
  sketches_only: sketches ?? null,
  systems: systems.length,
  systems_named: systems.slice(0, SYSTEMS_NAMED_MAX),
});

export const purgeRoutes: FastifyPluginAsyncTypebox<PurgeOptions> = async (app, { purge, turns }) => {
  async function preview(scope: PurgeScope) {
    const { systems, census, confirm } = await purge.preview(scope);
    const about = said(scope, systems);
    return { dry_run: true, done: false, ...about, removed_keys: 0, would_remove: census, confirm };
  }

  async function proceed(ticket: string, request: FastifyRequest) {
    const { scope, systems, removed, done, confirm } = await purge.proceed(ticket);
    const by = { requestId: request.id, principal: request.principal.name };
    request.log.info({ ...by, ...scope, removed, done }, 'purge');
    return { dry_run: false, done, ...said(scope, systems), removed_keys: removed, confirm };
  }

  app.post(
    '/purge',
    {
      schema: {
        tags: ['operations'],
        operationId: 'purge',
        summary: 'Delete what is kept of systems',
        body: schemas.purgeBody,
        response: {
          200: schemas.purgeAnswer,
          ...problemAnswers([
            'parameter_invalid',
            'confirmation_unknown',
            'question_too_large',
            'internal',
            'overloaded',
            'purge_busy',
            'redis_unavailable',
          ]),
        },
      },
    },
    async (request) => {
      const { body } = request;
      if (body.confirm === undefined) {
        const scope = readScope(body);
        return turns.take(() => preview(scope));
      }
      checkAlone(body);
      const { confirm } = body;
      return turns.take(() => proceed(confirm, request));
    },
  );
};
