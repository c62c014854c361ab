/** What is still running after all tests, for the end of `npm test`. */
import { existsSync, readFileSync } from 'node:fs';
import { killAllOf, untilNoneOf } from './processes.js';

/** For the watchers of the last tests (watch.ts), and what those wait for. */
const ENDING_MS_MAX = 30_000;

/**
 * Ends what the tests left running.
 * @param folder where all of them had their temporary files; its real path
 * @param file where their watchers noted what they had to kill
 * @returns a line for each process
 */
export async function endLeftRunning(folder: string, file: string, ms = ENDING_MS_MAX): Promise<string[]> {
  const left = await untilNoneOf(folder, ms);
  const lines = left.map(({ pid, command }) => `${command} (${pid})`);
  await killAllOf(folder);
  const notes = existsSync(file) ? readFileSync(file, 'utf8').split('\n') : [];
  return [...notes.filter((line) => line !== ''), ...lines];
}
