/**
 * Shards in use: over how many shards each system is spread, as far as anybody may find something there. That is the
 * number of the setting, or one that was set before, here or by any other process, if it was larger: a number that is
 * lowered moves nothing, and what was written to the shards that are not written any more is read until it expires.
 *
 * So every process notes its setting in the directory before it writes anything, for as long as what it writes may live,
 * and looks once a second what others have noted; a note ends by the clock of Redis. So a number that is raised while
 * other processes run is read in full by all of them a second later. Until the first look nothing is known and nothing is answered: half an answer might
 * be kept. Redis down: what is known stays known. Redis refuses writes: what is noted is learned all the same, since a
 * look writes only where something is to be noted, and after it has read.
 *
 * Of a purged system the notes end as soon as nothing can be written under them any more: the time that claims of
 * requests are kept, since these are finished as they were begun. Where a number is in use its note is renewed at once.
 */
import { Problem } from '../errors.js';
import { directoryKeys } from './keys.js';
import { encodePayload } from './payload.js';
import { call, callScript, readPipeline, type Store } from './pipeline.js';
import { scripts } from './scripts.js';
import { type ShardsOf, shardNames } from './shard-names.js';
import { readClock } from './shared-clock.js';
import type { Spread } from './spread.js';

interface ShardsDependencies {
  redis: Store;
  spread: Spread;
  /** How long what is written may live, seconds. */
  keptSeconds: number;
  /** How long a request with an idempotency key may come back, seconds. */
  claimsKeptSeconds: number;
  timeoutMs: number;
}

/** A note is renewed after so long. */
const RENEWED_SECONDS = 3_600;

const noteOf = (system: string, shards: number): string => `${shards}:${system}`;
const readNotes = call('ZRANGE', directoryKeys.shards, 0, -1, 'WITHSCORES');
const systemOf = (note: string): string => note.slice(note.indexOf(':') + 1);

/** The names of all shards, of the largest number of each system. */
function namesOf(notes: Iterable<string>): Map<string, readonly string[]> {
  const most = new Map<string, number>();
  for (const note of notes) {
    const system = systemOf(note);
    most.set(system, Math.max(most.get(system) ?? 1, Number.parseInt(note, 10)));
  }
  return new Map([...most].map(([system, shards]) => [system, shardNames(system, shards)]));
}

export function createShards(dependencies: ShardsDependencies) {
  const { redis, spread, keptSeconds, claimsKeptSeconds, timeoutMs } = dependencies;
  const own = [...spread].map(([system, shards]) => noteOf(system, shards));
  let noted: readonly string[] | undefined;
  let names = new Map<string, readonly string[]>();

  const shardsOf: ShardsOf = (system) => {
    if (!noted) throw new Problem('redis_unavailable', 'Redis has not told yet how systems are spread');
    return names.get(system) ?? [system];
  };

  function learn(notes: readonly string[]): void {
    const isKnown = noted?.length === notes.length && notes.every((note, i) => note === noted?.[i]);
    if (isKnown) return;
    names = namesOf([...notes, ...own]);
    noted = notes;
  }

  return {
    /** @throws Problem redis_unavailable before the first look */
    shardsOf,

    /**
     * Learns what is noted, and notes what is set here. @throws what Redis or the connection fails with; where it was
     * the noting, what was to be learned is known
     */
    async look(): Promise<void> {
      const [reply, time] = await readPipeline(
        redis,
        [readNotes, readClock(directoryKeys.shards)],
        timeoutMs,
      );
      const now = Number(time) / 1_000;
      const ends = new Map<string, number>();
      const pairs = reply as string[];
      for (let i = 0; i < pairs.length; i += 2) ends.set(pairs[i], Number(pairs[i + 1]));
      const isOver = (note: string) => Number(ends.get(note)) <= now;
      const found = [...ends.keys()].sort();
      learn(found.filter((note) => !isOver(note)));
      const due = own.filter((note) => (ends.get(note) ?? 0) < now + keptSeconds);
      if (due.length === 0 && !found.some(isOver)) return;
      const terms = [keptSeconds + RENEWED_SECONDS, encodePayload(due)];
      await readPipeline(
        redis,
        [callScript(scripts['note-shards-1'], [directoryKeys.shards], terms)],
        timeoutMs,
      );
    },

    /** Ends the notes of systems of which nothing is left. @throws what Redis or the connection fails with */
    async forget(systems: readonly string[]): Promise<void> {
      const gone = new Set(systems);
      const notes = (noted ?? []).filter((note) => gone.has(systemOf(note)));
      if (notes.length === 0) return;
      const [time] = await readPipeline(redis, [readClock(directoryKeys.shards)], timeoutMs);
      const end = Math.floor(Number(time) / 1_000) + claimsKeptSeconds;
      const ends = notes.flatMap((note) => [end, note]);
      await readPipeline(redis, [call('ZADD', directoryKeys.shards, 'XX', 'LT', ...ends)], timeoutMs);
    },
  };
}

export type Shards = ReturnType<typeof createShards>;
