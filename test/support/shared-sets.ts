/**
 * Sets of real events, which are not part of the project. They lie beside it in `../shared/data`, or where `DATA_SETS` says;
 * a test of a set that is missing is skipped.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { StreamEvent } from './truth.js';

const folder = process.env.DATA_SETS ?? fileURLToPath(new URL('../../../../shared/data', import.meta.url));
const names = ['apache_2015', 'cloudtrail_stratus', 'linux_auth', 'windows_security', 'zeek_apt29'];

export const sharedSets = names.map((name) => {
  const path = join(folder, `${name}.ndjson`);
  return {
    name,
    /** Why a test of it is skipped; false where the set is there. */
    skip: existsSync(path) ? (false as const) : `${path} is not there`,
    read: (): StreamEvent[] =>
      readFileSync(path, 'utf8')
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as StreamEvent),
  };
});
