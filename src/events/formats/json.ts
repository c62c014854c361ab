/**
 * JSON bodies: an event, a list of events or `{"events": [...]}`. The bytes must be UTF-8 (RFC 8259, 8.1):
 * decoding anything else would replace what it cannot read, and two ids could become one.
 */
import { isUtf8 } from 'node:buffer';
import { Problem } from '../../errors.js';

/** The value of a JSON body. @throws Problem body_malformed or body_not_utf8 */
export function parseJson(body: Buffer): unknown {
  if (!isUtf8(body)) throw new Problem('body_not_utf8', 'the body is not UTF-8');
  try {
    return JSON.parse(body.toString());
  } catch (error) {
    // V8 quotes the text it stumbled over, which may be an id: only the place is told.
    const place = /position \d+/.exec(String(error))?.[0];
    throw new Problem('body_malformed', `the body is not valid JSON${place ? `, at ${place}` : ''}`);
  }
}
