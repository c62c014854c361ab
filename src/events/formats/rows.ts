/** Rows of a body that was parsed as a whole: what the three shapes of a batch have in common. */
import { Problem } from '../../errors.js';

/** Stands for a row whose text could not be parsed, so that the rows after it keep their index. */
export const malformedLine = Symbol('a line that is not JSON');
/** Stands for a row longer than a whole body may be. */
export const oversizedLine = Symbol('a line that is too long');

export interface Rows {
  rows: readonly unknown[];
  /** The body was one bare event, not a list. */
  single: boolean;
}

/** The events of a parsed body. @throws Problem batch_empty, body_malformed */
export function rowsOf(value: unknown): Rows {
  let rows = value;
  if (typeof value === 'object' && value !== null && 'events' in value && !('event_type' in value)) {
    rows = value.events;
    if (!Array.isArray(rows)) {
      const errors = [{ pointer: '/events', detail: '/events must be a list of events' }];
      throw new Problem('body_malformed', '/events must be a list of events', { errors });
    }
  }
  if (!Array.isArray(rows)) return { rows: [rows], single: true };
  if (rows.length === 0) throw new Problem('batch_empty', 'the body holds no event');
  return { rows, single: false };
}
