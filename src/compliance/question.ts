/**
 * Questions: what to ask Redis, and what to make of the replies, as one value. Questions combine, so however
 * many parts an answer has, it costs one round trip.
 *
 * Redis down or slow: a Problem 503; nothing is guessed and nothing waits.
 */
import type { InFlight } from '../cache/in-flight.js';
import { type Call, readPipeline, type Store, toProblem } from '../redis/pipeline.js';

export interface Question<Answer> {
  calls: Call[];
  /** Takes the replies to `calls`, in order. */
  decode(replies: readonly unknown[]): Answer;
}

/** One question that asks a list of them. */
export function all<Answer>(questions: readonly Question<Answer>[]): Question<Answer[]> {
  return {
    calls: questions.flatMap(({ calls }) => calls),
    decode(replies) {
      let at = 0;
      return questions.map((question) => {
        const own = replies.slice(at, at + question.calls.length);
        at += question.calls.length;
        return question.decode(own);
      });
    },
  };
}

type Answers<Parts> = { [Name in keyof Parts]: Parts[Name] extends Question<infer Answer> ? Answer : never };

/** One question that asks several, by name. */
export function combine<Parts extends Record<string, Question<unknown>>>(
  parts: Parts,
): Question<Answers<Parts>> {
  const names = Object.keys(parts);
  return map(all(Object.values(parts)), (answers) =>
    Object.fromEntries(answers.map((answer, i) => [names[i], answer])),
  ) as Question<Answers<Parts>>;
}

/** The same question with its answer turned into another. */
export function map<From, To>(question: Question<From>, change: (answer: From) => To): Question<To> {
  return { calls: question.calls, decode: (replies) => change(question.decode(replies)) };
}

/** Commands of one round trip. A question of more takes several, so that others come in between. */
const TRIP_CALLS_MAX = 2_000;

interface AskDependencies {
  redis: Store;
  timeoutMs: number;
  inFlight: InFlight;
}

/** Asks, in one round trip unless the question is very large. @throws Problem redis_unavailable, overloaded, internal */
export function createAsk({ redis, timeoutMs, inFlight }: AskDependencies) {
  async function repliesTo(calls: readonly Call[]): Promise<unknown[]> {
    const replies: unknown[] = [];
    try {
      for (let i = 0; i < calls.length; i += TRIP_CALLS_MAX) {
        const trip = calls.slice(i, i + TRIP_CALLS_MAX);
        for (const reply of await readPipeline(redis, trip, timeoutMs)) replies.push(reply);
      }
    } catch (error) {
      throw toProblem(error as Error);
    }
    return replies;
  }

  return async <Answer>(question: Question<Answer>): Promise<Answer> =>
    question.decode(await inFlight(() => repliesTo(question.calls)));
}

export type Ask = ReturnType<typeof createAsk>;
