/**
 * Queries: from parameters to a question, from its reply to an answer with bound and coverage. Each is one
 * round trip to Redis. Everything asked is written down in the answer: window, instant, the span it covers.
 */
import type { Clock } from '../clock.js';
import { Problem } from '../errors.js';
import type { Window } from '../windows/cover.js';
import { formatInstant } from '../windows/instant.js';
import { type Coverage, combineCoverage, type Retention } from '../windows/retention.js';
import { askHistory, coverageOf, type History } from './history.js';
import { readTimestamp, readWindow, type WindowBuckets } from './parameters.js';
import { type Ask, combine, map, type Question } from './question.js';
import { askDistinct, askMembership, askTop, type Distinct } from './sketch-questions.js';

export interface QueryDependencies {
  ask: Ask;
  retention: Retention;
  clock: Clock;
}

/** What every question takes. */
export interface Asked {
  system: string;
  window: Window;
  timestamp?: string | undefined;
}

/** What every answer says about itself. */
export interface Said {
  timestamp: string;
  from: string;
  to: string;
  coverage: Coverage;
}

const NOTE = 'Answered by a Bloom filter: "no" is certain, "yes" is wrong at the false-positive rate.';
const NOTE_GONE = 'Some of this time is no longer kept, so "no" is not certain.';

/** Adds to a question what its answer covers. */
export function withCoverage<Answer extends { exists: boolean[] }>(
  { retention, clock }: QueryDependencies,
  system: string,
  at: number,
  { from, to, buckets }: WindowBuckets,
  question: Question<Answer>,
): Question<Answer & { said: Said }> {
  return map(combine({ answer: question, history: askHistory(system, from, to) }), (reply) => {
    const { answer, history } = reply as { answer: Answer; history: History };
    const coverage = coverageOf(history, buckets, answer.exists, retention, clock.now());
    const said = { timestamp: formatInstant(at), from: formatInstant(from), to: formatInstant(to), coverage };
    return { ...answer, said };
  });
}

const bound = ({ standardError, lower, upper }: Distinct) => ({
  standard_error: standardError,
  lower,
  upper,
});
const percent = (share: number) => `±${(share * 100).toFixed(2)}%`;

export function createQueries(dependencies: QueryDependencies) {
  const { ask, clock } = dependencies;
  const instant = (timestamp: string | undefined) => readTimestamp(timestamp, clock.now());

  function distinctQuestion(system: string, metric: string, window: Window, at: number) {
    const span = readWindow('distinct', window, at);
    return withCoverage(dependencies, system, at, span, askDistinct(system, metric, span.buckets));
  }

  function topQuestion(system: string, metric: string, k: number, window: Window, at: number) {
    const span = readWindow('top', window, at);
    return withCoverage(dependencies, system, at, span, askTop(system, metric, k, span.buckets));
  }

  return {
    async distinct(metric: string, { system, window, timestamp }: Asked) {
      const reply = await ask(distinctQuestion(system, metric, window, instant(timestamp)));
      const { count, standardError, said } = reply;
      const accuracy = percent(standardError);
      return {
        metric,
        system,
        window,
        count,
        accuracy,
        bound: { ...bound(reply), confidence: 0.95 },
        ...said,
      };
    },

    async activity(subject: { user_id?: string; ip?: string }, { system, window, timestamp }: Asked) {
      const { user_id, ip } = subject;
      if ((user_id === undefined) === (ip === undefined)) {
        const detail = 'exactly one of user_id and ip is required';
        throw new Problem('parameter_invalid', detail, { errors: [{ pointer: '/user_id', detail }] });
      }
      const at = instant(timestamp);
      const span = readWindow('membership', window, at);
      const question =
        user_id === undefined
          ? askMembership(system, 'ips', ip as string, span.buckets)
          : askMembership(system, 'users', user_id, span.buckets);
      const reply = await ask(withCoverage(dependencies, system, at, span, question));
      const { found, falsePositiveRate, saturated, said } = reply;
      const certainNo = said.coverage === 'complete' ? 1 : null;
      return {
        ...subject,
        system,
        window,
        accessed: found,
        probability: found ? 1 - falsePositiveRate : certainNo,
        false_positive_rate: falsePositiveRate,
        saturated,
        note: said.coverage === 'complete' ? NOTE : `${NOTE} ${NOTE_GONE}`,
        ...said,
      };
    },

    async top(metric: string, k: number, { system, window, timestamp }: Asked) {
      const { items, floor, said } = await ask(topQuestion(system, metric, k, window, instant(timestamp)));
      return { metric, system, window, k, items, floor, ...said };
    },

    async summary(system: string, timestamp: string | undefined) {
      const at = instant(timestamp);
      const distinct = (metric: string, window: Window) => distinctQuestion(system, metric, window, at);
      const reply = await ask(
        combine({
          hourUsers: distinct('users', '1h'),
          hourSessions: distinct('sessions', '1h'),
          hourIps: distinct('ips', '1h'),
          topUsers: topQuestion(system, 'active_users', 10, '1h', at),
          topIps: topQuestion(system, 'active_ips', 10, '1h', at),
          dayUsers: distinct('users', '1d'),
          daySessions: distinct('sessions', '1d'),
          dayIps: distinct('ips', '1d'),
        }),
      );
      const { hourUsers, hourSessions, hourIps, dayUsers, daySessions, dayIps } = reply;
      const uniques = (users: typeof hourUsers, sessions: typeof hourUsers, ips: typeof hourUsers) => ({
        unique_users: users.count,
        unique_sessions: sessions.count,
        unique_ips: ips.count,
        bounds: { unique_users: bound(users), unique_sessions: bound(sessions), unique_ips: bound(ips) },
        from: users.said.from,
        to: users.said.to,
      });
      const coverage = (...parts: { said: Said }[]) =>
        combineCoverage(parts.map(({ said }) => said.coverage));
      const { topUsers, topIps } = reply;
      return {
        system,
        timestamp: formatInstant(at),
        hourly: {
          ...uniques(hourUsers, hourSessions, hourIps),
          top_users: topUsers.items,
          top_ips: topIps.items,
          coverage: coverage(hourUsers, hourSessions, hourIps, topUsers, topIps),
        },
        daily: {
          ...uniques(dayUsers, daySessions, dayIps),
          coverage: coverage(dayUsers, daySessions, dayIps),
        },
      };
    },
  };
}

export type Queries = ReturnType<typeof createQueries>;
