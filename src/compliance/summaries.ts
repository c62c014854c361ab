/** The summaries of many systems, a few at a time. One that fails is marked, and the rest still comes. */
import type { AnswerCache } from '../cache/answers.js';
import type { Clock } from '../clock.js';
import { Problem, problems } from '../errors.js';
import { anyone, mayTouch, type Principal } from '../principal.js';
import type { Explain } from './explain.js';
import { type Queries, summaryOf } from './query.js';
import { createQuestionOf } from './respond.js';
import type { Scope } from './scope.js';
import { systemForbidden } from './systems.js';

/** Summaries that are computed at once. */
const AT_ONCE_MAX = 10;

type Summary = Awaited<ReturnType<Queries['summary']>>;

interface Failed {
  system: string;
  error: { code: string; status: number; detail: string; nearest?: string[] };
}

function failed(system: string, cause: unknown): Failed {
  const problem =
    cause instanceof Problem ? cause : new Problem('internal', problems.internal.title, {}, { cause });
  const { code, message: detail, extensions } = problem;
  const nearest = Array.isArray(extensions.nearest) ? { nearest: extensions.nearest } : {};
  return { system, error: { code, status: problems[code].status, detail, ...nearest } };
}

interface Asker {
  principal: Principal;
  /** It wants answers whose computation begins after its request. */
  refresh: boolean;
}

interface SummariesDependencies {
  cache: AnswerCache;
  queries: Queries;
  explain: Explain;
  clock: Clock;
}

export function createSummaries({ cache, queries, explain, clock }: SummariesDependencies) {
  const questionOf = createQuestionOf(cache, clock);

  async function summary(scope: Scope, { principal, refresh }: Asker): Promise<Summary> {
    const isForbidden = scope.systems.some((system) => !mayTouch(principal, system));
    if (isForbidden) throw systemForbidden('/systems');
    const question = questionOf('summary', summaryOf(scope, clock.now()));
    const compute = (_: number, asOf: number) => queries.summary(scope, asOf);
    const { entry } = await cache.get({ ...question, refresh, serialise: JSON.stringify }, compute);
    return JSON.parse(entry.body.toString());
  }

  /** A system that the principal must not see, or that does not exist, fails like any other. */
  return async (scopes: readonly Scope[], asker: Asker = { principal: anyone, refresh: false }) => {
    const summaries: (Summary | Failed)[] = new Array(scopes.length);
    let next = 0;
    const work = async () => {
      for (let i = next++; i < scopes.length; i = next++) {
        const scope = scopes[i];
        summaries[i] = await summary(scope, asker).catch(async (error: unknown) =>
          failed(scope.systems[0], await explain(error, asker.principal)),
        );
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE_MAX }, work));
    return { summaries, failed: summaries.filter((one) => 'error' in one).length };
  };
}

export type Summaries = ReturnType<typeof createSummaries>;
