/** The summaries of many systems, a few at a time. One that fails is marked, and the rest still comes. */
import type { AnswerCache } from '../cache/answers.js';
import type { Clock } from '../clock.js';
import { Problem, problems } from '../errors.js';
import { type Queries, summaryOf } from './query.js';
import { createQuestionOf } from './respond.js';
import type { Scope } from './scope.js';
import { systemForbidden } from './systems.js';

/** Summaries that are computed at once. */
const AT_ONCE_MAX = 10;

type Summary = Awaited<ReturnType<Queries['summary']>>;

interface Failed {
  system: string;
  error: { code: string; status: number; detail: string };
}

function failed(system: string, cause: unknown): Failed {
  const problem =
    cause instanceof Problem ? cause : new Problem('internal', problems.internal.title, {}, { cause });
  const { code, message: detail } = problem;
  return { system, error: { code, status: problems[code].status, detail } };
}

interface SummariesDependencies {
  cache: AnswerCache;
  queries: Queries;
  clock: Clock;
}

export function createSummaries({ cache, queries, clock }: SummariesDependencies) {
  const questionOf = createQuestionOf(cache);

  async function summary(scope: Scope, isAllowed: (system: string) => boolean): Promise<Summary> {
    if (!scope.systems.every(isAllowed)) throw systemForbidden('/systems');
    const question = questionOf('summary', summaryOf(scope, clock.now()));
    const { entry } = await cache.get({ ...question, refresh: false, serialise: JSON.stringify }, () =>
      queries.summary(scope),
    );
    return JSON.parse(entry.body.toString());
  }

  /** `isAllowed`: whether the asker may see a system; one that must not be seen fails like any other. */
  return async (scopes: readonly Scope[], isAllowed: (system: string) => boolean = () => true) => {
    const summaries: (Summary | Failed)[] = new Array(scopes.length);
    let next = 0;
    const work = async () => {
      for (let i = next++; i < scopes.length; i = next++) {
        const scope = scopes[i];
        summaries[i] = await summary(scope, isAllowed).catch((error: unknown) =>
          failed(scope.systems[0], error),
        );
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE_MAX }, work));
    return { summaries, failed: summaries.filter((one) => 'error' in one).length };
  };
}

export type Summaries = ReturnType<typeof createSummaries>;
