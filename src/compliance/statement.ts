/**
 * What numbers may be stated, given what their time covers:
 *
 *   complete   the numbers
 *   partial    the numbers, as lower bounds: some of the events are not in them any more
 *   expired    null: nothing is left to count
 *   future     null, or the numbers of what came early
 */
import type { Coverage } from '../windows/retention.js';

type Nullable<Numbers> = { [Name in keyof Numbers]: Numbers[Name] | null };

/** Whether nothing can be said: nothing is left of that time, or it has not begun and nothing came early. */
export const isUnsaid = (coverage: Coverage, isEmpty: boolean): boolean =>
  coverage === 'expired' || (coverage === 'future' && isEmpty);

/** Numbers that belong to one count, all null where nothing can be said. */
export function stated<Numbers extends { count: number }>(
  coverage: Coverage,
  numbers: Numbers,
): Nullable<Numbers> {
  if (!isUnsaid(coverage, numbers.count === 0)) return numbers;
  return Object.fromEntries(Object.keys(numbers).map((name) => [name, null])) as Nullable<Numbers>;
}

/** What an answer adds where its numbers are lower bounds. */
export const lowerBound = (coverage: Coverage): { lower_bound?: true } =>
  coverage === 'partial' ? { lower_bound: true } : {};

/** The members of an answer that may say "no". Summaries and series have none of them. */
interface MayBeNo {
  accessed?: boolean | null;
  count?: number | null;
  items?: readonly unknown[];
  unknown_systems?: readonly string[];
}

/** Whether an answer says "no", "none", nothing or that a system does not exist: any event may refute it. */
export function saysNo({ accessed, count, items, unknown_systems }: MayBeNo): boolean {
  const isDenied = accessed === false || accessed === null;
  return isDenied || count === 0 || count === null || items?.length === 0 || unknown_systems !== undefined;
}
