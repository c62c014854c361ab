/**
 * Sizes: what one sketch takes in Redis, from the parameters of the sketch itself and from how much it has seen. Of the
 * sketches only the lists of digests hang on how events come (in how many groups), all others on what is different.
 */
import { digestFoldLength } from '../redis/scripts.js';
import { bloomLayers } from '../sketches/bloom.js';
import { centroidsMax, singlesMax } from '../sketches/centroids.js';
import { countMinLayers } from '../sketches/count-min.js';
import { hyperloglogDenseBytes, registerCount } from '../sketches/hyperloglog.js';
import { topItemsMax } from '../sketches/registry.js';
import { allocated, grown, hashBytes, sortedSetBytes } from './allocation.js';
import { distinctOf } from './distinct.js';
import { failedLoginShare, usualTypes } from './work.js';

/** Of user ids and paths; IPs and event types are shorter. */
const ID_BYTES = 24;
const SHORT_ID_BYTES = 13;
const shortIds = ['active_ips', 'event_types', 'failed_logins'];
/** Redis stores a HyperLogLog sparsely up to here (hll-sparse-max-bytes). */
const SPARSE_BYTES_MAX = 3_000;
/** A sparse one grows by doubling, and begins with this. */
const SPARSE_BYTES_FIRST = 56;
const HLL_HEADER_BYTES = 16;
/** Zeros that one byte stands for. */
const ZEROS_MAX = 64;
const DIGEST_HEADER_BYTES = 45;
const SAMPLE_BYTES = 8;
/** Mean and weight of a centroid. */
const CENTROID_BYTES = 11;
const LIST_BYTES = 200;
const MINUTES_PER_DAY = 1_440;
const HOURS_PER_DAY = 24;
const COUNTER_FIELD_BYTES = 6;

/** A HyperLogLog of so many different values. */
export function hyperloglogBytes(values: number): number {
  const load = -Math.expm1(-values / registerCount);
  // A register takes a byte, and the zeros before it one more, two where they are many, none where there are none.
  const sparse = HLL_HEADER_BYTES + load * registerCount * (2 - load + Math.exp(-ZEROS_MAX * load));
  if (sparse > SPARSE_BYTES_MAX) return allocated(hyperloglogDenseBytes + 1);
  const doublings = Math.max(0, Math.ceil(Math.log2(sparse / SPARSE_BYTES_FIRST)));
  return SPARSE_BYTES_FIRST * 2 ** doublings;
}

/** A Bloom filter of so many different values. */
export function bloomBytes(values: number): number {
  let left = values;
  let end = 0;
  for (const { blocks, offsetBytes, capacity } of bloomLayers) {
    end = offsetBytes + blocks * 32;
    left -= capacity;
    if (left < 0) break;
  }
  return grown(end);
}

/** A count-min sketch in which so many different values are counted again and again. */
export function countMinBytes(values: number): number {
  const { endBytes } =
    countMinLayers.find(({ width, takenMax }) => {
      const taken = 4 * width * -Math.expm1(-values / width);
      return taken < takenMax;
    }) ?? countMinLayers[countMinLayers.length - 1];
  return grown(endBytes);
}

/** A top list of which so many different items were counted, with its overcounts. */
export function topBytes(metric: string, items: number): { list: number; overcounts: number } {
  const listed = Math.min(items, topItemsMax);
  const idBytes = shortIds.includes(metric) ? SHORT_ID_BYTES : ID_BYTES;
  return {
    list: sortedSetBytes(listed, idBytes),
    overcounts: items > topItemsMax ? hashBytes(listed, idBytes) : 0,
  };
}

/** The counters of failed log-ins of a day with so many events: by the minute, the hour and the day. */
export function failedLoginBytes(events: number): number {
  const buckets = [MINUTES_PER_DAY, HOURS_PER_DAY, 1];
  const fields = buckets.map((count) => count * distinctOf((events * failedLoginShare) / count, 1));
  return hashBytes(
    fields.reduce((sum, own) => sum + own, 0),
    COUNTER_FIELD_BYTES,
  );
}

/** The exact counters of a day with so many events. */
export function counterBytes(events: number): number {
  const fields = MINUTES_PER_DAY * distinctOf(events / MINUTES_PER_DAY, usualTypes);
  return hashBytes(fields, COUNTER_FIELD_BYTES);
}

const digestBytes = (samples: number) =>
  DIGEST_HEADER_BYTES + (samples <= singlesMax ? samples * SAMPLE_BYTES : centroidsMax * CENTROID_BYTES);

/**
 * A list of digests.
 * @param groups how many brought a digest
 * @param samples in all of them
 */
export function digestListBytes(groups: number, samples: number): number {
  if (samples <= 0) return 0;
  if (groups <= digestFoldLength) return LIST_BYTES + groups * digestBytes(samples / groups);
  // Between two folds it grows from one element to the longest.
  return LIST_BYTES + digestBytes(samples) + (digestFoldLength / 2) * digestBytes(samples / groups);
}
