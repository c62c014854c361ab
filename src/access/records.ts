/**
 * Key records: what is kept of an API key. Never the key, only its SHA-256. A key is 32 random bytes, so there is
 * nothing to guess and a slow hash, made for passwords that people choose, would only cost every request.
 *
 *   { "name": "billing-shipper", "scopes": ["ingest"], "systems": ["billing"],
 *     "sha256": "<64 hex digits>", "created": "2026-01-31T13:37:00Z", "expires": "2027-01-31T00:00:00Z" }
 *
 * `systems` absent means all of them, `expires` absent means never. Records come from a file that people edit, so they
 * are checked strictly, and what is wrong names its entry: a misspelt `systems` that was passed over would open
 * everything. The scope `admin` is about the whole service, so it cannot be had for some systems only.
 *
 * Bounds: `keysMax` records, `keySystemsMax` systems in each.
 */
import { createHash } from 'node:crypto';
import { type Static, Type } from 'typebox';
import { Check, Errors } from 'typebox/schema';
import { anyone, nobody, type Principal, scopes } from '../principal.js';
import { parseInstant } from '../windows/instant.js';

export const keysMax = 1_000;
export const keySystemsMax = 1_000;

const recordSchema = Type.Object(
  {
    name: Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$' }),
    scopes: Type.Array(Type.Enum([...scopes]), { uniqueItems: true }),
    systems: Type.Optional(
      Type.Array(Type.String({ minLength: 1, maxLength: 256 }), {
        minItems: 1,
        maxItems: keySystemsMax,
        uniqueItems: true,
      }),
    ),
    sha256: Type.String({ pattern: '^[0-9a-f]{64}$' }),
    created: Type.String(),
    expires: Type.Optional(Type.String()),
  },
  { additionalProperties: false },
);

export type KeyRecord = Static<typeof recordSchema>;

/** What is wrong with one record by itself, or undefined. */
function problemOf(value: unknown): string | undefined {
  if (!Check(recordSchema, value)) {
    const [, [first]] = Errors(recordSchema, value);
    const isUnknown = first.keyword === 'boolean'; // the schema of what is not in the schema is `false`
    return `${first.instancePath || 'the record'} ${isUnknown ? 'is not a field of a key' : first.message}`;
  }
  for (const name of ['created', 'expires'] as const) {
    const text = value[name];
    if (text !== undefined && Number.isNaN(parseInstant(text))) return `/${name} must be RFC 3339`;
  }
  if ([anyone.name, nobody.name].includes(value.name)) return '/name is reserved';
  if (value.systems?.includes('*')) return '/systems must not hold "*": leave it out for all systems';
  if (value.systems && value.scopes.includes('admin')) {
    return '/systems cannot go with the scope admin, which is about all of them';
  }
  return undefined;
}

/** An entry as a message names it: the first is number 1. */
function labelOf(value: unknown, index: number): string {
  const name = typeof value === 'object' && value !== null && 'name' in value ? value.name : undefined;
  return typeof name === 'string' ? `key ${index + 1} (${JSON.stringify(name)})` : `key ${index + 1}`;
}

/**
 * Checks a list of records.
 * @throws Error that names the first wrong entry
 */
export function readRecords(value: unknown): KeyRecord[] {
  if (!Array.isArray(value)) throw new Error('the keys must be a list');
  if (value.length > keysMax) throw new Error(`there are more than ${keysMax} keys`);
  value.forEach((entry, index) => {
    const problem = problemOf(entry);
    if (problem !== undefined) throw new Error(`${labelOf(entry, index)}: ${problem}`);
  });
  return value as KeyRecord[];
}

/** @throws Error where two records have one name or one key */
export function refuseTwins(records: readonly KeyRecord[]): void {
  for (const field of ['name', 'sha256'] as const) {
    const seen = new Map<string, string>();
    for (const { name, [field]: value } of records) {
      if (seen.has(value)) throw new Error(`${seen.get(value)} and ${name} have the same ${field}`);
      seen.set(value, name);
    }
  }
}

/** When a key ends, milliseconds; infinity where it does not. */
export const expiryOf = ({ expires }: Pick<KeyRecord, 'expires'>): number =>
  expires === undefined ? Number.POSITIVE_INFINITY : parseInstant(expires);

/** The same text for the same systems, whatever their order. */
const restrictionOf = (systems: readonly string[]): string =>
  createHash('sha256')
    .update(JSON.stringify([...systems].sort()))
    .digest('base64url');

/** Who holds the key of a record. */
export function principalOf({ name, scopes, systems }: KeyRecord): Principal {
  return {
    name,
    scopes: new Set(scopes),
    systems: systems && new Set(systems),
    restriction: systems ? restrictionOf(systems) : '',
  };
}
