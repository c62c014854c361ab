/**
 * The last step of a purge: what can have been written to a system since its epoch was renewed is deleted together
 * with its record, in one script, so that nothing of before that instant is left and nothing of after it is touched.
 *
 * Which keys these can be follows from the record, since that began anew: it notes every day and every numeric key
 * with the first write to them, and every day's hours are noted beside it. They are read, the keys follow
 * (redis/written-keys.ts), and the script looks whether day, hour or numeric key has come since; then it is all read
 * again, a few times at most. An event of an hour that was noted needs no new note, and its keys are among those.
 */
import { systemKey } from '../redis/keys.js';
import { encodePayload } from '../redis/payload.js';
import { call, callScript, readPipeline, toProblem } from '../redis/pipeline.js';
import { scripts } from '../redis/scripts.js';
import { parseRecord } from '../redis/system-record.js';
import { idsWritten, markersWritten, suffixesWritten, writtenSuffix } from '../redis/written-keys.js';
import type { Retention } from '../windows/retention.js';
import type { AdminRedis } from './census.js';

/** Keys that one script may be told to delete, though few of them are there: about four milliseconds of Redis. */
const SUFFIXES_MAX = 6_000;
const TRIES_MAX = 5;

interface FinishDependencies extends AdminRedis {
  retention: Retention;
  /** How long requests with an idempotency key are known, milliseconds. */
  claimsKeptMs: number;
  /** How long ids of events are known, 0: not at all. */
  idsKnownSeconds: number;
}

export function createFinish(dependencies: FinishDependencies) {
  const { redis, clock, timeoutMs, retention, claimsKeptMs, idsKnownSeconds } = dependencies;

  async function tryOnce(system: string, epoch: string): Promise<unknown[]> {
    const root = systemKey(system);
    const [pairs] = (await readPipeline(redis, [call('HGETALL', root)], timeoutMs)) as [string[]];
    const { days, numericKeys } = parseRecord(pairs);
    const written = days.map(({ day }) => writtenSuffix(day));
    const reads = written.map((suffix) => call('HKEYS', `${root}:${suffix}`));
    const hours = (await readPipeline(redis, reads, timeoutMs)) as string[][];
    const now = clock.now();
    const minutesFrom = now - retention.minute;
    const suffixes = days.flatMap(({ day }, place) =>
      suffixesWritten({ day, hours: hours[place].map(Number), numericKeys, minutesFrom }),
    );
    // What is sent again must not be passed over for a marker or an id of what is deleted here.
    suffixes.push(...markersWritten(now, claimsKeptMs), ...idsWritten(now, idsKnownSeconds));
    if (suffixes.length > SUFFIXES_MAX) return ['large'];
    const counts = hours.map(({ length }) => length);
    const terms = [epoch, pairs.length / 2, encodePayload([written, counts, [...new Set(suffixes)]])];
    const [reply] = await readPipeline(
      redis,
      [callScript(scripts['finish-purge-1'], [root], terms)],
      timeoutMs,
    );
    return reply as unknown[];
  }

  /**
   * @returns how many keys were deleted; undefined where too much was written since, or by another purge
   * @throws Problem redis_unavailable
   */
  return async (system: string, epoch: string): Promise<number | undefined> => {
    try {
      for (let tries = 0; tries < TRIES_MAX; tries++) {
        const [state, deleted] = await tryOnce(system, epoch);
        if (state === 'done') return Number(deleted);
        if (state !== 'changed') return undefined;
      }
      return undefined;
    } catch (error) {
      throw toProblem(error as Error);
    }
  };
}
