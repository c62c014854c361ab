/**
 * Filters: which systems, and which of their sketches, an operator means. A system is named, or a pattern says how the
 * names look: `*` stands for any characters, `?` for one, all others for themselves. Patterns are matched against the
 * names, not against keys, and here, not in Redis: its own matching may take very long over a pattern that is made
 * for that, and holds up everybody.
 *
 * Only keys of systems are ever found: answers, leases and the like are none, and the keys of another program that
 * shares the Redis are none either.
 */
import {
  type ParsedKey,
  parseKey,
  type SketchKind,
  shardsPattern,
  systemKey,
  systemPattern,
  systemsPattern,
} from './keys.js';
import type { ShardsOf } from './shard-names.js';

export interface SystemFilter {
  /** For SCAN: lets through what is looked for, and as little else as can be said. */
  match: string;
  /** A key in the slot of all that are looked for, where they are in one. */
  sibling?: string;
  accepts: (system: string) => boolean;
}

/** Whether a name looks as a pattern says, in a time that grows with both lengths only. */
export function matchesPattern(pattern: string, name: string): boolean {
  const [signs, characters] = [[...pattern], [...name]];
  let at = 0;
  let sign = 0;
  let star = -1;
  let resume = 0;
  while (at < characters.length) {
    if (signs[sign] === '*') {
      star = sign++;
      resume = at;
    } else if (signs[sign] === '?' || signs[sign] === characters[at]) {
      sign++;
      at++;
    } else if (star >= 0) {
      sign = star + 1;
      at = ++resume;
    } else return false;
  }
  while (signs[sign] === '*') sign++;
  return sign === signs.length;
}

/** The systems that are named, or whose names look so; all of them without either. All shards of each are meant. */
export function systemFilter(shardsOf: ShardsOf, system: string | undefined, pattern = '*'): SystemFilter {
  if (system !== undefined) {
    const accepts = (name: string) => name === system;
    if (shardsOf(system).length > 1) return { match: shardsPattern(system), accepts };
    return { match: systemPattern(system), sibling: systemKey(system), accepts };
  }
  const start = /^[^*?]*/.exec(pattern)?.[0] ?? '';
  return { match: systemsPattern(start), accepts: (name) => matchesPattern(pattern, name) };
}

/** What a key is, where it is one of a system that the filter accepts and, if kinds are named, of such a kind. */
export function acceptKey(
  key: string,
  { accepts }: SystemFilter,
  kinds?: ReadonlySet<SketchKind>,
): ParsedKey | undefined {
  const parsed = parseKey(key);
  if (!parsed || !accepts(parsed.system)) return undefined;
  return !kinds || (parsed.sketch && kinds.has(parsed.sketch.kind)) ? parsed : undefined;
}
