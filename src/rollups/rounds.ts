/**
 * Rounds: one process of all, the leader, folds the days that are over (docs/rollups.md).
 *
 * Every round it holds the lease (redis/lease.ts), reads the records of the next systems in the directory, and folds
 * the days that are due in them. What is to be done stands in the records, so there is no queue that could lose
 * something: a sweep over all systems finds it, and begins anew after the last. A round reads at most
 * `SYSTEMS_MAX` records and looks at `DAYS_MAX` days, and where it stopped the next one goes on; a system with more
 * days than that (an old log) has the others in the next sweep. With 10,000 systems a sweep
 * takes ten rounds, and the days of a midnight as many; answers do not wait for that, they read hours until then.
 *
 * Each shard of a system that is spread is folded as a system of its own; those that a round did not come to have their
 * turn in the next sweep.
 *
 * A day that cannot be folded is logged and left, the others go on. Redis down: the round fails, and the next one
 * goes on with the systems after. The leader dies: its lease runs out, another process takes over, and what was half done
 * is done again. It was only stopped for long: its token is refused, it gives up and asks anew.
 */
import type { FastifyBaseLogger } from 'fastify';
import type { Clock } from '../clock.js';
import type { Metrics } from '../metrics.js';
import { directoryKeys, systemKey, systemOfShard } from '../redis/keys.js';
import { createLease } from '../redis/lease.js';
import { call, isUnavailable, readPipeline, type Store } from '../redis/pipeline.js';
import type { ShardsOf } from '../redis/shard-names.js';
import { readClock } from '../redis/shared-clock.js';
import { parseRecord, type SystemRecord } from '../redis/system-record.js';
import { SketchFormatError } from '../sketches/envelope.js';
import { type Retention, recordSeconds } from '../windows/retention.js';
import { createDayFolder, type DayOutcome, type DayToFold } from './day-folder.js';
import { dueFrom } from './day-plan.js';

/** How often a round begins. */
export const roundMs = 60_000;
/** A lease outlives two rounds, so that it is not handed round. */
const leaseMs = 150_000;
const SYSTEMS_MAX = 1_000;
const DAYS_MAX = 1_000;
/** Records read in one round trip. */
const PIPELINE_RECORDS_MAX = 100;

interface RoundsDependencies {
  redis: Store;
  shardsOf: ShardsOf;
  retention: Retention;
  /** Of this process, and nobody else's. */
  holderId: string;
  clock: Clock;
  timeoutMs: number;
  metrics: Metrics;
  log: FastifyBaseLogger;
}

export function createRollups(dependencies: RoundsDependencies) {
  const { redis, shardsOf, retention, holderId, clock, timeoutMs, metrics, log } = dependencies;
  const tokenSeconds = recordSeconds(retention);
  const lease = createLease({ redis, job: 'rollups', holderId, leaseMs, tokenSeconds, timeoutMs });
  const foldDay = createDayFolder({ redis, retention, clock, timeoutMs });
  /** The last system of the sweep that is done with; '' before the first. */
  let after = '';
  /** Milliseconds by which the day is overdue that was left unfolded longest, of this sweep. */
  let lagMs = 0;
  let daysLeft = 0;
  let stopping = false;

  async function nextSystems(): Promise<string[]> {
    const from = after === '' ? '-' : `(${after}`;
    const page = call('ZRANGEBYLEX', directoryKeys.names, from, '+', 'LIMIT', 0, SYSTEMS_MAX);
    const [names] = await readPipeline(redis, [page], timeoutMs);
    return names as string[];
  }

  /** The records of some systems, at least one, and the time by the clock of Redis, milliseconds. */
  async function readRecords(systems: readonly string[]): Promise<{ records: SystemRecord[]; time: number }> {
    const calls = systems.map((system) => call('HGETALL', systemKey(system)));
    const [time, ...replies] = await readPipeline(
      redis,
      [readClock(systemKey(systems[0])), ...calls],
      timeoutMs,
    );
    return { records: replies.map((pairs) => parseRecord(pairs as string[])), time: Number(time) };
  }

  /** Folds a day; what is wrong with it alone is logged. @throws what the connection fails with */
  async function tryFold(day: DayToFold): Promise<DayOutcome | { kind: 'failed' }> {
    try {
      return await foldDay(day);
    } catch (error) {
      if (!(error instanceof SketchFormatError) && isUnavailable(error as Error)) throw error;
      const system = systemOfShard(day.system);
      log.error({ err: error, system, day: day.day.name }, 'a day could not be folded');
      return { kind: 'failed' };
    }
  }

  /** Folds what is due of a system, as far as the round allows. False where the round has to end. */
  async function foldSystem(system: string, { epoch, numericKeys, days }: SystemRecord): Promise<boolean> {
    for (const { day, lookAt } of days) {
      const overdueMs = clock.now() - dueFrom(day, lookAt);
      if (overdueMs < 0) continue;
      const token = daysLeft-- > 0 && !stopping ? await lease.hold() : undefined;
      if (token === undefined) {
        lagMs = Math.max(lagMs, overdueMs);
        return false;
      }
      const outcome = await tryFold({ system, epoch, numericKeys, day, token });
      metrics.rollupDays.inc({ outcome: outcome.kind });
      if (outcome.kind !== 'rolled' && outcome.kind !== 'sealed') lagMs = Math.max(lagMs, overdueMs);
      if (outcome.kind === 'fenced') {
        after = '';
        lease.outrank(outcome.token);
        await lease.release();
        return false;
      }
    }
    return true;
  }

  async function sweep(): Promise<void> {
    const systems = await nextSystems();
    const shards = systems.flatMap(shardsOf);
    for (let i = 0; i < shards.length; i += PIPELINE_RECORDS_MAX) {
      const some = shards.slice(i, i + PIPELINE_RECORDS_MAX);
      const { records, time } = await readRecords(some);
      for (const [place, shard] of some.entries()) {
        if (daysLeft <= 0) return;
        after = systemOfShard(shard); // also where it fails or has too much: it must not hold up the others
        // What is read while a purge goes on might be gone by the end, and would be back.
        if (time < records[place].purgingUntil) continue;
        if (!(await foldSystem(shard, records[place]))) return;
      }
    }
    if (systems.length < SYSTEMS_MAX) after = '';
  }

  return {
    /** One round. @throws what Redis or the connection fails with */
    async round(): Promise<void> {
      if (stopping) return;
      const isLeader = redis.status === 'ready' && (await lease.hold()) !== undefined;
      metrics.rollupLeader.set(isLeader ? 1 : 0);
      if (!isLeader) {
        after = '';
        metrics.rollupLagSeconds.set(0);
        return;
      }
      if (after === '') lagMs = 0;
      daysLeft = DAYS_MAX;
      await sweep();
      metrics.rollupLagSeconds.set(lagMs / 1_000);
    },

    /** Ends a round under way after the day it is at. */
    stop(): void {
      stopping = true;
    },

    /** Lets another process lead at once. Call it when no round is under way. */
    async resign(): Promise<void> {
      if (redis.status === 'ready') await lease.release();
    },
  };
}

export type Rollups = ReturnType<typeof createRollups>;
