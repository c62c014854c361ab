/**
 * Pseudonyms: what stands for the ids of people (users, sessions, IPs) where a key for that is set. Ingest replaces
 * ids as soon as a row was read, so that no sketch, list, log or stream ever gets one; and questions about a person
 * ask for the pseudonym.
 *
 * A key is rotated at an instant. Events of before it are written under the previous key, those from it on under
 * the present one: it is the time of the event that decides, so all processes agree without asking each other, an
 * old log that comes late is written as the rest of its time was, and only a time that holds the instant can hold
 * one person under two names. Where there is no previous key, ids were kept as they are before the instant;
 * all that is written now gets pseudonyms whatever its time.
 *
 * Whoever asks about a person asks for every form in which it may have been written. Which times hold which could be
 * told from the instant, but a process that was given the keys late would have written others, and a "no" has
 * to be certain; two forms cost a second look at each filter, for as long as the previous key is configured. What already
 * has the form of a pseudonym is asked for as it is too, since answers show pseudonyms and people ask on with them.
 */
import type { EventFields, PersonKind } from '../sketches/registry.js';
import { createKeyedHash, isPseudonym } from './keyed-hash.js';

interface PseudonymOptions {
  key: string;
  previousKey?: string | undefined;
  /** The instant from which `key` writes, milliseconds; undefined where it always has. */
  rotatedAt?: number | undefined;
}

/** How people are asked about. */
export interface People {
  /** The forms in which an id may have been written, each once; the first is the one that answers show. */
  formsOf(kind: PersonKind, id: string): readonly string[];
  /** The instant (milliseconds) at which the form of ids changed, where it has. */
  changedAt: number | undefined;
}

/** People where no key is set: everybody is called what he is called. */
export const plainPeople: People = { formsOf: (_, id) => [id], changedAt: undefined };

/** The pseudonyms of ids under the present and the previous key. */
export function createPseudonyms({ key, previousKey, rotatedAt }: PseudonymOptions) {
  const current = createKeyedHash(key);
  const previous = previousKey === undefined ? undefined : createKeyedHash(previousKey);
  const previousUntil = previous === undefined || rotatedAt === undefined ? -Infinity : rotatedAt;

  return {
    changedAt: rotatedAt,

    /** Puts pseudonyms in the place of the ids of an event. */
    replaceIn(event: EventFields & { at: number }): void {
      const hash = previous !== undefined && event.at < previousUntil ? previous : current;
      if (event.user !== undefined) event.user = hash('user', event.user);
      if (event.session !== undefined) event.session = hash('session', event.session);
      if (event.ip !== undefined) event.ip = hash('ip', event.ip);
    },

    /** The pseudonyms of an id under each key. */
    resolve(kind: PersonKind, id: string): { current: string; previous?: string } {
      const now = { current: current(kind, id) };
      return previous === undefined ? now : { ...now, previous: previous(kind, id) };
    },

    formsOf(kind: PersonKind, id: string): readonly string[] {
      const forms = [current(kind, id)];
      if (previous !== undefined) forms.push(previous(kind, id));
      else if (rotatedAt !== undefined) forms.push(id);
      return isPseudonym(kind, id) ? [...new Set([id, ...forms])] : forms;
    },
  };
}

export type Pseudonyms = ReturnType<typeof createPseudonyms>;
