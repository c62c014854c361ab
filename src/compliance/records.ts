/**
 * Which of the systems asked about there are: those whose record exists, read in the same round trip as the answer. A
 * list of names that this process keeps may be seconds old; a system that was never written must not be answered
 * with a certain "no", and one that was just written must not be called unknown.
 */
import { Problem } from '../errors.js';
import { numericField, parseNumericField, systemKey } from '../redis/keys.js';
import { call } from '../redis/pipeline.js';
import type { ShardsOf } from '../redis/shard-names.js';
import { reservedNumericKey } from '../sketches/registry.js';
import { type Ask, all, combine, map, type Question } from './question.js';
import type { Scope } from './scope.js';

/** What a question needs to exist. */
export interface Needed {
  /** A measurement, by its key in `metadata`. */
  numericKey?: string;
}

interface Found {
  system: string;
  isKnown: boolean;
  /** Whether it keeps the measurement that is needed. */
  isMeasured: boolean;
}

/** What an answer says of the systems that do not exist. */
export interface Unknown {
  unknown_systems?: string[];
}

/** Systems whose measurements are listed where none has the one asked for. */
const LISTED_SYSTEMS_MAX = 20;
/** Measurements that a problem lists. */
const LISTED_METRICS_MAX = 100;

function systemUnknown(system: string): Problem {
  const detail = `the system ${JSON.stringify(system)} is not known`;
  return new Problem('system_unknown', detail, { system, errors: [{ pointer: '/system', detail }] });
}

/** A system exists where any of its shards does. */
function askRecord(system: string, shardsOf: ShardsOf, numericKey: string | undefined): Question<Found> {
  const fields = ['epoch', ...(numericKey === undefined ? [] : [numericField(numericKey)])];
  const shards = shardsOf(system);
  return {
    calls: shards.map((shard) => call('HMGET', systemKey(shard), ...fields)),
    decode(replies) {
      const records = replies as (string | null)[][];
      const isKnown = records.some(([epoch]) => epoch != null);
      return { system, isKnown, isMeasured: records.some(([, measured]) => measured != null) };
    },
  };
}

/** The measurements of some systems, ascending. */
function askMeasurements(systems: readonly string[], shardsOf: ShardsOf): Question<string[]> {
  const keys = systems.flatMap(shardsOf).map(systemKey);
  const fields = all(
    keys.map((key) => ({ calls: [call('HKEYS', key)], decode: ([found]) => found as string[] })),
  );
  return map(fields, (records) => {
    const names = records.flat().flatMap((field) => parseNumericField(field) ?? []);
    return [...new Set([reservedNumericKey, ...names])].sort();
  });
}

/** Asks about systems that exist. */
export function createAskExisting(ask: Ask, shardsOf: ShardsOf) {
  async function metricUnknown(numericKey: string, systems: readonly string[]): Promise<Problem> {
    const metrics = await ask(askMeasurements(systems.slice(0, LISTED_SYSTEMS_MAX), shardsOf));
    const about = systems.length === 1 ? JSON.stringify(systems[0]) : `any of ${systems.length} systems`;
    const listed = metrics.slice(0, LISTED_METRICS_MAX);
    const detail = `${JSON.stringify(numericKey)} is not a measurement of ${about}; known are ${listed.join(', ')}`;
    return new Problem('metric_unknown', detail, {
      metrics: listed,
      errors: [{ pointer: '/metric', detail }],
    });
  }

  /**
   * Asks a question about the systems of a scope, and names those that do not exist. `*` means those that do.
   * @throws Problem system_unknown where the only system asked about does not exist, metric_unknown where none of them
   *   has the measurement, and as `ask` does
   */
  return async <Answer>(
    { systems, isAll }: Pick<Scope, 'systems' | 'isAll'>,
    question: Question<Answer>,
    { numericKey }: Needed = {},
  ): Promise<{ answer: Answer; unknown: Unknown }> => {
    // The reserved measurement has its place in every system.
    const needed = numericKey === reservedNumericKey ? undefined : numericKey;
    const looked = isAll && needed === undefined ? [] : systems;
    const records = all(looked.map((system) => askRecord(system, shardsOf, needed)));
    const { answer, found } = await ask(combine({ answer: question, found: records }));
    const unknown = isAll ? [] : found.filter(({ isKnown }) => !isKnown).map(({ system }) => system);
    if (unknown.length > 0 && systems.length === 1) throw systemUnknown(systems[0]);
    const known = found.filter(({ isKnown }) => isKnown);
    if (needed !== undefined && known.length > 0 && !known.some(({ isMeasured }) => isMeasured)) {
      throw await metricUnknown(
        needed,
        known.map(({ system }) => system),
      );
    }
    return { answer, unknown: unknown.length > 0 ? { unknown_systems: unknown } : {} };
  };
}
