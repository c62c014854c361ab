/**
 * Covered questions: a question about a scope, answered with what it covers. One round trip, unless the scope
 * is a range of which something asked first has expired: then one more, for what is certainly kept.
 *
 * Here a system that is spread becomes its shards (redis/shard-names.ts): each is read as a system of its own, merged
 * as several systems are, and what the answer covers is told by all of them together.
 */
import type { Clock } from '../clock.js';
import { Problem } from '../errors.js';
import type { ShardsOf } from '../redis/shard-names.js';
import { type Bucket, bucketsIn } from '../windows/bucket.js';
import type { Span, Window } from '../windows/cover.js';
import { formatInstant } from '../windows/instant.js';
import { type Coverage, combineCoverage, type Retention } from '../windows/retention.js';
import { coverageNote } from './coverage-note.js';
import { askHistory, coverageOf, type Fact } from './history.js';
import { type Place, placesOf } from './place.js';
import { type Ask, all, combine, map, type Question } from './question.js';
import { createAskExisting, type Needed, type Unknown } from './records.js';
import { type Cover, coversOf, type Kind, type Scope } from './scope.js';

export interface QueryDependencies {
  ask: Ask;
  shardsOf: ShardsOf;
  retention: Retention;
  clock: Clock;
  /** When the form of ids changed (milliseconds), where it has. */
  formsChangedAt: number | undefined;
}

/** What every answer says about itself. */
export interface Said extends Unknown {
  /** The one that was asked; `*` for all, null for several. */
  system: string | null;
  systems?: string[];
  systems_asked: number;
  window: Window | null;
  tz: string | null;
  timestamp: string;
  from: string;
  to: string;
  /** Only where that is more than was asked for. */
  widened?: true;
  coverage: Coverage;
  /** Why that is not complete, where it needs saying. */
  coverage_note?: string;
  as_of: string;
  computed_at: string;
}

/** Places that one question may read: some tens of milliseconds of Redis. */
const PLACES_MAX = 20_000;
/** Names that an answer repeats. */
const SYSTEMS_NAMED_MAX = 100;

type Asking<Answer> = (places: readonly Place[]) => Question<Answer>;
/** Of each place: whether it is there, whether some of it had gone before, and the hours that it was read from. */
interface Existing {
  exists: boolean[];
  partial?: boolean[];
  hours?: (boolean[] | undefined)[];
}

/** What there is of each bucket that was read: hours in place of a day that was read from them. */
function factsOf(
  buckets: readonly Bucket[],
  exists: readonly boolean[],
  hours: readonly (boolean[] | undefined)[],
): Fact[] {
  return buckets.flatMap((bucket, i) => {
    const there = hours[i];
    if (!there) return [{ bucket, exists: exists[i] }];
    return bucketsIn('hour', bucket.start, bucket.end).map((hour, n) => ({ bucket: hour, exists: there[n] }));
  });
}

/** Which systems and which time were asked about and as of when the answer holds, as an answer says it. */
export function saidOf({ systems, isAll, window, tz, at }: Scope, asOf: number) {
  const readAt = formatInstant(asOf);
  const one = systems.length === 1 ? systems[0] : null;
  return {
    system: isAll ? '*' : one,
    ...(one === null && systems.length <= SYSTEMS_NAMED_MAX ? { systems: [...systems] } : {}),
    systems_asked: systems.length,
    window,
    tz,
    timestamp: formatInstant(at),
    as_of: readAt,
    computed_at: readAt,
  };
}

/** Which time an answer is about, and whether that is more than was asked for. */
export function spanSaid({ asked }: Pick<Scope, 'asked'>, { from, to }: Span) {
  const isWider = from < asked.from || to > asked.to;
  return {
    from: formatInstant(from),
    to: formatInstant(to),
    ...(isWider ? { widened: true as const } : {}),
  };
}

/** An answer with what it covers. */
type Covered<Answer> = Answer & {
  said: Said;
  /** Whether it is about times of before and after the form of ids changed. */
  isMixed: boolean;
  /** What it covers of a part of its time. */
  coverageIn: (span: Span) => Coverage;
};

export function createCovered({ ask, shardsOf, retention, clock, formsChangedAt }: QueryDependencies) {
  const askExisting = createAskExisting(ask, shardsOf);

  /** The question with what its answer covers. `asOf`: the instant before it is read, by Redis' clock, milliseconds. */
  function covered<Answer extends Existing>(
    scope: Scope,
    asOf: number,
    { buckets, from, to, isByHour }: Cover,
    asking: Asking<Answer>,
  ): Question<Covered<Answer>> {
    const shards = scope.systems.map(shardsOf);
    const names = shards.flat();
    const now = clock.now();
    const places = placesOf(names, buckets);
    if (places.length > PLACES_MAX) {
      const asked = names.length > shards.length ? 'systems, shards counted,' : 'systems';
      const detail = `${names.length} ${asked} in ${buckets.length} buckets are more than ${PLACES_MAX} together`;
      throw new Problem('question_too_large', detail, { errors: [{ pointer: '/system', detail }] });
    }
    const keptFrom = ({ grain }: Bucket) => now - retention[isByHour ? 'hour' : grain];
    const old = buckets.filter(
      (bucket) => bucket.end < keptFrom(bucket) || (isByHour && bucket.start < keptFrom(bucket)),
    );
    const changedAt = formsChangedAt ?? Number.POSITIVE_INFINITY;
    const isMixed = from < changedAt && changedAt < Math.min(to, now);
    const histories = names.map((name) => askHistory(name, old));
    const question = combine({ answer: asking(places), histories: all(histories) });
    scope.work.buckets += places.length;
    scope.work.commands += question.calls.length;
    return map(question, ({ answer, histories }) => {
      const known = histories.map((history, i) => {
        const own = <Fact>(facts: Fact[] = []) => facts.slice(i * buckets.length, (i + 1) * buckets.length);
        const facts = factsOf(buckets, own(answer.exists), own(answer.hours));
        return { history, facts, isPartial: own(answer.partial).includes(true) };
      });
      const bySystem = shards.map(({ length }) => known.splice(0, length));
      const coverageIn = (span: Span): Coverage => {
        if (span.from > now) return 'future';
        const isIn = ({ bucket }: Fact) => bucket.start < span.to && span.from < bucket.end;
        const parts = bySystem.map((shards) => {
          const told = shards.map(({ history, facts }) => ({ history, facts: facts.filter(isIn) }));
          const coverage = coverageOf(told, retention, now);
          return coverage === 'complete' && shards.some(({ isPartial }) => isPartial) ? 'partial' : coverage;
        });
        return combineCoverage(parts);
      };
      const span = spanSaid(scope, { from, to });
      const coverage = coverageIn({ from, to });
      const note = coverageNote(coverage, old, retention);
      const said = { ...saidOf(scope, asOf), ...span, coverage, ...note };
      return { ...answer, said, isMixed, coverageIn };
    });
  }

  return {
    covered,
    askExisting,
    /** The question for the first way to cover a scope. */
    preferred<Answer extends Existing>(kind: Kind, scope: Scope, asOf: number, asking: Asking<Answer>) {
      const [cover] = coversOf(kind, scope, retention, clock.now());
      return covered(scope, asOf, cover, asking);
    },
    /** Asks, if need be twice. @throws Problem as `askExisting` */
    async askCovered<Answer extends Existing>(
      kind: Kind,
      scope: Scope,
      asOf: number,
      asking: Asking<Answer>,
      needed?: Needed,
    ): Promise<Covered<Answer>> {
      const [first, second] = coversOf(kind, scope, retention, clock.now());
      const { answer, unknown } = await askExisting(scope, covered(scope, asOf, first, asking), needed);
      const { coverage } = answer.said;
      const isBest = !second || coverage === 'complete' || coverage === 'future';
      const best = isBest ? answer : await ask(covered(scope, asOf, second, asking));
      return { ...best, said: { ...best.said, ...unknown } };
    },
  };
}
