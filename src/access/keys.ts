/**
 * The keys of this process: those of the key file and those of the environment together, as they are now. The file is
 * looked at once a second and read when it has changed, so a key that is created or revoked holds about a second
 * later in every process that reads the file.
 *
 *   no file, none in the environment     no access control: everybody is `anyone`
 *   a file without keys, or a file that was named and is not there     nobody may enter
 *   a file that appears                  access control begins
 *   a file that breaks or goes           the keys of before stay, and an error is logged once for each change
 *
 * At a start a broken file ends the start: there are no keys of before. So access control never ends while the
 * service runs, and never by accident. Redis has no part in any of this.
 */
import type { FastifyBaseLogger } from 'fastify';
import type { Clock } from '../clock.js';
import { readKeyFile, signatureOf } from './key-file.js';
import { createKeyring, type Found, type Keyring } from './keyring.js';
import { type KeyRecord, readRecords, refuseTwins } from './records.js';

export const lookAtKeysEveryMs = 1_000;

interface KeysDependencies {
  file: string;
  /** Whether the file was asked for, so that it counts as empty where it is not there. */
  isFileNamed: boolean;
  /** Records as JSON; empty where there are none. */
  environment: string;
  clock: Clock;
  log: FastifyBaseLogger;
}

/** @throws Error that names the entry which is wrong */
function readEnvironment(text: string): KeyRecord[] | undefined {
  if (text.trim() === '') return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Error('API_KEYS is not JSON');
  }
  try {
    return readRecords(value);
  } catch (error) {
    throw new Error(`API_KEYS cannot be used: ${(error as Error).message}`, { cause: error });
  }
}

/** Opens the keys. @throws Error that says what is wrong with them */
export async function openKeys({ file, isFileNamed, environment, clock, log }: KeysDependencies) {
  const own = readEnvironment(environment);
  let signature = await signatureOf(file);
  let keyring = await read();

  async function read(): Promise<Keyring | undefined> {
    const kept = await readKeyFile(file);
    if (kept === undefined && own === undefined && !isFileNamed) return undefined;
    const records = [...(own ?? []), ...(kept ?? [])];
    try {
      refuseTwins(records);
    } catch (error) {
      throw new Error(`API_KEYS and the key file ${file}: ${(error as Error).message}`, { cause: error });
    }
    if (records.length === 0) log.warn({ file }, 'there are no API keys: nobody may enter');
    return createKeyring(records);
  }

  async function reload(): Promise<void> {
    try {
      if (signature === undefined) throw new Error(`the key file ${file} is gone`);
      keyring = await read();
      log.info({ keys: keyring?.size }, 'the API keys were read anew');
    } catch (error) {
      log.error({ err: error }, 'the API keys of before stay in use');
    }
  }

  return {
    /** Whether there is access control. */
    get isOn(): boolean {
      return keyring !== undefined;
    },

    /** Who presents a key, or why nobody does. */
    find(presented: string): Found {
      return keyring?.find(presented, clock.now()) ?? 'key_unknown';
    },

    /** A job for every `lookAtKeysEveryMs`: reads the file where it has changed. */
    async look(): Promise<void> {
      const seen = await signatureOf(file);
      if (seen === signature) return;
      signature = seen; // before the reading: what changes meanwhile is seen at the next look
      await reload();
    },
  };
}

export type Keys = Awaited<ReturnType<typeof openKeys>>;
