/**
 * Redaction: what a text says of an address, without user and password. Node and libraries quote addresses in their
 * errors, so every line of the log passes here, and every setting that is shown.
 */

const HIDDEN = '***';

/** An address up to its end. Each is matched once and as a whole, so the time does not depend on what a text repeats. */
const address = /\/\/\S*/g;
const parameter = /([?&]\w*password=)[^&#\s]*/gi;
/** The same within a string of JSON: it ends at a quote that is not escaped. */
const quotedAddress = /\/\/(?:\\.|[^\s"\\])*/g;
const quotedParameter = /([?&]\w*password=)(?:\\.|[^&#\s"\\])*/gi;

/** An address without its login, which goes to the last @, since a password may hold any sign. */
function withoutLogin(found: string): string {
  const end = found.lastIndexOf('@');
  return end < 0 ? found : `//${HIDDEN}${found.slice(end)}`;
}

/** A text without the user and the password of any address in it. */
export const redact = (text: string): string =>
  text.replace(address, withoutLogin).replace(parameter, `$1${HIDDEN}`);

/** The same for a line of JSON, which stays one. */
export const redactJson = (line: string): string =>
  line.replace(quotedAddress, withoutLogin).replace(quotedParameter, `$1${HIDDEN}`);
