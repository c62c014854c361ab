/** Queries: from a scope to a question, from its reply to an answer with bound and coverage. */
import { Problem } from '../errors.js';
import type { People } from '../privacy/pseudonyms.js';
import { type PersonKind, personOf, topMetrics } from '../sketches/registry.js';
import type { Window } from '../windows/cover.js';
import { spanOf } from '../windows/cover.js';
import { combineCoverage } from '../windows/retention.js';
import { createCovered, type QueryDependencies, type Said, saidOf } from './covered.js';
import { askTop } from './list-questions.js';
import { askItemFrequency, askPersonMembership } from './person-questions.js';
import type { Place } from './place.js';
import { combine } from './question.js';
import type { Asked } from './respond.js';
import type { Scope } from './scope.js';
import { askDistinct, type Distinct } from './set-questions.js';

const NOTE = 'Answered by a Bloom filter: "no" is certain, "yes" is wrong at the false-positive rate.';
/** What is said of people where the form of their ids changed within the time. */
export const notedTwice = {
  note: 'The form of ids changed within this time: who came before and after it counts twice.',
};
const NOTE_GONE = 'Some of this time is no longer kept, so "no" is not certain.';

const bound = ({ standardError, lower, upper }: Distinct) => ({
  standard_error: standardError,
  lower,
  upper,
});
const percent = (share: number) => `±${(share * 100).toFixed(2)}%`;

export interface Subject {
  metric: 'users' | 'ips';
  /** In which it may have been written; the first is shown. */
  forms: readonly string[];
}

interface SubjectParameters {
  user_id?: string | undefined;
  ip?: string | undefined;
}

/** Who is asked about. @throws Problem where there is nobody, or two */
export function readSubject({ user_id, ip }: SubjectParameters, people: People): Subject {
  if (user_id !== undefined && ip === undefined)
    return { metric: 'users', forms: people.formsOf('user', user_id) };
  if (ip !== undefined && user_id === undefined) return { metric: 'ips', forms: people.formsOf('ip', ip) };
  const detail = 'exactly one of user_id and ip is required';
  throw new Problem('parameter_invalid', detail, { errors: [{ pointer: '/user_id', detail }] });
}

/** The forms in which an item may have been written; it has others than its own where it is somebody's id. */
export const formsOfItem = (people: People, person: PersonKind | undefined, item: string) =>
  person === undefined ? [item] : people.formsOf(person, item);

const LISTED = 10;

/** A summary as it is asked: once its hour is over its day may still go on, and the answer with it. */
export function summaryOf(scope: Scope, now: number): Asked {
  return { scope, terms: {}, span: now < scope.span.to ? scope.span : spanOf('1d', scope.at) };
}

export function createQueries(dependencies: QueryDependencies) {
  const { ask, clock } = dependencies;
  const { askCovered, preferred } = createCovered(dependencies);

  return {
    async distinct(metric: string, scope: Scope) {
      const reply = await askCovered('distinct', scope, (places) => askDistinct(metric, places));
      const { count, standardError, said, isMixed } = reply;
      return {
        ...(isMixed ? notedTwice : {}),
        metric,
        count,
        accuracy: percent(standardError),
        bound: { ...bound(reply), confidence: 0.95 },
        ...said,
      };
    },

    async activity(subject: Subject, scope: Scope) {
      const { metric, forms } = subject;
      const asking = (places: readonly Place[]) => askPersonMembership(metric, forms, places);
      const reply = await askCovered('membership', scope, asking);
      const { found, falsePositiveRate, saturated, said } = reply;
      const certainNo = said.coverage === 'complete' ? 1 : null;
      return {
        ...(metric === 'users' ? { user_id: forms[0] } : { ip: forms[0] }),
        accessed: found,
        probability: found ? 1 - falsePositiveRate : certainNo,
        false_positive_rate: falsePositiveRate,
        saturated,
        note: said.coverage === 'complete' ? NOTE : `${NOTE} ${NOTE_GONE}`,
        ...said,
      };
    },

    /** How often an item came, in all its forms: never too low, too high at most by the bound. */
    async frequency(metric: string, forms: readonly string[], scope: Scope) {
      const asking = (places: readonly Place[]) => askItemFrequency(metric, forms, places);
      const { count, lower, upper, confidence, said } = await askCovered('frequency', scope, asking);
      return { metric, item: forms[0], count, bound: { lower, upper, confidence }, ...said };
    },

    async top(metric: string, k: number, scope: Scope) {
      const asking = (places: readonly Place[]) => askTop(metric, k, places);
      const { items, floor, said, isMixed } = await askCovered('top', scope, asking);
      const note = isMixed && personOf(topMetrics, metric) ? notedTwice : {};
      return { metric, k, items, floor, ...note, ...said };
    },

    /** The hour and the day that hold the instant of the scope. */
    async summary(scope: Scope) {
      const within = (window: Window): Scope => ({
        ...scope,
        window,
        span: spanOf(window, scope.at),
        isAligned: true,
      });
      const distinct = (metric: string, window: Window) =>
        preferred('distinct', within(window), (places) => askDistinct(metric, places));
      const top = (metric: string) =>
        preferred('top', within('1h'), (places) => askTop(metric, LISTED, places));
      const reply = await ask(
        combine({
          hourUsers: distinct('users', '1h'),
          hourSessions: distinct('sessions', '1h'),
          hourIps: distinct('ips', '1h'),
          topUsers: top('active_users'),
          topIps: top('active_ips'),
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
      const { window: _, tz: __, ...said } = saidOf(scope, clock.now());
      return {
        ...(Object.values(reply).some(({ isMixed }) => isMixed) ? notedTwice : {}),
        ...said,
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
