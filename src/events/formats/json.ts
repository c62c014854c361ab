/**
 * JSON bodies: an event, a list of events or `{"events": [...]}`. The bytes must be UTF-8 (RFC 8259, 8.1):
 * decoding anything else would replace what it cannot read, and two ids could become one. So that parsing
 * costs no more time and memory than a batch of events does, a body large enough to hold too many lists and
 * objects, or one of too many names, is looked through for them first, at about a nanosecond a byte.
 */
import { isUtf8 } from 'node:buffer';
import { Problem } from '../../errors.js';
import { withoutMark } from './byte-order-mark.js';
import { foreignFormat } from './foreign.js';
import { namesMax, nestedMax } from './rows.js';

const NEWLINE = 0x0a;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const BRACKET = 0x5b;
const BRACKET_END = 0x5d;
const BRACE = 0x7b;
const BRACE_END = 0x7d;
const COLON = 0x3a;

/**
 * Whether more than `most` lists and objects begin in JSON text, one value or one a line, or an object has more than
 * `namesMax` names.
 */
export function isTooDense(body: Buffer, most: number): boolean {
  if (body.length <= most) return false;
  let nested = 0;
  const names = [0]; // of each open list or object, what is outside of all included
  let inText = false;
  for (let i = 0; i < body.length; i++) {
    const byte = body[i];
    if (byte === QUOTE) inText = !inText;
    else if (inText) {
      // No text goes on in the next line, so a line that leaves one open hides nothing of those after it.
      if (byte === NEWLINE) inText = false;
      else if (byte === BACKSLASH && body[i + 1] !== NEWLINE) i++;
    } else if (byte === BRACKET || byte === BRACE) {
      if (++nested > most) return true;
      names.push(0);
    } else if (byte === BRACKET_END || byte === BRACE_END) {
      if (names.length > 1) names.pop();
    } else if (byte === COLON && ++names[names.length - 1] > namesMax) return true;
  }
  return false;
}

/** Whether a text has a JSON object as its first line and more after that. */
function looksLikeNdjson(text: string): boolean {
  const end = text.indexOf('\n');
  if (end < 0 || !text.startsWith('{')) return false;
  try {
    JSON.parse(text.slice(0, end));
    return true;
  } catch {
    return false;
  }
}

/** The problem of a body that is no JSON, with what it looks like. */
function notJson(code: 'body_malformed' | 'body_not_utf8', detail: string, body: Buffer): Problem {
  const looks = foreignFormat(body);
  return new Problem(code, looks ? `${detail}; it looks like ${looks.name}` : detail);
}

/** The value of a JSON body. @throws Problem body_malformed, body_not_utf8, batch_empty */
export function parseJson(body: Buffer): unknown {
  if (!isUtf8(body)) throw notJson('body_not_utf8', 'the body is not UTF-8', body);
  const most = nestedMax(body.length);
  if (isTooDense(body, most)) {
    const detail = `the body holds more than ${most} lists and objects, or an object of more than ${namesMax} names`;
    throw new Problem('body_malformed', detail);
  }
  const text = withoutMark(body.toString());
  try {
    return JSON.parse(text);
  } catch (error) {
    if (text.trim() === '') throw new Problem('batch_empty', 'the body is empty');
    // V8 quotes the text it stumbled over, which may be an id: only the place is told.
    const place = /position \d+/.exec(String(error))?.[0];
    const detail = `the body is not valid JSON${place ? `, at ${place}` : ''}`;
    if (!looksLikeNdjson(text)) throw notJson('body_malformed', detail, body);
    throw new Problem(
      'body_malformed',
      `${detail}; it looks like NDJSON, whose type is application/x-ndjson`,
    );
  }
}
