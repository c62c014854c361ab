/**
 * What is added to a problem for the one who asked: answers are shared by askers who may see different systems, so
 * names come in here, after sharing.
 */
import { Problem } from '../errors.js';
import type { Principal } from '../principal.js';
import type { NearestSystems } from './nearest-systems.js';

/** The error with the names nearest to a system that does not exist; any other error as it is. */
export function createExplain(nearestSystems: NearestSystems) {
  return async (error: unknown, principal: Principal): Promise<unknown> => {
    if (!(error instanceof Problem) || error.code !== 'system_unknown') return error;
    const nearest = await nearestSystems(String(error.extensions.system), principal);
    const hint = nearest.length === 0 ? '' : `; did you mean ${nearest.join(', ')}?`;
    return new Problem('system_unknown', `${error.message}${hint}`, { ...error.extensions, nearest });
  };
}

export type Explain = ReturnType<typeof createExplain>;
