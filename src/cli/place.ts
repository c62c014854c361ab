/**
 * Where an import begins: at the first line, where a broken one stopped, or after what a finished one has dealt with. Nothing
 * is to count twice unless that is asked for (`--again`), so what would come under other keys than before is refused.
 */
import { loadConfig } from '../config.js';
import { formatInstant } from '../windows/instant.js';
import type { Note, NoteKeeper } from './checkpoint.js';
import { usageFailure } from './exit.js';
import type { FinishedTerms, KnownImport } from './finished-imports.js';

interface Opening {
  restart: boolean;
  again: boolean;
  takesTimeless: boolean;
}

/**
 * What was noted by a broken import that this one goes on with; undefined: it does not.
 * @throws Failure where that one had other options, or its note cannot be read
 */
export async function findPlace(
  name: string,
  note: NoteKeeper,
  { restart, again, takesTimeless }: Opening,
): Promise<Note | undefined> {
  const noted = await note.load().catch((error: Error) => {
    if (!restart) throw error;
    return undefined;
  });
  if (!noted) return undefined;
  const isOther = noted.takesTimeless !== takesTimeless;
  if (isOther && !again) {
    const begun = `${name} was begun ${noted.takesTimeless ? 'with' : 'without'} --now`;
    throw usageFailure(
      `${begun}, and goes on only like that; --again begins anew and counts all of it again`,
    );
  }
  const beginsAnew = restart || isOther || (again && noted.salt === '');
  return beginsAnew ? undefined : noted;
}

/** How long a service recognises what it has counted, unless it is set otherwise. */
const isForgotten = (beganAt: number, now: number): boolean =>
  now < beganAt || now - beganAt >= loadConfig({}).IDEMPOTENCY_SECONDS * 1_000;

type Terms = Omit<FinishedTerms, 'isRegular'>;

/** How lines were imported that would come under other keys now; undefined: as they would be now. */
function differenceOf(earlier: Terms, { identity, takesTimeless }: Terms): string | undefined {
  if (earlier.identity !== identity) return 'with another API key, under this one it would count again';
  if (earlier.takesTimeless === takesTimeless) return undefined;
  if (takesTimeless) return 'without --now; import the rows that have no time as a file of their own';
  return 'with --now, without it rows may count again';
}

/**
 * Where to begin in a file of which this machine has finished an import.
 * @param terms of the import that begins
 * @returns what to go on after; undefined: at the first line, since the service will recognise what it has counted
 * @throws Failure where it would count again
 */
export function placeAfter(
  name: string,
  earlier: KnownImport,
  terms: Terms,
  restart: boolean,
): Note | undefined {
  const { line, digest, beganAt, takesTimeless, isRegular, hasGrown } = earlier;
  const isRecognised = isRegular && !isForgotten(beganAt, terms.beganAt);
  const difference =
    differenceOf(earlier, terms) ?? (restart && !isRecognised ? 'and may not be recognised' : undefined);
  if (difference !== undefined) {
    const known = `${name} was imported up to line ${line} at ${formatInstant(beganAt)}`;
    throw usageFailure(`${known} ${difference}; --again imports it from its start`);
  }
  if (restart || (isRecognised && !hasGrown)) return undefined;
  return { line, digest, beganAt, takesTimeless, identity: terms.identity, isRegular, salt: '' };
}
