/**
 * The `Idempotency-Key` header (draft-ietf-httpapi-idempotency-key-header-07): a string of a structured field
 * (RFC 8941, 3.3.3), `"8e03978e-40d5-43dd-bc93-6894a57f9324"`. Many senders leave the quotes out, so the bare text is
 * taken too and means the same.
 */
import { Problem } from '../errors.js';

const KEY_BYTES_MAX = 255;
const quoted = /^"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"$/;
const bare = /^[\x21\x23-\x7e][\x21-\x7e]*$/;

/**
 * The key that a header names.
 * @throws Problem parameter_invalid that names the header
 */
export function readIdempotencyKey(header: string | string[]): string {
  const text = [header].flat().join(', ');
  const key = quoted.exec(text)?.[1].replace(/\\(["\\])/g, '$1') ?? (bare.test(text) ? text : undefined);
  if (key !== undefined && key.length >= 1 && key.length <= KEY_BYTES_MAX) return key;
  const detail = `must be one string of 1 to ${KEY_BYTES_MAX} ASCII characters, best in quotes`;
  const errors = [{ pointer: '/headers/idempotency-key', detail }];
  throw new Problem('parameter_invalid', `Idempotency-Key ${detail}`, { errors });
}
