/**
 * What remains of a person after a removal, and until when at the latest. Sketches name nobody: they hold bits and
 * counters that many values share, of which one value cannot be taken out. Somebody who has an id can ask them
 * about it until their keys expire. That is told as a date: each key lives for its retention from its creation or
 * from the end of its bucket (windows/retention.ts), so nothing written up to now outlives the retention of the bucket
 * that the latest possible event fell into.
 */
import { closedPolicy, openPolicies } from '../cache/policies.js';
import {
  distinctMetrics,
  frequencyMetrics,
  membershipMetrics,
  type PersonKind,
  personOf,
  readGrains,
} from '../sketches/registry.js';
import { bucketAt, type Grain } from '../windows/bucket.js';
import { MINUTE_MS } from '../windows/civil.js';
import type { Retention } from '../windows/retention.js';

export const remainKinds = ['distinct', 'membership', 'frequency', 'answers'] as const;

export interface Remain {
  in: (typeof remainKinds)[number];
  /** What can still be told from it. */
  tells: string;
  /** The last instant of it, milliseconds. */
  until: number;
}

/** Writers set lifetimes by plans of up to this age. */
const PLAN_AGE_MS = MINUTE_MS;

interface RemainsOptions {
  retention: Retention;
  /** How far ahead of now an event may be, milliseconds. */
  futureMsMax: number;
}

/** When the last key of some grains is gone that an event may have been written to up to now. */
function lastOf(grains: readonly Grain[], { retention, futureMsMax }: RemainsOptions, now: number): number {
  const ends = grains.map((grain) => bucketAt(grain, now + futureMsMax).end + retention[grain]);
  return Math.max(...ends) + PLAN_AGE_MS;
}

const tables = {
  distinct: {
    rows: distinctMetrics,
    tells:
      'HyperLogLog registers. They name nobody; with an id and a copy of them one can tell that it may have been counted.',
  },
  membership: {
    rows: membershipMetrics,
    tells: 'Bloom filter bits. Whoever asks with the id is still told on which days it came.',
  },
  frequency: {
    rows: frequencyMetrics,
    tells:
      'Count-min counters and short hashes. Whoever asks with the id is still told about how often it came.',
  },
};

/** What remains of a person of a kind. */
export function remainsOf(kind: PersonKind, options: RemainsOptions, now: number): Remain[] {
  const inSketches = (['distinct', 'membership', 'frequency'] as const)
    .filter((name) => tables[name].rows.some(({ metric }) => personOf(tables[name].rows, metric) === kind))
    .map((name) => ({
      in: name,
      tells: tables[name].tells,
      until: lastOf([...new Set<Grain>(Object.values(readGrains[name]))], options, now),
    }));
  const answersMs = Math.max(
    ...[...openPolicies, closedPolicy].map(({ freshMs, errorMs }) => freshMs + errorMs),
  );
  const tells =
    'Answers of before. They are invalid and not given out any more; their bytes may list the id until they expire.';
  return [...inSketches, { in: 'answers', tells, until: now + answersMs }];
}
