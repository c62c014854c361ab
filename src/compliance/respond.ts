/**
 * How a question is answered: from the cache where it can be (cache/answers.ts), with the headers of a cached answer.
 * What makes two questions the same is their endpoint, the systems they came to be about, the time, and every
 * other term; who may see which systems is decided before, so nobody is answered about more than that.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { AnswerCache, CachedAnswer } from '../cache/answers.js';
import { cacheKey } from '../redis/keys.js';
import type { Span } from '../windows/cover.js';
import type { Recall } from './recall.js';
import type { Scope } from './scope.js';
import { allSystems } from './systems.js';

export interface Asked {
  scope: Scope;
  /** Everything else that the answer depends on. */
  terms: Readonly<Record<string, string | number>>;
  /** Where it is not that of the scope: the time that has to be over before the answer stands. */
  span?: Span;
}

export type Respond = <Answer>(
  request: FastifyRequest,
  reply: FastifyReply,
  asked: Asked,
  compute: () => Promise<Answer>,
) => Promise<Answer>;

/** Puts an answer on the wire. */
type Send = (
  request: FastifyRequest,
  reply: FastifyReply,
  answer: CachedAnswer,
) => FastifyReply | Promise<FastifyReply>;

interface RespondDependencies {
  cache: AnswerCache;
  recall: Recall;
  send: Send;
  /** The same where it can be done at once; tells whether it was. */
  sendHeld: (...of: Parameters<Send>) => boolean;
  wantsFresh: (request: FastifyRequest) => boolean;
}

/** What the cache knows of a question. `endpoint`: the operation's name. */
export function createQuestionOf(cache: AnswerCache) {
  return (endpoint: string, { scope, terms, span = scope.span }: Asked) => {
    const { systems, isAll, window, label } = scope;
    const generation = cache.generationOf(isAll ? [allSystems] : systems, endpoint);
    const parts = { endpoint, systems, window: window ?? 'range', bucket: label, generation };
    return { endpoint, key: cacheKey({ ...parts, parameters: { ...terms, isAll } }), span };
  };
}

/** The name of the operation that a request asks for. */
const operationOf = ({ routeOptions }: FastifyRequest): string =>
  (routeOptions.schema as { operationId: string }).operationId;

/** Answers what can be recalled before it is read; to be added to routes that `respond`. */
export function createRecallHook({ recall, send, sendHeld, wantsFresh }: RespondDependencies) {
  return (request: FastifyRequest, reply: FastifyReply, done: () => void): void => {
    const answer = request.method === 'GET' && !wantsFresh(request) ? recall.recall(request) : undefined;
    if (!answer) done();
    else if (!sendHeld(request, reply, answer)) void send(request, reply, answer);
  };
}

export function createRespond({
  cache,
  recall,
  send,
  wantsFresh,
}: Omit<RespondDependencies, 'sendHeld'>): Respond {
  const questionOf = createQuestionOf(cache);
  return async <Answer>(
    request: FastifyRequest,
    reply: FastifyReply,
    asked: Asked,
    compute: () => Promise<Answer>,
  ) => {
    const question = questionOf(operationOf(request), asked);
    const serialise = reply.getSerializationFunction('200') as (value: unknown) => string;
    const refresh = wantsFresh(request);
    const read = { ...question, refresh, serialise };
    const answer = await cache.get(read, compute);
    recall.remember(request, asked.scope, read, compute);
    // The bytes are those of an answer; the type provider checks what computes them.
    return (await send(request, reply, answer)) as unknown as Answer;
  };
}
