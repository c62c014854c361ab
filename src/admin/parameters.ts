/** Parameters of operators, where a schema cannot check them: names, patterns and kinds of sketches. */
import { Type } from 'typebox';
import { Problem } from '../errors.js';
import { encodablePattern, type SketchKind, sketchKinds } from '../redis/keys.js';

/** As long as a name may be. */
const NAME_CHARACTERS_MAX = 256;

export const systemName = Type.String({
  minLength: 1,
  maxLength: NAME_CHARACTERS_MAX,
  pattern: encodablePattern,
  description: 'The name of a system.',
});
export const systemPatternText = Type.String({
  minLength: 1,
  maxLength: NAME_CHARACTERS_MAX,
  pattern: encodablePattern,
  description: 'How names of systems look: `*` stands for any characters, `?` for one.',
});

/** The kinds that hold what was counted; the others are bookkeeping, and overcounts belong to their top lists. */
export const purgeableKinds = ['hll', 'bloom', 'top', 'digest', 'count', 'cm'] as const;
export const sketchKind = Type.Enum([...sketchKinds], { description: 'Keys of this sketch only.' });
export const purgeableKind = Type.Enum([...purgeableKinds]);

/** The problem that one parameter is. */
export const invalidParameter = (name: string, detail: string): Problem =>
  new Problem('parameter_invalid', `${name} ${detail}`, { errors: [{ pointer: `/${name}`, detail }] });

/** The kinds of keys that kinds of sketches are kept in. */
export function keyKinds(kinds: readonly SketchKind[] | undefined): ReadonlySet<SketchKind> | undefined {
  if (!kinds) return undefined;
  return new Set([...kinds, ...(kinds.includes('top') ? (['over'] as const) : [])]);
}
