/**
 * Shards in use: over how many shards each system is spread, as far as anybody may find something there. That is the
 * number of the setting, or one that was set before, here or by any other process, if it was larger: a number that is
 * lowered moves nothing, and what was written to the shards that are not written any more is read until it expires.
 *
 * So every process notes its setting in the directory before it writes anything, for as long as what it writes may live,
 * and looks once a second what others have noted. Who raises a number while others run is therefore asked about
 * in full a second later everywhere. Until the first look nothing is known and nothing is answered: half an answer might
 * be kept. Redis down: what is known stays known.
 *
 * Of a purged system the notes end as soon as nothing can be written under them any more: the time that claims of
 * requests are kept, since these are finished as they were begun. Where a number is in use its note is renewed at once.
 */
import type { Clock } from '../clock.js';
import { Problem } from '../errors.js';
import { directoryKeys } from './keys.js';
import { encodePayload } from './payload.js';
import { call, callScript, readPipeline, type Store } from './pipeline.js';
import { scripts } from './scripts.js';
import { type ShardsOf, shardNames } from './shard-names.js';
import type { Spread } from './spread.js';

interface ShardsDependencies {
  redis: Store;
  spread: Spread;
  /** How long what is written may live, seconds. */
  keptSeconds: number;
  /** How long a request with an idempotency key may come back, seconds. */
  claimsKeptSeconds: number;
  clock: Clock;
  timeoutMs: number;
}

const noteOf = (system: string, shards: number): string => `${shards}:${system}`;
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
  const { redis, spread, keptSeconds, claimsKeptSeconds, clock, timeoutMs } = dependencies;
  const own = [...spread].map(([system, shards]) => noteOf(system, shards));
  const ownPayload = encodePayload(own);
  let noted: readonly string[] | undefined;
  let names = new Map<string, readonly string[]>();
  const nowSeconds = () => Math.floor(clock.now() / 1_000);

  const shardsOf: ShardsOf = (system) => {
    if (!noted) throw new Problem('redis_unavailable', 'it is not known yet how systems are spread');
    return names.get(system) ?? [system];
  };

  return {
    /** @throws Problem redis_unavailable before the first look */
    shardsOf,

    /** Notes what is set here, and learns what is noted. @throws what Redis or the connection fails with */
    async look(): Promise<void> {
      const terms = [nowSeconds(), keptSeconds, ownPayload];
      const look = callScript(scripts['note-shards-1'], [directoryKeys.shards], terms);
      const [reply] = (await readPipeline(redis, [look], timeoutMs)) as [string[]];
      const isKnown = noted?.length === reply.length && reply.every((note, i) => note === noted?.[i]);
      if (isKnown) return;
      names = namesOf([...reply, ...own]);
      noted = reply;
    },

    /** Ends the notes of systems of which nothing is left. @throws what Redis or the connection fails with */
    async forget(systems: readonly string[]): Promise<void> {
      const gone = new Set(systems);
      const notes = (noted ?? []).filter((note) => gone.has(systemOf(note)));
      if (notes.length === 0) return;
      const end = nowSeconds() + claimsKeptSeconds;
      const ends = notes.flatMap((note) => [end, note]);
      await readPipeline(redis, [call('ZADD', directoryKeys.shards, 'XX', 'LT', ...ends)], timeoutMs);
    },
  };
}

export type Shards = ReturnType<typeof createShards>;
