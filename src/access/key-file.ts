/**
 * The key file: `{ "version": 1, "keys": [records] }`, readable by its owner only. It is replaced by renaming, so a
 * reader never meets half of it, and a break leaves the old one.
 *
 * The file that is to take its place is created first and only where there is none: that makes two changes at the
 * same time wait for each other instead of one undoing the other. A change that was cut short leaves it behind; the
 * message then says what to remove.
 */
import { mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type KeyRecord, readRecords, refuseTwins } from './records.js';

const VERSION = 1;
const OWNER_ONLY = 0o600;
const FOLDER_OWNER_ONLY = 0o700;

const isMissing = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'ENOENT';

const unusable = (path: string, error: unknown): Error =>
  new Error(`the key file ${path} cannot be used: ${(error as Error).message}`, { cause: error });

/** @throws Error that says what is wrong with the text of a key file */
export function parseKeyFile(text: string): KeyRecord[] {
  let value: { version?: unknown; keys?: unknown };
  try {
    value = JSON.parse(text.replace(/^\ufeff/, '')); // editors of Windows begin a file with a byte order mark
  } catch {
    throw new Error('it is not JSON'); // the message of the parser would quote the file
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new Error('it must be an object with version and keys');
  }
  const { version, keys, ...others } = value;
  if (version !== VERSION) throw new Error(`its version must be ${VERSION}`);
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) throw new Error(`it has an unknown member ${JSON.stringify(unknown)}`);
  const records = readRecords(keys);
  refuseTwins(records);
  return records;
}

/**
 * The records of a key file, undefined where there is none.
 * @throws Error that names the file and what is wrong with it
 */
export async function readKeyFile(path: string): Promise<KeyRecord[] | undefined> {
  try {
    return parseKeyFile(await readFile(path, 'utf8'));
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw unusable(path, error);
  }
}

/** A text that changes whenever the file does; undefined where there is none. @throws Error that names the file */
export async function signatureOf(path: string): Promise<string | undefined> {
  try {
    const { mtimeMs, size, ino } = await stat(path);
    return `${mtimeMs} ${size} ${ino}`;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw unusable(path, error);
  }
}

/** Opens the file that takes the place of another. @throws Error where somebody else has */
async function openNext(path: string) {
  try {
    return await open(path, 'wx', OWNER_ONLY);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    throw new Error(`another change is under way; if none is, remove ${path}`, { cause: error });
  }
}

/** Changes made by an administrator leave the file to the service that reads it. */
async function keepOwner(path: string, next: Awaited<ReturnType<typeof open>>): Promise<void> {
  const [old, own] = await Promise.all([stat(path).catch(() => undefined), next.stat()]);
  if (old && (old.uid !== own.uid || old.gid !== own.gid)) await next.chown(old.uid, old.gid);
}

/**
 * Changes a key file, which is created where there is none.
 * @param change gets the records there are and returns those that shall be
 * @throws Error where the file is broken or cannot be written, and what `change` throws; then nothing has changed
 */
export async function changeKeyFile(
  path: string,
  change: (records: readonly KeyRecord[]) => readonly KeyRecord[],
): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: FOLDER_OWNER_ONLY });
  const nextPath = `${path}.next`;
  const next = await openNext(nextPath);
  try {
    const records = change((await readKeyFile(path)) ?? []);
    const text = `${JSON.stringify({ version: VERSION, keys: records }, null, 2)}\n`;
    parseKeyFile(text);
    await keepOwner(path, next);
    await next.writeFile(text);
    await next.sync();
    await next.close();
    await rename(nextPath, path);
  } catch (error) {
    await next.close();
    await rm(nextPath, { force: true });
    throw error;
  }
}
