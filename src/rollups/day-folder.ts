/**
 * Folding one day of one system: its state and hours are read, its hours' lists merged into one list a metric, and
 * these put in the place of the day's own. Nothing is locked meanwhile. What may come in between is refused by the
 * script that stores (store-day-1.lua): a late event (the change counter moved), a purge (another epoch), a newer
 * leader (a larger token), a seal. Then, or if this process dies on the way, the day stays noted as it was and
 * is folded again; and until the last call, which says that the day is folded, nobody reads half of it, because
 * a day that has changed is read from its hours, and of one that has not the new lists say what the old ones said.
 *
 * Merging top lists adds up bounds and cuts the sum to the list's size, so the day's bounds hold as those of its
 * hours do, and up to the size all is exact. Digests merge as everywhere.
 *
 * Cost: one metric after the other, so that neither Redis nor this process is busy for long with any of them.
 */
import type { Clock } from '../clock.js';
import { decodeTop, type StoredDigests, type StoredTop } from '../redis/day-lists.js';
import { rollSuffix, sketchKey, sketchSuffix, systemKey, writtenKey } from '../redis/keys.js';
import { encodePayload, type PayloadValue } from '../redis/payload.js';
import { call, callScript, readPipeline, type Store } from '../redis/pipeline.js';
import { scripts } from '../redis/scripts.js';
import { topItemsMax, topMetrics } from '../sketches/registry.js';
import { cutTop, mergeTops } from '../sketches/space-saving.js';
import { decodeDigest, encodeDigest, mergeDigests } from '../sketches/t-digest.js';
import { type Bucket, bucketsIn } from '../windows/bucket.js';
import { type Retention, recordSeconds, ttlSeconds } from '../windows/retention.js';
import { type DayPlan, type DayState, planDay } from './day-plan.js';

export interface DayToFold {
  system: string;
  /** Of the system, read before anything else of the day. */
  epoch: string;
  numericKeys: readonly string[];
  day: Bucket;
  /** Fencing token of the leader. */
  token: number;
}

/** What became of a day; the last four leave it for another round. */
export type DayOutcome =
  | { kind: 'rolled' | 'sealed' | 'changed' | 'epoch' | 'unwritten' }
  | { kind: 'fenced'; token: number };

interface FolderDependencies {
  redis: Store;
  retention: Retention;
  clock: Clock;
  timeoutMs: number;
}

/** Lists as store-day takes them. */
interface Lists {
  tops: PayloadValue[];
  digests: PayloadValue[];
}

const nothing: Lists = { tops: [], digests: [] };

/** Fields and values in turn, as a map. */
const pairsToMap = (pairs: readonly string[]) =>
  new Map(pairs.flatMap((name, i) => (i % 2 === 0 ? [[name, pairs[i + 1]] as const] : [])));

export function createDayFolder({ redis, retention, clock, timeoutMs }: FolderDependencies) {
  async function readState({ system, day }: DayToFold) {
    const calls = [
      call('HGETALL', sketchKey(system, 'roll', 'all', day)),
      call('HGETALL', writtenKey(system, day)),
    ];
    const [state, hours] = (await readPipeline(redis, calls, timeoutMs)).map((pairs) =>
      pairsToMap(pairs as string[]),
    );
    const found: DayState = {
      changes: state.get('changes') ?? '0',
      rolled: state.get('rolled'),
      isPartial: state.get('partial') === '1',
      isSealed: state.has('sealed'),
    };
    const written = new Map([...hours].map(([hour, at]) => [Number(hour), Number(at) * 1_000]));
    return { state: found, written };
  }

  async function foldTop({ system, day }: DayToFold, metric: string): Promise<Lists> {
    const calls = bucketsIn('hour', day.start, day.end).flatMap((hour) => [
      call('ZRANGE', sketchKey(system, 'top', metric, hour), 0, -1, 'WITHSCORES'),
      call('HGETALL', sketchKey(system, 'over', metric, hour)),
    ]);
    const replies = (await readPipeline(redis, calls, timeoutMs)) as string[][];
    const hours = replies.flatMap((pairs, i) =>
      i % 2 === 0 && pairs.length > 0 ? [decodeTop([pairs, replies[i + 1]] as StoredTop)] : [],
    );
    if (hours.length === 0) return nothing;
    const { counts, overcounts, floor } = cutTop(mergeTops(hours), topItemsMax);
    const overs = floor > 0 ? new Map([...overcounts, ['', floor]]) : overcounts;
    const suffixes = [sketchSuffix('top', metric, day), sketchSuffix('over', metric, day)];
    const columns = [counts, overs].flatMap((map) => [[...map.keys()], [...map.values()]]);
    return { tops: [[...suffixes, ttlSeconds(day, retention, clock.now()), ...columns]], digests: [] };
  }

  async function foldDigests({ system, day }: DayToFold, metric: string): Promise<Lists> {
    const calls = bucketsIn('hour', day.start, day.end).map((hour) => ({
      ...call('LRANGE', sketchKey(system, 'digest', metric, hour), 1, -1),
      binary: true,
    }));
    const blobs = ((await readPipeline(redis, calls, timeoutMs)) as StoredDigests[]).flat();
    if (blobs.length === 0) return nothing;
    const digest = encodeDigest(mergeDigests(blobs.map(decodeDigest)));
    const suffix = sketchSuffix('digest', metric, day);
    return { tops: [], digests: [[suffix, ttlSeconds(day, retention, clock.now()), digest]] };
  }

  /** Stores lists, and with `plan` says what the day is now. Undefined where it was done. */
  async function store(
    { system, epoch, day, token }: DayToFold,
    changes: string,
    { tops, digests }: Lists,
    plan?: DayPlan,
  ): Promise<DayOutcome | undefined> {
    const [reply] = await readPipeline(
      redis,
      [
        callScript(
          scripts['store-day-1'],
          [systemKey(system)],
          [
            rollSuffix(day),
            recordSeconds(retention),
            token,
            epoch,
            changes,
            encodePayload([tops, digests]),
            plan?.outcome ?? '',
            Math.ceil((plan?.lookAgain ?? 0) / 1_000),
            plan?.isPartial ? 1 : 0,
          ],
        ),
      ],
      timeoutMs,
    );
    const [kind, inUse] = reply as ['ok' | 'fenced' | 'epoch' | 'changed' | 'sealed', number];
    if (kind === 'ok') return undefined;
    return kind === 'fenced' ? { kind, token: inUse } : { kind };
  }

  /**
   * Does what is to be done with a day that is due.
   * @throws SketchFormatError, ReplyError: what the day holds cannot be folded; or what the connection fails with
   */
  return async function foldDay(day: DayToFold): Promise<DayOutcome> {
    const { state, written } = await readState(day);
    const plan = planDay(day.day, written, state, retention, clock.now());
    if (!plan) return { kind: 'unwritten' };
    const folds = [
      ...topMetrics.map(
        ({ metric }) =>
          () =>
            foldTop(day, metric),
      ),
      ...day.numericKeys.map((key) => () => foldDigests(day, key)),
    ];
    for (const fold of plan.fold ? folds : []) {
      const lists = await fold();
      const refusal = lists === nothing ? undefined : await store(day, state.changes, lists);
      if (refusal) return refusal;
    }
    return (await store(day, state.changes, nothing, plan)) ?? { kind: plan.outcome };
  };
}
