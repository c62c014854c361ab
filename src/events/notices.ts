/**
 * Notices: what was done to accepted rows beyond what they say, counted for an answer:
 * `defaulted: {"timestamp": 120}`, `ignored: {"ip": 300, "...": 7}`.
 *
 * Bound: the first `ignoredNamesMax` names of a request; what came under others is counted together.
 */
import { type IgnoredFields, ignoredNamesMax } from './ignored-fields.js';

export interface Notices {
  /** Rows without a timestamp, which are counted at the time of their arrival. */
  withoutTime: number;
  /** How often a field was not read, by its name; undefined where there was none. */
  ignored: Map<string, number> | undefined;
  /** The same of all further names. */
  others: number;
}

export const openNotices = (): Notices => ({ withoutTime: 0, ignored: undefined, others: 0 });

function count(notices: Notices, name: string, fields: number): void {
  notices.ignored ??= new Map();
  const found = notices.ignored.get(name);
  if (found === undefined && notices.ignored.size >= ignoredNamesMax) notices.others += fields;
  else notices.ignored.set(name, (found ?? 0) + fields);
}

/** Adds what an accepted row brought in vain. */
export function noteIgnored(notices: Notices, { names, more }: IgnoredFields): void {
  for (const name of names) count(notices, name, 1);
  notices.others += more;
}

/** Adds the notices of the rows that follow. */
export function addNotices(notices: Notices, { withoutTime, ignored, others }: Notices): void {
  notices.withoutTime += withoutTime;
  for (const [name, fields] of ignored ?? []) count(notices, name, fields);
  notices.others += others;
}

/** How many fields were not read. */
export function ignoredFields({ ignored, others }: Notices): number {
  let fields = others;
  for (const own of ignored?.values() ?? []) fields += own;
  return fields;
}

interface NoticeMembers {
  defaulted?: Record<string, number>;
  ignored?: Record<string, number>;
}

/** The members of an answer; one that would be empty is left out. `...` stands for all names beyond the first ones. */
export function noticeMembers({ withoutTime, ignored, others }: Notices): NoticeMembers {
  const named = [
    ...(ignored ?? []),
    ...(others > 0 ? [['...', others + (ignored?.get('...') ?? 0)] as const] : []),
  ];
  return {
    ...(withoutTime > 0 ? { defaulted: { timestamp: withoutTime } } : {}),
    ...(named.length > 0 ? { ignored: Object.fromEntries(named) } : {}),
  };
}
