/** Places: where an answer is read from. A question about several systems or buckets reads all their combinations. */
import type { Bucket } from '../windows/bucket.js';

export interface Place {
  system: string;
  bucket: Bucket;
}

/** All buckets of the first system, then of the next. */
export const placesOf = (systems: readonly string[], buckets: readonly Bucket[]): Place[] =>
  systems.flatMap((system) => buckets.map((bucket) => ({ system, bucket })));
