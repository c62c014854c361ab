/** Why an answer does not cover all of its time, where that is not plain from the age of it: minutes of late events. */
import type { Bucket } from '../windows/bucket.js';
import { HOUR_MS, MINUTE_MS } from '../windows/civil.js';
import type { Coverage, Retention } from '../windows/retention.js';

function durationText(ms: number): string {
  if (ms % HOUR_MS === 0) return `${ms / HOUR_MS} h`;
  return ms % MINUTE_MS === 0 ? `${ms / MINUTE_MS} min` : `${ms / 1_000} s`;
}

/** @param old the buckets that were read and have been over for longer than their retention */
export function coverageNote(
  coverage: Coverage,
  old: readonly Bucket[],
  retention: Retention,
): { coverage_note?: string } {
  if (coverage === 'complete' || !old.some(({ grain }) => grain === 'minute')) return {};
  const kept = durationText(retention.minute);
  return {
    coverage_note: `minutes are kept for ${kept}, and written only for events that are at most ${kept} old`,
  };
}
