/** Places: where an answer is read from. A question about several systems or buckets reads all their combinations. */
import type { Bucket } from '../windows/bucket.js';

export interface Place {
  system: string;
  bucket: Bucket;
}

/** All buckets of the first system, then of the next. */
export const placesOf = (systems: readonly string[], buckets: readonly Bucket[]): Place[] =>
  systems.flatMap((system) => buckets.map((bucket) => ({ system, bucket })));

/** The keys of places, those of each system together; places of one system must follow each other. */
export function keysBySystem(places: readonly Place[], keyOf: (place: Place) => string): string[][] {
  const keys = new Map<string, string[]>();
  for (const place of places) {
    const own = keys.get(place.system);
    if (own) own.push(keyOf(place));
    else keys.set(place.system, [keyOf(place)]);
  }
  return [...keys.values()];
}
