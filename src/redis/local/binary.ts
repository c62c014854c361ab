/**
 * Finds the server program that the service's own Redis runs, and refuses one that is too old for the
 * commands in use.
 */
import { findProgram, installHint } from '../system-packages.js';

/** The oldest Redis served; every Valkey is newer. */
const versionLeast = { major: 6, minor: 2 };

/**
 * @param path the search path, by default that of this process
 * @returns the program's name
 * @throws Error that says what to type where there is none, or none recent enough
 */
export function findServerBinary(path?: string): string {
  const wanted = `Redis >= ${versionLeast.major}.${versionLeast.minor} or Valkey`;
  const otherwise = 'or set REDIS_URL to a Redis that is already running';
  const found = findProgram('redis', path);
  if (found === null) {
    throw new Error(
      `No redis-server or valkey-server found (${wanted}). To install it, ${installHint('redis', path)}; ${otherwise}.`,
    );
  }
  const [, major, minor] = /\bv=(\d+)\.(\d+)/.exec(found.version) ?? [];
  const recent =
    Number(major) > versionLeast.major ||
    (Number(major) === versionLeast.major && Number(minor) >= versionLeast.minor);
  if (!recent) {
    throw new Error(
      `${found.name} is too old: ${wanted} is needed, but it says "${found.version}". Install a newer one, ${otherwise}.`,
    );
  }
  return found.name;
}
