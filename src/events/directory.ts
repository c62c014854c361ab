/**
 * The directory: which systems there are, and when each had its last event. It stands in Redis for everyone
 * and is mirrored here, so that the bound on the number of systems costs no round trip: a row for one system
 * too many is refused before anything is sent.
 *
 * A new system is registered by the pipeline that brings its first event; later times of its last event are
 * written once a second, off the hot path, so a listing may lag that far behind.
 *
 * Several processes that take in new systems at the same moment may pass the bound together, each by at most
 * the systems of its pipelines in flight; every reply brings the count that all of them have reached.
 */
import { directoryKeys } from '../redis/keys.js';
import { encodePayload } from '../redis/payload.js';
import { type Call, call, callScript, type Outcome, readPipeline, type Store } from '../redis/pipeline.js';
import { scripts } from '../redis/scripts.js';
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
  systemsMax: number;
  timeoutMs: number;
  /** Seconds the directory lives after a write. */
  recordSeconds: number;
  now: () => number;
}

export function createDirectory({ redis, systemsMax, timeoutMs, recordSeconds, now }: DirectoryDependencies) {
  /** System to its last event, of those that Redis knows. */
  let known = new Map<string, number>();
  /** Systems that were given a place and are not registered yet. */
  let claims = new Set<string>();
  /** Systems whose last event is later than Redis knows. */
  let later = new Map<string, number>();
  let total = 0;
  let loadedAt = Number.NEGATIVE_INFINITY;
  let loading: Promise<void> | undefined;

  async function read(): Promise<void> {
    const [reply] = await readPipeline(redis, [call('HGETALL', directoryKeys.last)], timeoutMs);
    const pairs = reply as string[];
    known = new Map();
    claims = new Set();
    for (let i = 0; i < pairs.length; i += 2) known.set(pairs[i], Number(pairs[i + 1]));
    total = known.size;
    loadedAt = now();
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
    const keys = [directoryKeys.names, directoryKeys.last];
    return Array.from({ length: Math.ceil(all.length / CALL_ENTRIES_MAX) }, (_, i) => {
      const entries = all.slice(i * CALL_ENTRIES_MAX, (i + 1) * CALL_ENTRIES_MAX);
      const payload = encodePayload(entries.flat());
      return { entries, call: callScript(scripts['register-systems-2'], keys, [recordSeconds, payload]) };
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
      if (now() - loadedAt > RELOAD_MS_MIN) load().catch(() => undefined);
      return false;
    },

    /** The calls that register those systems that are new. */
    registrations(systems: Iterable<SystemDelta>): Registration[] {
      const entries: Entry[] = [];
      for (const { system, lastEvent } of systems) {
        if (!known.has(system)) entries.push([system, lastEvent]);
      }
      return register(entries);
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
    stored(systems: Iterable<SystemDelta>): void {
      for (const { system, lastEvent } of systems) {
        if (lastEvent > (known.get(system) ?? Number.POSITIVE_INFINITY)) {
          known.set(system, lastEvent);
          later.set(system, lastEvent);
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
