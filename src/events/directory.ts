/**
 * The directory: which systems there are, and when each had its last event. It stands in Redis for everyone
 * and is mirrored here, so that the bound on the number of systems costs no round trip: a row for one system
 * too many is refused before anything is sent.
 *
 * Several processes that take in new systems at the same moment may pass the bound together, each by at most
 * the systems of its pipelines in flight; every reply brings the count that all of them have reached.
 */
import type { Redis } from 'ioredis';
import { directoryKeys } from '../redis/keys.js';
import { encodePayload } from '../redis/payload.js';
import { type Call, call, callScript, readPipeline } from '../redis/pipeline.js';
import { scripts } from '../redis/scripts.js';
import type { SystemDelta } from './delta.js';

const RELOAD_MS_MIN = 1_000;

interface DirectoryDependencies {
  redis: Redis;
  systemsMax: number;
  timeoutMs: number;
  /** Seconds the directory lives after a write. */
  recordSeconds: number;
  now: () => number;
}

export function createDirectory({ redis, systemsMax, timeoutMs, recordSeconds, now }: DirectoryDependencies) {
  /** System to its last event as Redis knows it, -Infinity where it is yet to be written. */
  let known = new Map<string, number>();
  let total = 0;
  let loadedAt = Number.NEGATIVE_INFINITY;
  let loading: Promise<void> | undefined;

  async function read(): Promise<void> {
    const [reply] = await readPipeline(redis, [call('HGETALL', directoryKeys.last)], timeoutMs);
    const pairs = reply as string[];
    known = new Map();
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

  return {
    load,
    get isLoaded(): boolean {
      return loadedAt > Number.NEGATIVE_INFINITY;
    },

    /** Whether rows of a system may be taken in. Where there is no room, others may have made some since. */
    admit(system: string): boolean {
      if (known.has(system)) return true;
      if (Math.max(total, known.size) < systemsMax) {
        known.set(system, Number.NEGATIVE_INFINITY);
        return true;
      }
      if (now() - loadedAt > RELOAD_MS_MIN) load().catch(() => undefined);
      return false;
    },

    /** The call that registers what is new about some systems, or undefined where nothing is. */
    registration(systems: Iterable<SystemDelta>): { call: Call; entries: (string | number)[] } | undefined {
      const entries: (string | number)[] = [];
      for (const { system, lastEvent } of systems) {
        if (lastEvent > (known.get(system) ?? Number.NEGATIVE_INFINITY)) entries.push(system, lastEvent);
      }
      if (entries.length === 0) return undefined;
      const keys = [directoryKeys.names, directoryKeys.last];
      return {
        call: callScript(scripts['register-systems-2'], keys, [recordSeconds, encodePayload(entries)]),
        entries,
      };
    },

    /** Takes note of an acknowledged registration. */
    registered(entries: readonly (string | number)[], count: number): void {
      for (let i = 0; i < entries.length; i += 2) known.set(entries[i] as string, entries[i + 1] as number);
      total = count;
    },
  };
}

export type Directory = ReturnType<typeof createDirectory>;
