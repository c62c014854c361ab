/** Rows of a body that is parsed as a whole: what the three shapes of a batch have in common, and its bounds. */
import { Problem } from '../../errors.js';

/** Stands for a row whose text could not be parsed, so that the rows after it keep their index. */
export const malformedLine = Symbol('a line that is not JSON');
/** The same of a line that looks like another format, whose name is the description of the symbol. */
export const foreignLine = (name: string): symbol => Symbol(name);
/** Stands for a row longer than a whole body may be. */
export const oversizedLine = Symbol('a line that is too long');

export interface Rows {
  rows: unknown[];
  /** The body was one bare event, not a list. */
  single: boolean;
}

const NESTED_MAX = 1_000_000;

/**
 * Lists and objects that a body of so many bytes may hold, far more than any batch of events does. Empty ones
 * would fill memory with twenty times the body's size, and the collector with work for seconds.
 */
export const nestedMax = (bytes: number): number => Math.max(NESTED_MAX, Math.floor(bytes / 16));

/** Names in one object, far more than an event has. To build one of a million takes twice as long as a thousand of a thousand. */
export const namesMax = 10_000;

/** @throws Problem batch_too_large */
export function checkRows(rows: number, rowsMax: number): void {
  if (rows <= rowsMax) return;
  const detail = `the body holds ${rows} events, more than ${rowsMax}; send NDJSON or split it`;
  throw new Problem('batch_too_large', detail);
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
