/**
 * Which systems a question is about: those named, each once and in one order, or all of them for `*`. For who may touch
 * some systems only, `*` means those of them that there are. The answer's key in the cache is made of the systems named,
 * or of those that the asker may touch, so an answer is shared by those who may see the same, and by nobody else.
 *
 * Which systems there are is read for each computation, after it began: a system that was just written is in every
 * answer that is as of later, and a list of names that is some seconds old makes no certain "no".
 */
import { Problem } from '../errors.js';
import { mayTouch, type Principal } from '../principal.js';
import { directoryKeys } from '../redis/keys.js';
import { call } from '../redis/pipeline.js';
import type { Ask, Question } from './question.js';
import type { Scope } from './scope.js';

export const allSystems = '*';

/** The problem of a question about a system that the asker must not see. It does not tell whether there is one. */
export function systemForbidden(pointer: string): Problem {
  const detail = 'the key is not for this system';
  return new Problem('system_forbidden', detail, { errors: [{ pointer, detail }] });
}

/** Reads the parameter. @throws Problem system_forbidden */
export function readSystems(
  asked: string | readonly string[],
  principal: Principal,
): Pick<Scope, 'systems' | 'isAll'> {
  const named = typeof asked === 'string' ? [asked] : asked;
  const isForbidden = (system: string) => system !== allSystems && !mayTouch(principal, system);
  if (principal.systems && named.some(isForbidden)) throw systemForbidden('/system');
  const isAll = named.includes(allSystems);
  const systems = isAll ? (principal.systems ?? [allSystems]) : named;
  return { systems: [...new Set(systems)].sort(), isAll };
}

/** The number of all systems, and the names of up to `max` of them, ascending. */
const askNames = (max: number): Question<{ total: number; names: string[] }> => ({
  calls: [call('ZCARD', directoryKeys.names), call('ZRANGE', directoryKeys.names, 0, max - 1)],
  decode: ([total, names]) => ({ total: Number(total), names: (names as string[]).sort() }),
});

/** Those of some systems that there are. */
const askWhichExist = (systems: readonly string[]): Question<string[]> => ({
  calls: systems.length === 0 ? [] : [call('ZMSCORE', directoryKeys.names, ...systems)],
  decode: ([scores = []]) => systems.filter((_, i) => (scores as (string | null)[])[i] != null),
});

export type FindSystems = (scope: Scope) => Promise<Scope>;

/** Turns a scope of all systems into that of those that there are now. @throws Problem question_too_large, as `ask` */
export function createFindSystems(ask: Ask, allSystemsMax: number): FindSystems {
  async function visible(allowed: readonly string[]): Promise<{ total: number; names: string[] }> {
    if (allowed[0] === allSystems) return ask(askNames(allSystemsMax));
    const names = await ask(askWhichExist(allowed));
    return { total: names.length, names };
  }
  return async (scope) => {
    if (!scope.isAll) return scope;
    const { total, names } = await visible(scope.systems);
    if (total <= allSystemsMax) return { ...scope, systems: names };
    const detail = `there are ${total} systems, and a question may be about ${allSystemsMax}; name them`;
    throw new Problem('question_too_large', detail, { errors: [{ pointer: '/system', detail }] });
  };
}
