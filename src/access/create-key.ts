/**
 * A new key: `pt_` and 32 random bytes in base64url. The prefix lets a scanner for leaked secrets find it, and the
 * bytes are beyond guessing (256 bits), which is what makes a single SHA-256 of it enough to keep.
 */
import { formatInstant } from '../windows/instant.js';
import { digestOf } from './keyring.js';
import type { KeyRecord } from './records.js';

export const keyBytes = 32;

/** What a person says about a key. */
export type KeyDescription = Pick<KeyRecord, 'name' | 'scopes' | 'systems' | 'expires'>;

/**
 * @param random `keyBytes` bytes from a source fit for secrets
 * @param now milliseconds
 * @returns the key, to be shown once, and its record, to be kept
 */
export function createKey(
  { name, scopes, systems, expires }: KeyDescription,
  random: Buffer,
  now: number,
): { key: string; record: KeyRecord } {
  const key = `pt_${random.toString('base64url')}`;
  const record = {
    name,
    scopes,
    ...(systems ? { systems } : {}),
    sha256: digestOf(key),
    created: formatInstant(now),
    ...(expires === undefined ? {} : { expires }),
  };
  return { key, record };
}
