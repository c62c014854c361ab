/**
 * Redaction: what a text says of an address, without user and password. Node and libraries quote addresses in their
 * errors, so every line of the log passes here, and every setting that is shown.
 */

const HIDDEN = '***';

/** Up to the last @, since a password may hold any sign. */
const login = /(?<!\/)\/\/\S{0,4096}@/g;
const parameter = /([?&]\w*password=)[^&#\s]*/gi;
/** The same within a string of JSON: it ends at a quote that is not escaped. */
const quotedLogin = /(?<!\/)\/\/(?:\\.|[^\s"\\]){0,4096}@/g;
const quotedParameter = /([?&]\w*password=)(?:\\.|[^&#\s"\\])*/gi;

/** A text without the user and the password of any address in it. */
export const redact = (text: string): string =>
  text.replace(login, `//${HIDDEN}@`).replace(parameter, `$1${HIDDEN}`);

/** The same for a line of JSON, which stays one. */
export const redactJson = (line: string): string =>
  line.replace(quotedLogin, `//${HIDDEN}@`).replace(quotedParameter, `$1${HIDDEN}`);
