/**
 * Slow questions: those that took `SLOW_QUERY_MS` or longer, from the arrival of the checked question to its answer,
 * waiting for another computation or for Redis included. Each is counted, logged, and kept in a ring of `keptMax`,
 * of which the oldest goes first; so a flood of them costs no memory, only the memory of those before.
 *
 * What is kept says where the time went: which operation, how many systems, which time, how many buckets and commands
 * that took, and where the answer came from. Whom it was about is not: neither ids nor addresses, items or IPs are
 * in it. Buckets and commands are those planned for this question, 0 where its answer was there already.
 */
import type { FastifyBaseLogger } from 'fastify';
import type { Clock } from '../clock.js';
import type { Metrics } from '../metrics.js';
import { formatInstant } from '../windows/instant.js';

const keptMax = 200;
/** Names that one entry holds. */
const SYSTEMS_NAMED_MAX = 10;

interface SlowQuestion {
  /** Name of the operation. */
  endpoint: string;
  scope: {
    systems: readonly string[];
    isAll: boolean;
    window: string | null;
    span: { from: number; to: number };
    work: { buckets: number; commands: number };
  };
  ms: number;
  /** Where the answer came from, or `failed`. */
  state: string;
}

interface SlowDependencies {
  thresholdMs: number;
  clock: Clock;
  metrics: Pick<Metrics, 'slowQueries'>;
  log: FastifyBaseLogger;
}

const entryOf = ({ endpoint, scope, ms, state }: SlowQuestion, now: number) => ({
  at: formatInstant(now),
  operation: endpoint,
  milliseconds: ms,
  state,
  systems: scope.isAll ? ['*'] : scope.systems.slice(0, SYSTEMS_NAMED_MAX),
  systems_asked: scope.systems.length,
  window: scope.window,
  from: formatInstant(scope.span.from),
  to: formatInstant(scope.span.to),
  buckets: scope.work.buckets,
  commands: scope.work.commands,
});

export function createSlowQueries({ thresholdMs, clock, metrics, log }: SlowDependencies) {
  const kept: ReturnType<typeof entryOf>[] = [];
  let noted = 0;

  return {
    thresholdMs,

    note(question: SlowQuestion): void {
      const entry = entryOf(question, clock.now());
      kept[noted++ % keptMax] = entry;
      metrics.slowQueries.inc({ endpoint: question.endpoint, state: question.state });
      log.info(entry, 'slow question');
    },

    /** How many there were since the start, and the latest of them, the latest first. */
    list() {
      const next = noted % keptMax;
      return { noted, questions: [...kept.slice(next), ...kept.slice(0, next)].reverse() };
    },
  };
}

export type SlowQueries = ReturnType<typeof createSlowQueries>;
