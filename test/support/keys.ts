/** Keys for tests: real ones, made from a counter instead of chance. */
import { createKey, type KeyDescription, keyBytes } from '../../src/access/create-key.js';

const created = Date.UTC(2026, 0, 31);
let made = 0;

/** A key and its record; without more it is named after its number and may do everything. */
export function makeKey(description: Partial<KeyDescription> = {}) {
  const number = ++made;
  const whole = { name: `key-${number}`, scopes: ['ingest', 'query', 'admin'] as const, ...description };
  return createKey({ ...whole, scopes: [...whole.scopes] }, Buffer.alloc(keyBytes, number), created);
}

/** A value for API_KEYS. */
export const environmentOf = (...keys: readonly ReturnType<typeof makeKey>[]): string =>
  JSON.stringify(keys.map(({ record }) => record));

export const bearer = ({ key }: { key: string }) => ({ authorization: `Bearer ${key}` });
