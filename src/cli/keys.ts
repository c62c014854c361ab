/**
 * `papertrail keys`: the keys in the key file, which the service reads again when it changes. A key is printed once, when
 * it is made, and nowhere else: its file holds the hash only. There is nothing to talk to a service about, so these
 * commands work where the file is.
 */
import { createKey, type KeyDescription, keyBytes } from '../access/create-key.js';
import { changeKeyFile, readKeyFile } from '../access/key-file.js';
import { expiryOf, type KeyRecord, readRecords } from '../access/records.js';
import { usageFailure } from './exit.js';
import { formatTable } from './text.js';

/** What is shown of a key: never its hash. */
export type ShownKey = Omit<KeyRecord, 'sha256'>;

const shown = ({ sha256: _, ...rest }: KeyRecord): ShownKey => rest;

/** What goes wrong here can be mended by whoever gave the command. */
function refuse(error: Error): never {
  throw usageFailure(error.message);
}

/**
 * Makes a key and keeps its record.
 * @param random gives so many bytes, from a source fit for secrets
 * @param now milliseconds
 * @throws Failure where the description is wrong, the name is taken or the file cannot be used
 */
export async function addKey(
  file: string,
  description: KeyDescription,
  random: (bytes: number) => Buffer,
  now: number,
): Promise<ShownKey & { key: string }> {
  const { key, record } = createKey(description, random(keyBytes), now);
  const add = (records: readonly KeyRecord[]) => {
    if (records.some(({ name }) => name === record.name)) {
      throw new Error(
        `there is a key called ${record.name} already; revoke it first, or choose another name`,
      );
    }
    return [...records, record];
  };
  try {
    readRecords([record]);
    if (expiryOf(record) <= now) throw new Error(`--expires ${record.expires} is over already`);
    await changeKeyFile(file, add);
  } catch (error) {
    refuse(error as Error);
  }
  return { ...shown(record), key };
}

/** Takes a key away. @throws Failure where there is none of that name, or the file cannot be used */
export async function revokeKey(file: string, name: string): Promise<void> {
  const remove = (records: readonly KeyRecord[]) => {
    const left = records.filter((record) => record.name !== name);
    if (left.length === records.length) throw new Error(`there is no key called ${name} in ${file}`);
    return left;
  };
  await changeKeyFile(file, remove).catch(refuse);
}

/** The keys of a file. @throws Failure where there is none, or it cannot be used */
export async function listKeys(file: string): Promise<ShownKey[]> {
  const records = await readKeyFile(file).catch(refuse);
  if (!records) throw usageFailure(`there is no key file ${file}; papertrail keys create makes one`);
  return records.map(shown);
}

/** @param now milliseconds */
export function formatKeys(keys: readonly ShownKey[], now: number): string[] {
  const columns = ['name', 'scopes', 'systems', 'created', 'expires'].map((title) => ({ title }));
  const rows = keys.map((key) => {
    const { name, scopes, systems, created, expires = 'never' } = key;
    const ends = expiryOf(key) <= now ? `${expires} (expired)` : expires;
    return [name, scopes.join(' ') || 'none', systems?.join(' ') ?? 'all', created, ends];
  });
  return formatTable(columns, rows);
}
