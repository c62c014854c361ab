/**
 * JSON bodies: an event, a list of events or `{"events": [...]}`. The bytes must be UTF-8 (RFC 8259, 8.1):
 * decoding anything else would replace what it cannot read, and two ids could become one. So that parsing
 * costs no more time and memory than a batch of events does, a body large enough to hold too many lists and
 * objects is looked through for them first, at about a nanosecond a byte.
 */
import { isUtf8 } from 'node:buffer';
import { Problem } from '../../errors.js';
import { nestedMax } from './rows.js';

const NEWLINE = 0x0a;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const BRACKET = 0x5b;
const BRACE = 0x7b;

/** Whether more than `most` lists and objects begin in JSON text, one value or one a line. */
export function nestsBeyond(body: Buffer, most: number): boolean {
  if (body.length <= most) return false;
  let nested = 0;
  let inText = false;
  for (let i = 0; i < body.length; i++) {
    const byte = body[i];
    if (byte === QUOTE) inText = !inText;
    else if (inText) {
      // No text goes on in the next line, so a line that leaves one open hides nothing of those after it.
      if (byte === NEWLINE) inText = false;
      else if (byte === BACKSLASH && body[i + 1] !== NEWLINE) i++;
    } else if ((byte === BRACKET || byte === BRACE) && ++nested > most) return true;
  }
  return false;
}

/** The value of a JSON body. @throws Problem body_malformed or body_not_utf8 */
export function parseJson(body: Buffer): unknown {
  if (!isUtf8(body)) throw new Problem('body_not_utf8', 'the body is not UTF-8');
  const most = nestedMax(body.length);
  if (nestsBeyond(body, most)) {
    throw new Problem('body_malformed', `the body holds more than ${most} lists and objects`);
  }
  try {
    return JSON.parse(body.toString());
  } catch (error) {
    // V8 quotes the text it stumbled over, which may be an id: only the place is told.
    const place = /position \d+/.exec(String(error))?.[0];
    throw new Problem('body_malformed', `the body is not valid JSON${place ? `, at ${place}` : ''}`);
  }
}
