/**
 * Ignored fields: what a row brings that is not read although its sender may think so. Answers name them with a count
 * (notices.ts), so that a wrong field name is seen with the first batch.
 *
 *   ip                    a field beside `metadata` that is none of an event's; `null` is absence everywhere
 *   event_id              where the service does not read ids
 *   user_id, metadata.ip  an optional field that is the empty text
 *   metadata.user_id      a field of the event inside `metadata`, where the event itself has none
 *   metadata.db.ms        a number inside a list or an object; its name has two levels at most. Also an `ip` or `endpoint`
 *                         there, where `metadata` itself has none
 *   metadata.latency_ms   a number written as text, where its key says a unit
 *   metadata.k33          a number more than a system keeps, or one under an empty key
 *
 * Any other text in `metadata`, and numbers under codes, ports and ids, are context that events are free to carry: they
 * are not counted.
 *
 * Bound: of one row so many names, each cut; how many more there were is counted. A row of known fields costs one walk
 * over its keys and allocates nothing.
 */
import { isMeasurement } from '../sketches/registry.js';

export const ignoredNamesMax = 20;
/** UTF-16 units of a name that an answer repeats. */
const NAME_LENGTH_MAX = 64;

/** Of one row. */
export interface IgnoredFields {
  names: string[];
  /** How many there were beyond those. */
  more: number;
}

/** Fields that are `null` are as if they were not there. */
export const isAbsent = (value: unknown): boolean => value === undefined || value === null;

/** Notes a field, whose path has up to three parts. */
export function ignore(ignored: IgnoredFields, first: string, second?: string, third?: string): void {
  if (ignored.names.length >= ignoredNamesMax) {
    ignored.more++;
    return;
  }
  const name =
    second === undefined ? first : third === undefined ? `${first}.${second}` : `${first}.${second}.${third}`;
  const isLong = name.length > NAME_LENGTH_MAX;
  ignored.names.push(isLong ? `${name.slice(0, NAME_LENGTH_MAX - 3)}...`.toWellFormed() : name);
}

/**
 * Notes the fields of a row that no event has.
 * @param readsIds whether `event_id` means anything
 */
export function ignoreUnknown(
  ignored: IgnoredFields,
  row: Readonly<Record<string, unknown>>,
  readsIds: boolean,
): void {
  for (const key in row) {
    switch (key) {
      case 'event_type':
      case 'system':
      case 'user_id':
      case 'session_id':
      case 'timestamp':
      case 'metadata':
        break;
      default:
        if (!(readsIds && key === 'event_id') && !isAbsent(row[key])) ignore(ignored, key);
    }
  }
}

/** Whether a list or an object holds a number anywhere; it nests no deeper than metadata may. */
function holdsNumber(value: unknown): boolean {
  if (typeof value === 'number') return true;
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return false;
  if (Array.isArray(value)) return value.some(holdsNumber);
  for (const key in value) if (holdsNumber((value as Record<string, unknown>)[key])) return true;
  return false;
}

/** Notes what is dropped with a list or an object of metadata. */
export function ignoreNested(
  ignored: IgnoredFields,
  metadata: Readonly<Record<string, unknown>>,
  key: string,
  value: object,
): void {
  if (Array.isArray(value) || ArrayBuffer.isView(value)) {
    if (holdsNumber(value)) ignore(ignored, 'metadata', key);
    return;
  }
  const inner = value as Record<string, unknown>;
  for (const name in inner) {
    const part = inner[name];
    const isRead = name === 'ip' || name === 'endpoint';
    if (
      typeof part === 'number' ? isMeasurement(name) : isRead && isAbsent(metadata[name]) && !isAbsent(part)
    )
      ignore(ignored, 'metadata', key, name);
    else if (typeof part === 'object' && holdsNumber(part)) ignore(ignored, 'metadata', key, name);
  }
}
