/**
 * Pseudonyms as the settings want them: keys from the environment or from files, checked before anything is written
 * under them. A wrong setting ends the start with a message that names it and never shows a key.
 */
import { readFileSync } from 'node:fs';
import type { Config } from '../config.js';
import { createPseudonyms, type Pseudonyms } from '../privacy/pseudonyms.js';
import { parseInstant } from '../windows/instant.js';

const KEY_CHARACTERS_MIN = 32;

type KeyName = 'PSEUDONYM_KEY' | 'PSEUDONYM_KEY_PREVIOUS';

function readFile(name: string, path: string): string {
  try {
    return readFileSync(path, 'utf8').trimEnd();
  } catch (cause) {
    throw new Error(`${name} cannot be read: ${(cause as Error).message}`, { cause });
  }
}

/** A key from its setting or its file. @throws Error that names the setting */
function readKey(config: Config, name: KeyName): string | undefined {
  const path = config[`${name}_FILE`];
  if (config[name] !== '' && path !== '') throw new Error(`${name} and ${name}_FILE cannot both be set`);
  if (config[name] === '' && path === '') return undefined;
  const key = path === '' ? config[name] : readFile(`${name}_FILE`, path);
  if (key.length >= KEY_CHARACTERS_MIN) return key;
  throw new Error(`${name} must have at least ${KEY_CHARACTERS_MIN} characters`);
}

/**
 * The pseudonyms of this process, undefined where no key is set.
 * @throws Error that names the setting that is wrong
 */
export function openPseudonyms(config: Config): Pseudonyms | undefined {
  const key = readKey(config, 'PSEUDONYM_KEY');
  const previousKey = readKey(config, 'PSEUDONYM_KEY_PREVIOUS');
  const at = config.PSEUDONYM_KEY_ROTATED_AT;
  const rotatedAt = at === '' ? undefined : parseInstant(at);
  if (Number.isNaN(rotatedAt)) {
    throw new Error('PSEUDONYM_KEY_ROTATED_AT must be RFC 3339 with an offset (2026-01-31T13:37:00Z)');
  }
  if (key === undefined) {
    if (previousKey === undefined && rotatedAt === undefined) return undefined;
    throw new Error('PSEUDONYM_KEY must be set with PSEUDONYM_KEY_PREVIOUS and PSEUDONYM_KEY_ROTATED_AT');
  }
  if (previousKey === key) throw new Error('PSEUDONYM_KEY_PREVIOUS must not be PSEUDONYM_KEY');
  if (previousKey !== undefined && rotatedAt === undefined) {
    throw new Error('PSEUDONYM_KEY_ROTATED_AT must be set with PSEUDONYM_KEY_PREVIOUS');
  }
  return createPseudonyms({ key, previousKey, rotatedAt });
}
