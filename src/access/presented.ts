/**
 * The key that a request presents, if any:
 *
 *   X-API-Key: <key>                        first, since a proxy may use Authorization for itself
 *   Authorization: Bearer <key>             RFC 6750
 *   Authorization: Basic <base64 of :key>   the key as the password; all that many log shippers and browsers can send
 */
import type { IncomingHttpHeaders } from 'node:http';

const BEARER = 'Bearer ';

/** The password of Basic credentials (RFC 7617), which begins after the first colon. */
function passwordOf(credentials: string): string {
  const text = Buffer.from(credentials, 'base64').toString();
  return text.slice(text.indexOf(':') + 1);
}

export function presentedKey(headers: IncomingHttpHeaders): string | undefined {
  const own = headers['x-api-key'];
  if (typeof own === 'string' && own !== '') return own;
  const { authorization } = headers;
  if (authorization === undefined) return undefined;
  if (authorization.startsWith(BEARER)) return authorization.slice(BEARER.length).trim() || undefined;
  const [, scheme, credentials] = /^(bearer|basic) +(\S+)\s*$/i.exec(authorization) ?? [];
  if (scheme === undefined) return undefined;
  return (scheme.toLowerCase() === 'basic' ? passwordOf(credentials) : credentials) || undefined;
}
