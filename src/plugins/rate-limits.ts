/**
 * Rate limits of requests: a guard of every client address, and the questions of every API key. What ingest costs is
 * known after its body is read, so events/routes.ts asks for that itself (`createEventCharges`).
 *
 * The guard comes before anything else is done for a request, so that neither a wrong key nor a path that does not exist
 * is free. Paths that tell how the service is stay open, so that no noisy neighbour makes it look dead. The hook of
 * @fastify/rate-limit is not used, since it makes promises for every request where our buckets answer at once.
 *
 * Every answer that a limit was asked for says what is left (limits/fields.ts).
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';

import type { Problem } from '../errors.js';
import { rateField, refusal } from '../limits/fields.js';
import type { Decision, Limiter } from '../limits/limiter.js';
import type { Limit, LimitOf } from '../limits/policies.js';
import type { AddressOf } from './client-address.js';

const openPaths = new Set(['/livez', '/readyz', '/metrics', '/api/v1/events/health']);
const questionPaths = /^\/api\/v1\/(?:compliance|systems)\b/;

/** Adds the items of a decision to the fields that tell of limits. @returns the problem that it is, if any */
function tell(reply: FastifyReply, decision: Decision, policies: string, rates: string): Problem | undefined {
  reply.header('ratelimit-policy', policies + decision.limit.field);
  reply.header('ratelimit', rates + rateField(decision));
  return decision.allowed ? undefined : refusal(decision);
}

/** What the fields say already, to be followed by another item. */
function before(reply: FastifyReply, field: string): string {
  const value = reply.getHeader(field);
  return value === undefined ? '' : `${value}, `;
}

const tellMore = (reply: FastifyReply, decision: Decision): Problem | undefined =>
  tell(reply, decision, before(reply, 'ratelimit-policy'), before(reply, 'ratelimit'));

/** Goes on, or not, with what was decided: at once, since most decisions are there and a promise would cost more than they do. */
function spend(
  decided: Decision | Promise<Decision>,
  reply: FastifyReply,
  done: (problem?: Problem) => void,
): void {
  if (decided instanceof Promise) void decided.then((decision) => done(tellMore(reply, decision)));
  else done(tellMore(reply, decided));
}

interface GuardOptions {
  limiter: Limiter;
  limit: Limit;
  addressOf: AddressOf;
}

/** Limits the requests of each client address. To be registered before anything that a request may cost. */
export const addressGuard = fp(
  async (app: FastifyInstance, { limiter, limit, addressOf }: GuardOptions) => {
    app.addHook('onRequest', (request, reply, done) => {
      if (openPaths.has(request.routeOptions.url ?? '')) return done();
      spend(limiter.take(limit, addressOf(request), 1), reply, done);
    });
  },
  { name: 'address-guard' },
);

interface QuestionLimitOptions {
  limiter: Limiter;
  limitOf: LimitOf;
}

/** Limits the questions of each key. To be registered where it is known who asks, before what answers. */
export const questionLimit = fp(
  async (app: FastifyInstance, { limiter, limitOf }: QuestionLimitOptions) => {
    app.addHook('onRequest', (request, reply, done) => {
      const limit = limitOf(request.principal);
      if (!limit || !questionPaths.test(request.routeOptions.url ?? '')) return done();
      spend(limiter.take(limit, request.principal.name, 1), reply, done);
    });
  },
  { name: 'question-limit' },
);

/** Opens the account of a request: what its events are charged to, in one go or chunk by chunk. */
export function createEventCharges({ limiter, limitOf }: QuestionLimitOptions) {
  return (request: FastifyRequest, reply: FastifyReply) => {
    const { principal } = request;
    const limit = limitOf(principal);
    if (!limit) return undefined;
    const policies = before(reply, 'ratelimit-policy');
    const rates = before(reply, 'ratelimit');
    const settle = (decision: Decision): void => {
      const problem = tell(reply, decision, policies, rates);
      if (problem) throw problem;
    };
    return (events: number): Promise<void> | undefined => {
      const decided = limiter.take(limit, principal.name, events);
      if (decided instanceof Promise) return decided.then(settle);
      settle(decided);
      return undefined;
    };
  };
}
