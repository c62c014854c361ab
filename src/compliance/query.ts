/** Queries: from a scope to a question, from its reply to an answer with bound and coverage. */
import { Problem } from '../errors.js';
import type { People } from '../privacy/pseudonyms.js';
import { standardErrorMax } from '../sketches/hyperloglog.js';
import { type PersonKind, personOf, topMetrics } from '../sketches/registry.js';
import type { Window } from '../windows/cover.js';
import { spanOf } from '../windows/cover.js';
import { type Coverage, combineCoverage } from '../windows/retention.js';
import { createCovered, type QueryDependencies, type Said, saidOf } from './covered.js';
import { askTop, type Top } from './list-questions.js';
import { askLogins, loginsOf, sinceKept } from './login-questions.js';
import { askItemFrequency, askPersonMembership } from './person-questions.js';
import type { Place } from './place.js';
import { combine } from './question.js';
import type { Asked } from './respond.js';
import type { Scope } from './scope.js';
import { askDistinct, type Distinct } from './set-questions.js';
import { isUnsaid, lowerBound, stated } from './statement.js';

const NOTE =
  'Answered by a Bloom filter: "no" is certain as of `as_of`, "yes" is wrong at the false-positive rate.';
/** What is said of people where the form of their ids changed within the time. */
export const notedTwice = {
  note: 'The form of ids changed within this time: who came before and after it counts twice.',
};
/** What is added where a "no" is not certain. */
const notes: Record<Coverage, string> = {
  complete: NOTE,
  partial: `${NOTE} Some of this time is no longer kept, so "no" is not certain.`,
  expired: `${NOTE} Nothing of this time is kept any more.`,
  future: `${NOTE} This time has not begun.`,
};

/** A count of different values and its bound, as far as they may be stated. */
function distinctOf({ count, lower, upper, standardError }: Distinct, coverage: Coverage) {
  const numbers = stated(coverage, { count, lower, upper });
  const error = numbers.count === null ? standardErrorMax : standardError;
  return {
    count: numbers.count,
    bound: { standard_error: error, lower: numbers.lower, upper: numbers.upper },
  };
}

/** The items of a top list: where some of the events are gone, none is guaranteed to be among the first. */
const itemsOf = ({ items }: Top, coverage: Coverage) =>
  coverage === 'partial' ? items.map((item) => ({ ...item, guaranteed: false })) : items;

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

/** All take the instant before anything is read, by Redis' clock, milliseconds since 1970. */
export function createQueries(dependencies: QueryDependencies) {
  const { clock, retention } = dependencies;
  const { askCovered, askExisting, preferred } = createCovered(dependencies);

  return {
    async distinct(metric: string, scope: Scope, asOf: number) {
      const asking = (places: readonly Place[]) => askDistinct(metric, places);
      const reply = await askCovered('distinct', scope, asOf, asking);
      const { said, isMixed } = reply;
      const { count, bound } = distinctOf(reply, said.coverage);
      return {
        ...(isMixed ? notedTwice : {}),
        metric,
        count,
        accuracy: percent(bound.standard_error),
        bound: { ...bound, confidence: 0.95 },
        ...lowerBound(said.coverage),
        ...said,
      };
    },

    async activity(subject: Subject, scope: Scope, asOf: number) {
      const { metric, forms } = subject;
      const asking = (places: readonly Place[]) => askPersonMembership(metric, forms, places);
      const reply = await askCovered('membership', scope, asOf, asking);
      const { found, falsePositiveRate, saturated, said } = reply;
      const isAnyKnown = said.unknown_systems?.length !== said.systems_asked;
      const certainNo = said.coverage === 'complete' && isAnyKnown ? 1 : null;
      const confidence = found ? 1 - falsePositiveRate : certainNo;
      return {
        ...(metric === 'users' ? { user_id: forms[0] } : { ip: forms[0] }),
        accessed: isUnsaid(said.coverage, !found) ? null : found,
        confidence,
        probability: confidence,
        false_positive_rate: falsePositiveRate,
        saturated,
        note: notes[said.coverage],
        ...said,
      };
    },

    /** How often an item came, in all its forms: never too low, too high at most by the bound. */
    async frequency(metric: string, forms: readonly string[], scope: Scope, asOf: number) {
      const asking = (places: readonly Place[]) => askItemFrequency(metric, forms, places);
      const { confidence, said, ...reply } = await askCovered('frequency', scope, asOf, asking);
      const { coverage } = said;
      const { count, lower, upper } = stated(coverage, {
        count: reply.count,
        lower: reply.lower,
        upper: reply.upper,
      });
      const bound = { lower, upper, confidence };
      return { metric, item: forms[0], count, bound, ...lowerBound(coverage), ...said };
    },

    async top(metric: string, k: number, scope: Scope, asOf: number) {
      const asking = (places: readonly Place[]) => sinceKept(metric, places, askTop(metric, k, places));
      const reply = await askCovered('top', scope, asOf, asking);
      const { floor, said, isMixed } = reply;
      const items = itemsOf(reply, said.coverage);
      const note = isMixed && personOf(topMetrics, metric) ? notedTwice : {};
      // A list has no null to say that nothing is left; its floor is about what is.
      const isRest = said.coverage === 'partial' || said.coverage === 'expired';
      return { metric, k, items, floor, ...(isRest ? { lower_bound: true as const } : {}), ...note, ...said };
    },

    /** The hour and the day that hold the instant of the scope. */
    async summary(scope: Scope, asOf: number) {
      const within = (window: Window): Scope => ({
        ...scope,
        window,
        span: spanOf(window, scope.at),
        isAligned: true,
      });
      const distinct = (metric: string, window: Window) =>
        preferred('distinct', within(window), asOf, (places) => askDistinct(metric, places));
      const top = (metric: string) =>
        preferred('top', within('1h'), asOf, (places) => askTop(metric, LISTED, places));
      const { span: day } = within('1d');
      const isOld = day.from < clock.now() - retention.hour;
      const { answer: reply, unknown } = await askExisting(
        scope,
        combine({
          hourUsers: distinct('users', '1h'),
          hourSessions: distinct('sessions', '1h'),
          hourIps: distinct('ips', '1h'),
          topUsers: top('active_users'),
          topIps: top('active_ips'),
          dayUsers: distinct('users', '1d'),
          daySessions: distinct('sessions', '1d'),
          dayIps: distinct('ips', '1d'),
          logins: preferred('top', within('1d'), asOf, (places) => askLogins(scope.at, places, isOld)),
        }),
      );
      const { hourUsers, hourSessions, hourIps, dayUsers, daySessions, dayIps } = reply;
      const uniques = (...parts: [typeof hourUsers, typeof hourUsers, typeof hourUsers]) => {
        const [users, sessions, ips] = parts.map((part) => distinctOf(part, part.said.coverage));
        return {
          unique_users: users.count,
          unique_sessions: sessions.count,
          unique_ips: ips.count,
          bounds: { unique_users: users.bound, unique_sessions: sessions.bound, unique_ips: ips.bound },
          from: parts[0].said.from,
          to: parts[0].said.to,
        };
      };
      const covers = (...parts: { said: Said }[]) => {
        const coverage = combineCoverage(parts.map(({ said }) => said.coverage));
        return { ...lowerBound(coverage), coverage };
      };
      const { topUsers, topIps, logins } = reply;
      const { window: _, tz: __, ...said } = saidOf(scope, asOf);
      return {
        ...(Object.values(reply).some(({ isMixed }) => isMixed) ? notedTwice : {}),
        ...said,
        ...unknown,
        hourly: {
          ...uniques(hourUsers, hourSessions, hourIps),
          ...loginsOf(logins, 'hour', topUsers.said.coverage),
          top_users: itemsOf(topUsers, topUsers.said.coverage),
          top_ips: itemsOf(topIps, topIps.said.coverage),
          ...covers(hourUsers, hourSessions, hourIps, topUsers, topIps),
        },
        daily: {
          ...uniques(dayUsers, daySessions, dayIps),
          ...loginsOf(logins, 'day', logins.said.coverage),
          ...covers(dayUsers, daySessions, dayIps, logins),
        },
      };
    },
  };
}

export type Queries = ReturnType<typeof createQueries>;
