/**
 * A list of keys, page by page. The order is that of SCAN, which is none; a page ends with the step of the walk in
 * which it has got long enough, so it may hold some more than were asked for, or fewer, even none, where the time was
 * over. The cursor says where to go on; only its absence says that this was all.
 */
import type { SketchKind } from '../redis/keys.js';
import { isCursor, scan, scanStart, stepKeys } from '../redis/scan.js';
import { acceptKey, type SystemFilter } from '../redis/system-filter.js';
import { type AdminRedis, kindOf } from './census.js';
import { invalidParameter } from './parameters.js';

/** How long one page may take, milliseconds. */
const PAGE_MS = 500;

interface PageRequest {
  filter: SystemFilter;
  kinds: ReadonlySet<SketchKind> | undefined;
  cursor: string | undefined;
  limit: number;
}

const toCursor = (place: string) => Buffer.from(place).toString('base64url');

/** @throws Problem parameter_invalid */
function fromCursor(cursor: string | undefined): string {
  if (cursor === undefined) return scanStart;
  const place = Buffer.from(cursor, 'base64url').toString();
  if (isCursor(place) && toCursor(place) === cursor) return place;
  throw invalidParameter('cursor', 'is not a cursor of this list');
}

/** One page. @throws Problem parameter_invalid, redis_unavailable */
export async function listKeys(admin: AdminRedis, { filter, kinds, cursor, limit }: PageRequest) {
  const found = new Map<string, { key: string; system: string; sketch: string }>();
  const from = fromCursor(cursor);
  const step = Math.min(stepKeys, Math.max(limit, 100));
  const { match, sibling } = filter;
  const walk = { ...admin, match, sibling, from, budgetMs: PAGE_MS, step };
  const rest = await scan(walk, (keys) => {
    for (const key of keys) {
      const parsed = acceptKey(key, filter, kinds);
      if (parsed) found.set(key, { key, system: parsed.system, sketch: kindOf(parsed) });
    }
    return found.size >= limit;
  });
  return { keys: [...found.values()], next: rest === undefined ? null : toCursor(rest) };
}
