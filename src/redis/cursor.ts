/** Cursors of lists that go by the names of systems: the last name of a page, opaque to whoever hands it back. */
import { Problem } from '../errors.js';

export const toCursor = (name: string): string => Buffer.from(name).toString('base64url');

/** The name after which a page begins, '' for the first. @throws Problem parameter_invalid */
export function fromCursor(cursor: string | undefined): string {
  if (cursor === undefined) return '';
  const name = Buffer.from(cursor, 'base64url').toString();
  if (name !== '' && toCursor(name) === cursor) return name;
  const detail = 'is not a cursor of this list';
  throw new Problem('parameter_invalid', `cursor ${detail}`, { errors: [{ pointer: '/cursor', detail }] });
}
