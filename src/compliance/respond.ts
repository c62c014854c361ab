/**
 * How a question is answered: from the cache where it can be (cache/answers.ts), with the headers of a cached answer.
 * What makes two questions the same is their endpoint, the systems they came to be about, the time, and every
 * other term; who may see which systems is decided before, so nobody is answered about more than that.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { AnswerCache, CachedAnswer } from '../cache/answers.js';
import { isOver } from '../cache/policies.js';
import type { Clock } from '../clock.js';
import { cacheKey } from '../redis/keys.js';
import type { Span } from '../windows/cover.js';
import type { Explain } from './explain.js';
import type { Recall } from './recall.js';
import type { Scope } from './scope.js';
import { saysNo } from './statement.js';
import { allSystems, type FindSystems } from './systems.js';

export interface Asked {
  scope: Scope;
  /** Everything else that the answer depends on. */
  terms: Readonly<Record<string, string | number>>;
  /** Where it is not that of the scope: the time that has to be over before the answer stands. */
  span?: Span;
}

/**
 * @param compute takes the scope with the systems that there are, and the instant before anything was read, by Redis'
 *   clock, milliseconds since 1970
 */
export type Respond = <Answer extends object>(
  request: FastifyRequest,
  reply: FastifyReply,
  asked: Asked,
  compute: (scope: Scope, asOf: number) => Promise<Answer>,
) => Promise<Answer>;

/** A question that took long, without what would tell who was asked about. */
interface SlowQuestion {
  endpoint: string;
  scope: Scope;
  ms: number;
  state: string;
}

/** Takes note of questions that took `thresholdMs` or longer. */
export interface SlowLog {
  thresholdMs: number;
  note: (question: SlowQuestion) => void;
}

/** Puts an answer on the wire. */
type Send = (
  request: FastifyRequest,
  reply: FastifyReply,
  answer: CachedAnswer,
) => FastifyReply | Promise<FastifyReply>;

/** Whether a request will not have an answer from before it. */
export type WantsFresh = (request: Pick<FastifyRequest, 'headers'>) => boolean;

interface RespondDependencies {
  cache: AnswerCache;
  recall: Recall;
  send: Send;
  /** The same where it can be done at once; tells whether it was. */
  sendHeld: (...of: Parameters<Send>) => boolean;
  wantsFresh: WantsFresh;
  explain: Explain;
  findSystems: FindSystems;
  slow: SlowLog;
  clock: Clock;
  /** For how long a question takes. */
  stopwatch: Clock;
}

/** What the cache knows of a question. `endpoint`: the operation's name. */
export function createQuestionOf(cache: AnswerCache, clock: Clock) {
  return (endpoint: string, { scope, terms, span = scope.span }: Asked) => {
    const { systems, isAll, window, label } = scope;
    const closed = isOver(span, clock.now());
    const generation = cache.generationOf(isAll ? [allSystems] : systems, endpoint, closed);
    const parts = { endpoint, systems, window: window ?? 'range', bucket: label, generation };
    const key = cacheKey({ ...parts, parameters: { ...terms, isAll } });
    return { endpoint, key, span, closed, isNo: saysNo };
  };
}

/** The name of the operation that a request asks for. */
const operationOf = ({ routeOptions }: FastifyRequest): string =>
  (routeOptions.schema as { operationId: string }).operationId;

/** Answers what can be recalled before it is read; to be added to routes that `respond`. */
export function createRecallHook({
  recall,
  send,
  sendHeld,
  wantsFresh,
}: Pick<RespondDependencies, 'recall' | 'send' | 'sendHeld' | 'wantsFresh'>) {
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
  explain,
  findSystems,
  slow,
  clock,
  stopwatch,
}: Omit<RespondDependencies, 'sendHeld'>): Respond {
  const questionOf = createQuestionOf(cache, clock);

  /** Notes what has taken long, whether there was an answer or not. */
  function noteIfSlow(endpoint: string, scope: Scope, startedAt: number, state: string): void {
    const ms = stopwatch.now() - startedAt;
    if (ms >= slow.thresholdMs) slow.note({ endpoint, scope, ms, state });
  }
  return async <Answer extends object>(
    request: FastifyRequest,
    reply: FastifyReply,
    asked: Asked,
    compute: (scope: Scope, asOf: number) => Promise<Answer>,
  ) => {
    const { version } = cache;
    const question = questionOf(operationOf(request), asked);
    const serialise = reply.getSerializationFunction('200') as (value: unknown) => string;
    const refresh = wantsFresh(request);
    const read = { ...question, refresh, serialise };
    let { scope } = asked;
    const computeAt = async (_: number, asOf: number) => {
      scope = await findSystems(asked.scope);
      return compute(scope, asOf);
    };
    const startedAt = stopwatch.now();
    let answer: CachedAnswer;
    try {
      answer = await cache.get(read, computeAt);
    } catch (error) {
      noteIfSlow(question.endpoint, scope, startedAt, 'failed');
      throw await explain(error, request.principal);
    }
    noteIfSlow(question.endpoint, scope, startedAt, answer.state);
    recall.remember(request, asked.scope, { question: read, compute: computeAt, version });
    // The bytes are those of an answer; the type provider checks what computes them.
    return (await send(request, reply, answer)) as unknown as Answer;
  };
}
