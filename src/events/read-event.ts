/**
 * Reading one event: from whatever a decoder produced to the fields the sketches are fed from, or the reason
 * why not. Written out by hand because every event passes here: a compiled schema tells that a row is wrong,
 * but not in the code and JSON pointer per row that a sender can act on, and it walks what nobody reads.
 *
 * Ids are taken byte for byte: no trimming, no case folding, control characters and all. What has no bytes of
 * its own (lone surrogates, all of which would become U+FFFD) is refused, since two ids would become one.
 * `null` means absent, and so does an empty text where a field is optional. What is not read is noted where its sender
 * may miss it (ignored-fields.ts).
 */
import type { RowErrorCode } from '../errors.js';
import { type EventFields, eventTypes, numericKeysMax, reservedNumericKey } from '../sketches/registry.js';
import { parseTimestamp } from '../windows/instant.js';
import { type IgnoredFields, ignore, ignoreNested, ignoreUnknown, isAbsent } from './ignored-fields.js';
import { isFailedLogin } from './login-outcome.js';
import { kindOf } from './metadata-keys.js';

export const eventLimits = {
  systemBytesMax: 256,
  idBytesMax: 512,
  endpointBytesMax: 2_048,
  metadataKeysMax: 256,
  numericKeyBytesMax: 256,
  nestingLevelsMax: 32,
} as const;

/** A row that was read. One object is used again for every row: take what you need before the next. */
export interface ReadEvent extends EventFields {
  system: string;
  /** That of its sender, where ids are read and it has one. */
  id: string | undefined;
  /** Milliseconds since 1970. */
  at: number;
  /** Of at most as many numbers as a system keeps, and the reserved one. */
  numberKeys: string[];
  numberValues: number[];
  /** How many numbers there were beyond those. */
  numbersDropped: number;
  /** It has no timestamp and was given that of its arrival. */
  isTimeDefaulted: boolean;
  ignored: IgnoredFields;
}

/** A row that stays as it is when the next is read. */
export const copyEvent = (event: ReadEvent): ReadEvent => ({
  ...event,
  numberKeys: [...event.numberKeys],
  numberValues: [...event.numberValues],
  ignored: { ...event.ignored, names: [...event.ignored.names] },
});

export interface RowProblem {
  code: RowErrorCode;
  pointer: string;
  detail: string;
}

const typeIndex = new Map<unknown, number>(eventTypes.map((type, index) => [type, index]));
/** UTF-16 units of a key that an answer repeats. */
const KEY_NAMED_MAX = 256;

/** A key as the token of a pointer: `~` and `/` are escaped (RFC 6901), and a long key is named by its beginning. */
function token(key: string): string {
  const name = key.length > KEY_NAMED_MAX ? `${key.slice(0, KEY_NAMED_MAX)}...` : key;
  return name.replaceAll('~', '~0').replaceAll('/', '~1').toWellFormed();
}

/** What is wrong with a name or id, or undefined. A UTF-16 unit is at most three bytes of UTF-8. */
function textProblem(value: unknown, pointer: string, bytesMax: number): RowProblem | undefined {
  if (typeof value !== 'string') {
    return { code: 'type_invalid', pointer, detail: `${pointer} must be a string` };
  }
  if (value.length === 0) return { code: 'empty', pointer, detail: `${pointer} must not be empty` };
  if (value.length * 3 > bytesMax && Buffer.byteLength(value) > bytesMax) {
    return { code: 'too_long', pointer, detail: `${pointer} is longer than ${bytesMax} bytes` };
  }
  if (!value.isWellFormed()) {
    return { code: 'not_unicode', pointer, detail: `${pointer} holds a lone surrogate` };
  }
  return undefined;
}

/** Whether a text may be a number, by its first character. */
function startsAsNumber(text: string): boolean {
  const first = text.charCodeAt(0);
  return (first >= 48 && first <= 57) || first === 45;
}

/** An object of keys and values, and not a list, nor one of the types that only msgpack has. */
function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** Whether a value nests at most `levels` deep. Looks no deeper than that, and not into bytes. */
function nestsWithin(value: unknown, levels: number): boolean {
  if (Array.isArray(value)) return levels > 0 && value.every((part) => nestsWithin(part, levels - 1));
  if (!isPlainObject(value)) return true;
  if (levels === 0) return false;
  for (const key in value) if (!nestsWithin(value[key], levels - 1)) return false;
  return true;
}

/**
 * A reader of rows.
 * @param futureMsMax how far ahead of now an event may be
 * @param readsIds whether `event_id` means anything
 */
export function createEventReader(futureMsMax: number, readsIds = false) {
  const event: ReadEvent = {
    type: 0,
    system: '',
    id: undefined,
    at: 0,
    user: undefined,
    session: undefined,
    ip: undefined,
    endpoint: undefined,
    isFailedLogin: false,
    numberKeys: [],
    numberValues: [],
    numbersDropped: 0,
    isTimeDefaulted: false,
    ignored: { names: [], more: 0 },
  };
  const { ignored } = event;
  let problem: RowProblem | undefined;

  function text(value: unknown, pointer: string, bytesMax: number): string | undefined {
    if (isAbsent(value)) return undefined;
    if (value === '') {
      ignore(ignored, pointer.slice(1).replace('/', '.'));
      return undefined;
    }
    problem ??= textProblem(value, pointer, bytesMax);
    return value as string;
  }

  /** Empties the lists of the row before. They are short, and setting their length would take far longer. */
  function clear(): void {
    while (event.numberKeys.length > 0) event.numberKeys.pop();
    while (event.numberValues.length > 0) event.numberValues.pop();
    event.numbersDropped = 0;
    while (ignored.names.length > 0) ignored.names.pop();
    ignored.more = 0;
  }

  function readNumber(key: string, value: number): void {
    if (!Number.isFinite(value)) {
      const pointer = `/metadata/${token(key)}`;
      problem ??= { code: 'number_not_finite', pointer, detail: `${pointer} is not a finite number` };
    } else if (kindOf(key) === 'name') {
      return;
    } else if (key === '') {
      ignore(ignored, 'metadata', key);
    } else if (event.numberKeys.length >= numericKeysMax && key !== reservedNumericKey) {
      event.numbersDropped++;
      ignore(ignored, 'metadata', key);
    } else {
      event.numberKeys.push(key);
      event.numberValues.push(value);
    }
  }

  function readObject(metadata: Record<string, unknown>, key: string, value: object): void {
    if (nestsWithin(value, eventLimits.nestingLevelsMax)) {
      ignoreNested(ignored, metadata, key, value);
      return;
    }
    const pointer = `/metadata/${token(key)}`;
    const detail = `${pointer} nests deeper than ${eventLimits.nestingLevelsMax} levels`;
    problem ??= { code: 'nesting_too_deep', pointer, detail };
  }

  /** Notes fields of the event that stand in its metadata. */
  function ignoreMisplaced(metadata: Record<string, unknown>): void {
    if (event.user === undefined && !isAbsent(metadata.user_id)) ignore(ignored, 'metadata.user_id');
    if (event.session === undefined && !isAbsent(metadata.session_id)) ignore(ignored, 'metadata.session_id');
    if (event.isTimeDefaulted && !isAbsent(metadata.timestamp)) ignore(ignored, 'metadata.timestamp');
  }

  function readMetadata(metadata: Record<string, unknown>): void {
    let keys = 0;
    // Objects from the decoders inherit nothing that is enumerable, and this makes no list of the keys.
    for (const key in metadata) {
      if (++keys > eventLimits.metadataKeysMax) {
        const detail = `/metadata has more than ${eventLimits.metadataKeysMax} keys`;
        problem = { code: 'metadata_too_large', pointer: '/metadata', detail };
        return;
      }
      const value = metadata[key];
      if (typeof value === 'number') readNumber(key, value);
      else if (typeof value === 'string') {
        if (startsAsNumber(value) && kindOf(key) === 'unit' && Number.isFinite(Number(value))) {
          ignore(ignored, 'metadata', key);
        }
      } else if (typeof value === 'object' && value !== null) readObject(metadata, key, value);
    }
    for (const key of event.numberKeys) {
      if (key.length * 3 > eventLimits.numericKeyBytesMax || !key.isWellFormed()) {
        problem ??= textProblem(key, `/metadata/${token(key)}`, eventLimits.numericKeyBytesMax);
      }
    }
    ignoreMisplaced(metadata);
    event.ip = text(metadata.ip, '/metadata/ip', eventLimits.idBytesMax);
    event.endpoint = text(metadata.endpoint, '/metadata/endpoint', eventLimits.endpointBytesMax);
  }

  function readTime(value: unknown, now: number): void {
    event.isTimeDefaulted = isAbsent(value);
    event.at = event.isTimeDefaulted ? now : parseTimestamp(value);
    if (Number.isNaN(event.at)) {
      const detail = '/timestamp must be RFC 3339 with an offset (2026-01-31T13:37:00Z) or an epoch number';
      problem ??= { code: 'timestamp_invalid', pointer: '/timestamp', detail };
    } else if (event.at > now + futureMsMax) {
      const detail = `/timestamp is more than ${futureMsMax / 1_000} s ahead of now`;
      problem ??= { code: 'timestamp_in_future', pointer: '/timestamp', detail };
    }
  }

  function readType(value: unknown): void {
    event.type = typeIndex.get(value) ?? -1;
    if (event.type >= 0) return;
    const missing = isAbsent(value);
    const detail = `/event_type must be one of ${eventTypes.join(', ')}`;
    problem ??= { code: missing ? 'required' : 'value_unknown', pointer: '/event_type', detail };
  }

  function readSystem(value: unknown): void {
    event.system = value as string;
    if (isAbsent(value)) {
      problem ??= { code: 'required', pointer: '/system', detail: '/system is required' };
      return;
    }
    problem ??= textProblem(value, '/system', eventLimits.systemBytesMax);
    if (value === '*') {
      problem ??= { code: 'name_reserved', pointer: '/system', detail: '/system must not be "*"' };
    }
  }

  /**
   * Reads one row.
   * @param now milliseconds, used where the row has no timestamp
   * @returns the first problem found, or undefined: then `reader.event` holds the row
   */
  function read(row: unknown, now: number): RowProblem | undefined {
    if (!isPlainObject(row)) {
      return { code: 'not_an_object', pointer: '', detail: 'an event must be an object' };
    }
    problem = undefined;
    clear();
    event.ip = event.endpoint = undefined;
    readType(row.event_type);
    readSystem(row.system);
    event.user = text(row.user_id, '/user_id', eventLimits.idBytesMax);
    event.session = text(row.session_id, '/session_id', eventLimits.idBytesMax);
    if (readsIds) event.id = text(row.event_id, '/event_id', eventLimits.idBytesMax);
    readTime(row.timestamp, now);
    const metadata = isPlainObject(row.metadata) ? row.metadata : undefined;
    if (metadata) readMetadata(metadata);
    else if (!isAbsent(row.metadata)) {
      problem ??= { code: 'type_invalid', pointer: '/metadata', detail: '/metadata must be an object' };
    }
    event.isFailedLogin = metadata !== undefined && isFailedLogin(event.type, metadata);
    ignoreUnknown(ignored, row, readsIds);
    return problem;
  }

  return { read, event };
}
