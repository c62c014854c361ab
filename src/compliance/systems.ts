/**
 * Which systems a question is about: those named, each once and in one order, or all of them for `*`. For who may touch
 * some systems only, `*` means those of them that there are. The answer's key in the cache is made of the systems that
 * come out here, so an answer is shared by those who may see the same, and by nobody else.
 */
import { Problem } from '../errors.js';
import { mayTouch, type Principal } from '../principal.js';
import type { SystemNames } from '../redis/system-names.js';
import type { Scope } from './scope.js';

export const allSystems = '*';

/** The problem of a question about a system that the asker must not see. It does not tell whether there is one. */
export function systemForbidden(pointer: string): Problem {
  const detail = 'the key is not for this system';
  return new Problem('system_forbidden', detail, { errors: [{ pointer, detail }] });
}

/** Reads the parameter. @throws Problem system_forbidden, question_too_large, redis_unavailable */
export function createReadSystems(names: SystemNames, allSystemsMax: number) {
  return async (
    asked: string | readonly string[],
    principal: Principal,
  ): Promise<Pick<Scope, 'systems' | 'isAll'>> => {
    const named = typeof asked === 'string' ? [asked] : asked;
    const isForbidden = (system: string) => system !== allSystems && !mayTouch(principal, system);
    if (principal.systems && named.some(isForbidden)) throw systemForbidden('/system');
    if (!named.includes(allSystems)) return { systems: [...new Set(named)].sort(), isAll: false };
    const every = await names.all();
    const systems = principal.systems ? every.filter((system) => mayTouch(principal, system)) : every;
    if (systems.length <= allSystemsMax) return { systems, isAll: true };
    const detail = `there are ${systems.length} systems, and a question may be about ${allSystemsMax}; name them`;
    throw new Problem('question_too_large', detail, { errors: [{ pointer: '/system', detail }] });
  };
}

export type ReadSystems = ReturnType<typeof createReadSystems>;
