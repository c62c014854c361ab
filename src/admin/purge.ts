/**
 * Purge: everything that is kept of a system, or some kinds of its sketches, is deleted while events go on coming in.
 *
 *   1  new epoch      the system's record begins anew, so whatever is written from now on comes in full and is noted
 *   2  walk           SCAN over the keyspace; what is the system's is deleted, some hundred keys a script call
 *   3  finish         in one script: what can have been written since 1, which the record tells, and the record itself
 *   4  forget         the directory and cached answers forget the system
 *
 * So the system is as if it had never been, as of the one instant of step 3. What was acknowledged before is gone
 * from every sketch, what is acknowledged after it is in every one, and no request fails: where a write meets an epoch
 * that it does not know, it stores nothing and is sent again in full (events/system-writes.ts). The rollups
 * leave a system alone from 1 to 3, and what they had read before is refused for its epoch.
 *
 * Some kinds only: the record stays, and step 3 is another new epoch. What comes in between 1 and 3 is then in some of
 * those sketches and not in others.
 *
 * Of a system that is spread over shards all are purged, each as of an instant of its own.
 *
 * A request works for `walkMs` at most and hands out a ticket to go on with. One that is never handed in leaves a part
 * of the keys deleted and everything else in order; purge again. A system that gets events of so many days at once
 * that step 3 would block Redis is walked over again, `WALKS_MAX` times, then refused. Redis down: 503, the same.
 */
import { Problem } from '../errors.js';
import { directoryKeys, type SketchKind, suffixOf, systemKey } from '../redis/keys.js';
import { encodePayload } from '../redis/payload.js';
import { type Call, call, callScript, readPipeline, toProblem } from '../redis/pipeline.js';
import { scan, scanStart } from '../redis/scan.js';
import { scripts } from '../redis/scripts.js';
import { acceptKey, matchesPattern, type SystemFilter, systemFilter } from '../redis/system-filter.js';
import { type Retention, recordSeconds } from '../windows/retention.js';
import { type AdminRedis, type Census, takeCensus, walkMs } from './census.js';
import { createFinish } from './finish-purge.js';
import { keyKinds } from './parameters.js';
import type { Purge, PurgeScope, Tickets } from './purge-tickets.js';

/** Systems that one purge is about. */
export const purgeSystemsMax = 1_000;
/** Keys that one script call deletes: about a millisecond of Redis. */
const CALL_KEYS_MAX = 500;
/** Calls of one round trip: each of a few milliseconds at most. */
const TRIP_CALLS_MAX = 20;
const WALKS_MAX = 3;
/** How long the rollups leave a system alone whose purge was given up. */
const UNFOLDED_SECONDS = 3_600;
/** How long processes can still hear of a purge; one that was cut off for longer reads the directory anew. */
const NOTED_SECONDS = 3_600;
const NOTED_MAX = 10_000;

interface PurgeDependencies extends AdminRedis {
  tickets: Tickets;
  retention: Retention;
  /** How long requests with an idempotency key are known, milliseconds. */
  claimsKeptMs: number;
  /** How long ids of events are known, 0: not at all. */
  idsKnownSeconds: number;
  randomId: () => string;
  /** Ends the notes of how systems are spread, of those of which nothing is left. */
  forgetShards: (systems: readonly string[]) => Promise<void>;
  /** Has answers about systems computed anew, everywhere. */
  invalidate: (systems: readonly string[]) => Promise<void>;
  removedKeys: (count: number) => void;
}

interface PurgePreview {
  systems: string[];
  census: Census;
  /** Null where there is nothing to purge. */
  confirm: string | null;
}

interface PurgeProgress {
  scope: PurgeScope;
  /** Still to be purged. */
  systems: string[];
  /** Keys deleted so far. */
  removed: number;
  done: boolean;
  /** To go on with, null when done. */
  confirm: string | null;
}

const kindsOf = ({ sketches }: PurgeScope): ReadonlySet<SketchKind> | undefined => keyKinds(sketches);

export function createPurge(dependencies: PurgeDependencies) {
  const { redis, shardsOf, clock, monotonic, timeoutMs, tickets, randomId, invalidate, removedKeys } =
    dependencies;
  const finishSystem = createFinish(dependencies);

  async function ask(calls: readonly Call[]): Promise<unknown[]> {
    const replies: unknown[] = [];
    try {
      for (let i = 0; i < calls.length; i += TRIP_CALLS_MAX) {
        replies.push(...(await readPipeline(redis, calls.slice(i, i + TRIP_CALLS_MAX), timeoutMs)));
      }
    } catch (error) {
      throw toProblem(error as Error);
    }
    return replies;
  }

  function filterOf({ scope, systems }: Pick<Purge, 'scope' | 'systems'>): SystemFilter {
    const chosen = new Set(systems);
    const { match, sibling } = systemFilter(shardsOf, scope.system, scope.pattern);
    return { match, sibling, accepts: (system) => chosen.has(system) };
  }

  /** @throws Problem question_too_large, redis_unavailable */
  async function systemsOf({ system, pattern = '*' }: PurgeScope): Promise<string[]> {
    if (system !== undefined) return [system];
    const [names] = (await ask([call('ZRANGE', directoryKeys.names, 0, -1)])) as [string[]];
    const systems = names.filter((name) => matchesPattern(pattern, name));
    if (systems.length <= purgeSystemsMax) return systems;
    const detail = `${systems.length} systems look so, and a purge may be about ${purgeSystemsMax}`;
    throw new Problem('question_too_large', detail, { errors: [{ pointer: '/pattern', detail }] });
  }

  async function renewEpochs({ scope, systems }: Purge, epoch: string, unfoldedSeconds: number) {
    const now = Math.floor(clock.now() / 1_000);
    const isAnew = scope.sketches ? 0 : 1;
    const terms = [epoch, now, recordSeconds(dependencies.retention), unfoldedSeconds, isAnew];
    const roots = systems.flatMap(shardsOf).map(systemKey);
    await ask(roots.map((root) => callScript(scripts['renew-epoch-1'], [root], terms)));
  }

  /** Deletes some keys, which belong to the systems of a purge. @returns how many */
  async function deleteKeys(keys: readonly string[], purge: Purge, epoch: string, filter: SystemFilter) {
    const kinds = kindsOf(purge.scope);
    const suffixes = new Map<string, string[]>();
    for (const key of keys) {
      const parsed = acceptKey(key, filter, kinds);
      if (!parsed?.sketch) continue; // its record goes last
      const own = suffixes.get(parsed.shard);
      const suffix = suffixOf(parsed.shard, key);
      if (own) own.push(suffix);
      else suffixes.set(parsed.shard, [suffix]);
    }
    const calls: Call[] = [];
    for (const [shard, own] of suffixes) {
      for (let i = 0; i < own.length; i += CALL_KEYS_MAX) {
        const terms = [epoch, ...own.slice(i, i + CALL_KEYS_MAX)];
        calls.push(callScript(scripts['unlink-keys-1'], [systemKey(shard)], terms));
      }
    }
    const counts = (await ask(calls)) as number[];
    return counts.reduce((sum, count) => sum + Math.max(0, count), 0);
  }

  function count(purge: Purge, removed: number): void {
    purge.removed += removed;
    removedKeys(removed);
  }

  async function walk(purge: Purge, epoch: string, budgetMs: number): Promise<void> {
    const filter = filterOf(purge);
    const from = purge.cursor ?? scanStart;
    purge.cursor = await scan(
      { redis, match: filter.match, sibling: filter.sibling, from, budgetMs, monotonic, timeoutMs },
      async (keys) => {
        count(purge, await deleteKeys(keys, purge, epoch, filter));
        return undefined;
      },
    );
  }

  async function forget(systems: readonly string[]): Promise<void> {
    const { names, last, purged } = directoryKeys;
    const terms = [NOTED_SECONDS, NOTED_MAX, encodePayload(systems)];
    await ask([callScript(scripts['forget-systems-3'], [names, last, purged], terms)]);
    await dependencies.forgetShards(systems).catch((error: Error) => {
      throw toProblem(error);
    });
  }

  /** Ends the purge of the systems of a walk. What cannot be ended stays, to be walked over again. */
  async function finish(purge: Purge, epoch: string): Promise<void> {
    const { systems, scope } = purge;
    if (scope.sketches) {
      await renewEpochs(purge, randomId(), 0);
      purge.systems = [];
    } else {
      const left: string[] = [];
      for (const system of systems) {
        const removed: (number | undefined)[] = [];
        for (const shard of shardsOf(system)) removed.push(await finishSystem(shard, epoch));
        if (removed.includes(undefined)) left.push(system);
        for (const keys of removed) count(purge, keys ?? 0);
      }
      purge.systems = left;
      const finished = systems.filter((system) => !left.includes(system));
      if (finished.length > 0) await forget(finished);
    }
    await invalidate(systems);
  }

  async function work(purge: Purge): Promise<void> {
    const end = monotonic.now() + walkMs;
    while (purge.systems.length > 0 && monotonic.now() < end) {
      if (purge.epoch === undefined || purge.cursor === undefined) {
        if (purge.walks >= WALKS_MAX) {
          throw new Problem(
            'purge_busy',
            `${purge.systems.length} systems get events of too many days at once`,
          );
        }
        purge.walks++;
        purge.epoch = randomId();
        purge.cursor = scanStart;
        await renewEpochs(purge, purge.epoch, UNFOLDED_SECONDS);
      }
      await walk(purge, purge.epoch, end - monotonic.now());
      if (purge.cursor === undefined) await finish(purge, purge.epoch);
    }
  }

  return {
    /** What a purge would delete, and the ticket that confirms it. @throws Problem */
    async preview(scope: PurgeScope): Promise<PurgePreview> {
      const systems = await systemsOf(scope);
      const census = await takeCensus(dependencies, filterOf({ scope, systems }), kindsOf(scope));
      const isNothing = systems.length === 0 || (scope.sketches && census.complete && census.keys === 0);
      const confirm = isNothing ? null : await tickets.keep({ scope, systems, walks: 0, removed: 0 });
      return { systems, census, confirm };
    },

    /** Purges what a ticket is about, as far as the time goes. @throws Problem */
    async proceed(ticket: string): Promise<PurgeProgress> {
      const purge = await tickets.take(ticket);
      await work(purge);
      const { scope, systems, removed } = purge;
      const done = systems.length === 0;
      return { scope, systems, removed, done, confirm: done ? null : await tickets.keep(purge) };
    },
  };
}

export type PurgeWork = ReturnType<typeof createPurge>;
