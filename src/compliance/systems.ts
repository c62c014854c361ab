/** Which systems a question is about: those named, each once and in one order, or all of them for `*`. */
import { Problem } from '../errors.js';
import type { SystemNames } from '../redis/system-names.js';
import type { Scope } from './scope.js';

export const allSystems = '*';

/** Reads the parameter. @throws Problem question_too_large, redis_unavailable */
export function createReadSystems(names: SystemNames, allSystemsMax: number) {
  return async (asked: string | readonly string[]): Promise<Pick<Scope, 'systems' | 'isAll'>> => {
    const named = typeof asked === 'string' ? [asked] : asked;
    if (!named.includes(allSystems)) return { systems: [...new Set(named)].sort(), isAll: false };
    const systems = await names.all();
    if (systems.length <= allSystemsMax) return { systems, isAll: true };
    const detail = `there are ${systems.length} systems, and a question may be about ${allSystemsMax}; name them`;
    throw new Problem('question_too_large', detail, { errors: [{ pointer: '/system', detail }] });
  };
}

export type ReadSystems = ReturnType<typeof createReadSystems>;
