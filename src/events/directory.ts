/**
 * The directory: which systems there are, and when each had its last event. It stands in Redis for everyone
 * and is mirrored here, so that the bound on the number of systems costs no round trip: a row for one system
 * too many is refused before anything is sent.
 *
 * A new system is registered by the pipeline that brings its first event; later times of its last event are
 * written once a second, off the hot path, so a listing may lag that far behind.
 *
 * A purge takes systems out of the directory. Every process looks for that once a second, and from then on registers
 * them anew with their next event; where one has got events since, in this second or before this process heard of
 * it, its record is there again, and it is registered at once. Until a process has looked, what it believes of such
 * a system is refused, so nothing that was purged comes back.
 *
 * A system that is spread over shards stands here once, under its own name. How far it is spread is noted before
 * anything is written, so the directory counts as loaded when both are known (redis/shards.ts).
 *
 * Several processes that take in new systems at the same moment may pass the bound together, each by at most
 * the systems of its pipelines in flight; every reply brings the count that all of them have reached.
 */
import type { Clock } from '../clock.js';
import { directoryKeys, systemKey, systemOfShard } from '../redis/keys.js';
import { encodePayload } from '../redis/payload.js';
import {
  type Call,
  call,
  callScript,
  type Outcome,
  readPipeline,
  runPipeline,
  type Store,
} from '../redis/pipeline.js';
import { scripts } from '../redis/scripts.js';
import type { Shards } from '../redis/shards.js';
import type { SystemDelta } from './delta.js';

const RELOAD_MS_MIN = 1_000;
/** Systems that one call registers: about two milliseconds of Redis. */
const CALL_ENTRIES_MAX = 500;

type Entry = [system: string, lastEvent: number];

export interface Registration {
  call: Call;
  entries: Entry[];
}

interface DirectoryDependencies {
  redis: Store;
  shards: Pick<Shards, 'look' | 'shardsOf'>;
  systemsMax: number;
  timeoutMs: number;
  /** Seconds the directory lives after a write. */
  recordSeconds: number;
  clock: Clock;
  monotonic: Clock;
}

/** Systems and the last event of each, of deltas of systems and their shards. */
function lastEvents(deltas: Iterable<SystemDelta>): Map<string, number> {
  const last = new Map<string, number>();
  for (const delta of deltas) {
    const system = systemOfShard(delta.system);
    last.set(system, Math.max(last.get(system) ?? Number.NEGATIVE_INFINITY, delta.lastEvent));
  }
  return last;
}

export function createDirectory(dependencies: DirectoryDependencies) {
  const { redis, shards, systemsMax, timeoutMs, recordSeconds, clock, monotonic } = dependencies;
  /** System to its last event, of those that Redis knows. */
  let known = new Map<string, number>();
  /** Systems that were given a place and are not registered yet. */
  let claims = new Set<string>();
  /** Systems whose last event is later than Redis knows. */
  let later = new Map<string, number>();
  /** Systems that got events though they may have been purged, with the last of them. */
  let doubtful = new Map<string, number>();
  /** The latest purge heard of; purges have ever larger numbers. */
  let purgeSeen = '0';
  let total = 0;
  let loadedAt = Number.NEGATIVE_INFINITY;
  let loading: Promise<void> | undefined;

  async function read(): Promise<void> {
    await shards.look();
    const latest = call('ZREVRANGE', directoryKeys.purged, 0, 0, 'WITHSCORES');
    const [purge, reply] = await readPipeline(
      redis,
      [latest, call('HGETALL', directoryKeys.last)],
      timeoutMs,
    );
    const pairs = reply as string[];
    known = new Map();
    [, purgeSeen = '0'] = purge as string[];
    claims = new Set();
    for (let i = 0; i < pairs.length; i += 2) known.set(pairs[i], Number(pairs[i + 1]));
    total = known.size;
    loadedAt = monotonic.now();
  }

  /** Reads the directory anew; calls made meanwhile share the one reading. */
  function load(): Promise<void> {
    loading ??= read().finally(() => {
      loading = undefined;
    });
    return loading;
  }

  /** Calls that write entries, none of which blocks Redis for long. */
  function register(all: readonly Entry[]): Registration[] {
    const keys = [directoryKeys.names, directoryKeys.last, directoryKeys.purged];
    return Array.from({ length: Math.ceil(all.length / CALL_ENTRIES_MAX) }, (_, i) => {
      const entries = all.slice(i * CALL_ENTRIES_MAX, (i + 1) * CALL_ENTRIES_MAX);
      const payload = encodePayload(entries.flat());
      const terms = [recordSeconds, payload, purgeSeen];
      return { entries, call: callScript(scripts['register-systems-3'], keys, terms) };
    });
  }

  return {
    load,
    get isLoaded(): boolean {
      return loadedAt > Number.NEGATIVE_INFINITY;
    },

    /** The systems with the latest events, the latest first. */
    latest(systemsMax: number): string[] {
      const byLast = [...known].sort(([, a], [, b]) => b - a);
      return byLast.slice(0, systemsMax).map(([system]) => system);
    },

    /**
     * Whether rows of a system may be taken in; if so, it has a place until its registration is settled.
     * Where there is no room, others may have made some since.
     * @param trial takes the places instead, to ask without consequences
     */
    admit(system: string, trial?: Set<string>): boolean {
      if (known.has(system) || claims.has(system) || trial?.has(system)) return true;
      if (Math.max(total, known.size) + claims.size + (trial?.size ?? 0) < systemsMax) {
        (trial ?? claims).add(system);
        return true;
      }
      if (monotonic.now() - loadedAt > RELOAD_MS_MIN) load().catch(() => undefined);
      return false;
    },

    /** The calls that register those systems that are new. */
    registrations(deltas: Iterable<SystemDelta>): Registration[] {
      const fresh = [...deltas].filter(({ system }) => !known.has(systemOfShard(system)));
      return register([...lastEvents(fresh)]);
    },

    /** Takes note of what became of a registration. */
    settle({ entries }: Registration, outcome: Outcome): void {
      for (const [system, lastEvent] of entries) {
        claims.delete(system);
        if (!outcome.error) known.set(system, lastEvent);
      }
      if (!outcome.error) total = Number(outcome.reply);
    },

    /** Takes note of stored events; `flush` writes it down. */
    stored(deltas: Iterable<SystemDelta>): void {
      for (const { system: name, lastEvent } of deltas) {
        const system = systemOfShard(name);
        const last = known.get(system);
        if (last === undefined) {
          doubtful.set(system, Math.max(doubtful.get(system) ?? lastEvent, lastEvent));
        } else if (lastEvent > last) {
          known.set(system, lastEvent);
          later.set(system, lastEvent);
        }
      }
    },

    /** Looks for purges since the last look: forgets those systems, unless there is something of them again. */
    async learnPurges(): Promise<void> {
      if (redis.status !== 'ready') return;
      const purges = call('ZRANGEBYSCORE', directoryKeys.purged, `(${purgeSeen}`, '+inf', 'WITHSCORES');
      const look = [purges, call('ZCARD', directoryKeys.names)];
      const [reply, count] = await readPipeline(redis, look, timeoutMs);
      const pairs = reply as string[];
      total = Number(count);
      for (let i = 0; i < pairs.length; i += 2) {
        const system = pairs[i];
        const last = doubtful.get(system) ?? later.get(system) ?? known.get(system);
        doubtful.set(system, last ?? clock.now());
        known.delete(system);
        later.delete(system);
        purgeSeen = pairs[i + 1];
      }
      if (doubtful.size === 0) return;
      const looking = [...doubtful];
      doubtful = new Map();
      const records = looking.map(([system]) => shards.shardsOf(system).map(systemKey));
      const calls = records.flat().map((key) => call('EXISTS', key));
      const outcomes = await runPipeline(redis, calls, timeoutMs);
      for (const [place, [system, at]] of looking.entries()) {
        const own = outcomes.splice(0, records[place].length);
        if (own.some((outcome) => !outcome.error && outcome.reply !== 0)) {
          known.set(system, at);
          later.set(system, at);
        } else if (own.some(({ error }) => error) && !doubtful.has(system)) {
          // A master is away: the system is looked for at the next look, and the others need not wait.
          doubtful.set(system, at);
        }
      }
    },

    /** Writes the times of last events that are later than Redis knows. What fails is tried at the next flush. */
    async flush(): Promise<void> {
      if (later.size === 0 || redis.status !== 'ready') return;
      const writing = later;
      later = new Map();
      try {
        const calls = register([...writing]).map((registration) => registration.call);
        total = Number((await readPipeline(redis, calls, timeoutMs)).at(-1));
      } catch (error) {
        for (const [system, at] of writing) if (!later.has(system)) later.set(system, at);
        throw error;
      }
    },
  };
}

export type Directory = ReturnType<typeof createDirectory>;
