/**
 * Questions about sets, distinct values and membership: their Redis commands and how the replies become an
 * estimate with its bound. All take the places to read, which are merged; all tell which of these exist.
 */
import { sketchKey } from '../redis/keys.js';
import { call, callScript } from '../redis/pipeline.js';
import { scripts } from '../redis/scripts.js';
import { bloomKeyBytes, decodeBloomHeader, writeBloomKey } from '../sketches/bloom.js';
import { bloomStartBytes, combineRates, falsePositiveRate } from '../sketches/bloom-rate.js';
import { createRegisters, distinctBounds, estimate, mergeHll } from '../sketches/hyperloglog.js';
import { keysBySystem, type Place } from './place.js';
import type { Question } from './question.js';

export interface Distinct {
  count: number;
  /** Relative, one standard error. */
  standardError: number;
  /** 95% interval. */
  lower: number;
  upper: number;
  exists: boolean[];
}

/** PFCOUNT blocks Redis for 26 microseconds a dense key; more keys than this are merged here. */
const COUNT_KEYS_MAX = 40;

/** How many different values the union of some places holds. */
export function askDistinct(metric: string, places: readonly Place[]): Question<Distinct> {
  const keys = places.map(({ system, bucket }) => sketchKey(system, 'hll', metric, bucket));
  const isOneSystem = places.length > 0 && places.every(({ system }) => system === places[0].system);
  if (isOneSystem && keys.length <= COUNT_KEYS_MAX) {
    return {
      calls: [call('PFCOUNT', ...keys), ...keys.map((key) => call('EXISTS', key))],
      decode([reply, ...found]) {
        const count = Number(reply);
        return { count, ...distinctBounds(count), exists: found.map((one) => one === 1) };
      },
    };
  }
  return {
    calls: keys.map((key) => ({ ...call('GET', key), binary: true })),
    decode(replies) {
      const registers = createRegisters();
      for (const bytes of replies as (Buffer | null)[]) if (bytes) mergeHll(registers, bytes);
      const count = estimate(registers);
      return { count, ...distinctBounds(count), exists: replies.map((bytes) => bytes !== null) };
    },
  };
}

export interface Membership {
  found: boolean;
  /** Chance that a value never written would be found in these filters, at most. */
  falsePositiveRate: number;
  /** A filter has taken more than it was made for, so its rate is above the aim. */
  saturated: boolean;
  exists: boolean[];
}

/** Whether a value was written in any of some places. Those of one system follow each other. */
export function askMembership(metric: string, value: string, places: readonly Place[]): Question<Membership> {
  const bloomKey = Buffer.alloc(bloomKeyBytes);
  writeBloomKey(value, bloomKey, 0);
  const keys = keysBySystem(places, ({ system, bucket }) => sketchKey(system, 'bloom', metric, bucket));
  const script = scripts['check-membership-n'];
  const startBytes = bloomStartBytes(places.length);
  return {
    calls: keys.map((own) => callScript(script, own, [bloomKey, startBytes], true)),
    decode(replies) {
      const filters = replies.flat() as (Buffer | [found: number, start: Buffer])[];
      const present = filters.filter((filter): filter is [number, Buffer] => Array.isArray(filter));
      return {
        found: present.some(([found]) => found === 1),
        falsePositiveRate: combineRates(present.map(([, start]) => falsePositiveRate(start))),
        saturated: present.some(([, start]) => decodeBloomHeader(start).saturated),
        exists: filters.map((filter) => Array.isArray(filter)),
      };
    },
  };
}
