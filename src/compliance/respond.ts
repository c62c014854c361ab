/** How a question is answered: computed, each time anew. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Scope } from './scope.js';

export interface Asked {
  scope: Scope;
  /** Everything else that the answer depends on. */
  terms: Readonly<Record<string, string | number>>;
}

export type Respond = <Answer>(
  request: FastifyRequest,
  reply: FastifyReply,
  asked: Asked,
  compute: () => Promise<Answer>,
) => Promise<Answer>;

export const createRespond = (): Respond => (_request, _reply, _asked, compute) => compute();
