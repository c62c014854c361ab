/**
 * Questions: what to ask Redis, and what to make of the replies, as one value. Questions combine, so however
 * many parts an answer has, it costs one round trip.
 *
 * Redis down or slow: a Problem 503; nothing is guessed and nothing waits.
 */
import type { Redis } from 'ioredis';
import { Problem } from '../errors.js';
import { type Call, isUnavailable, readPipeline } from '../redis/pipeline.js';

export interface Question<Answer> {
  calls: Call[];
  /** Takes the replies to `calls`, in order. */
  decode(replies: readonly unknown[]): Answer;
}

type Answers<Parts> = { [Name in keyof Parts]: Parts[Name] extends Question<infer Answer> ? Answer : never };

/** One question that asks several. */
export function combine<Parts extends Record<string, Question<unknown>>>(
  parts: Parts,
): Question<Answers<Parts>> {
  return {
    calls: Object.values(parts).flatMap((part) => part.calls),
    decode(replies) {
      let at = 0;
      const answers = Object.entries(parts).map(([name, part]) => {
        const own = replies.slice(at, at + part.calls.length);
        at += part.calls.length;
        return [name, part.decode(own)];
      });
      return Object.fromEntries(answers);
    },
  };
}

/** The same question with its answer turned into another. */
export function map<From, To>(question: Question<From>, change: (answer: From) => To): Question<To> {
  return { calls: question.calls, decode: (replies) => change(question.decode(replies)) };
}

/** Asks, in one round trip. @throws Problem redis_unavailable, internal */
export function createAsk(redis: Redis, timeoutMs: number) {
  return async <Answer>(question: Question<Answer>): Promise<Answer> => {
    let replies: unknown[];
    try {
      replies = await readPipeline(redis, question.calls, timeoutMs);
    } catch (error) {
      const cause = error as Error;
      if (isUnavailable(cause)) {
        throw new Problem('redis_unavailable', 'Redis cannot be reached or is too slow', {}, { cause });
      }
      throw cause;
    }
    return question.decode(replies);
  };
}

export type Ask = ReturnType<typeof createAsk>;
