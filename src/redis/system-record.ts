/**
 * Records of systems, as the rollups and a purge read them: the epoch, the numeric keys that have digests, and the days
 * that are to be looked at. A day is noted by the event that writes it first (apply-delta), and for as long as it is not
 * sealed; so one hash a system says all there is to do, and no list of work has to be kept or can be lost.
 */

import { reservedNumericKey } from '../sketches/registry.js';

import { type Bucket, dayNamed } from '../windows/bucket.js';
import { parseDayField, parseNumericField } from './keys.js';

interface NotedDay {
  day: Bucket;
  /** When it is to be looked at, milliseconds; before the day is over that means nothing. */
  lookAt: number;
}

export interface SystemRecord {
  /** '' where the system has none. */
  epoch: string;
  numericKeys: string[];
  /** Until when a purge keeps its days from being folded, milliseconds by the clock of Redis. */
  purgingUntil: number;
  /** First write to the system, milliseconds; NaN where there is none. */
  since: number;
  /** Oldest first. */
  days: NotedDay[];
}

/** Reads a record: fields and values in turn. */
export function parseRecord(pairs: readonly string[]): SystemRecord {
  const record: SystemRecord = {
    epoch: '',
    numericKeys: [reservedNumericKey],
    purgingUntil: 0,
    since: Number.NaN,
    days: [],
  };
  for (let i = 0; i < pairs.length; i += 2) {
    const [field, value] = [pairs[i], pairs[i + 1]];
    const numericKey = parseNumericField(field);
    const day = parseDayField(field);
    if (field === 'epoch') record.epoch = value;
    else if (field === 'purging') record.purgingUntil = Number(value) * 1_000;
    else if (field === 'since') record.since = Number(value) * 1_000;
    else if (numericKey !== undefined) record.numericKeys.push(numericKey);
    else if (day !== undefined) record.days.push({ day: dayNamed(day), lookAt: Number(value) * 1_000 });
  }
  record.days.sort((a, b) => a.day.start - b.day.start);
  return record;
}
