/**
 * Reading one event: from whatever a decoder produced to the fields the sketches are fed from, or the reason
 * why not. Written out by hand because every event passes here: a compiled schema tells that a row is wrong,
 * but not in the code and JSON pointer per row that a sender can act on, and it walks what nobody reads.
 *
 * Ids are taken byte for byte: no trimming, no case folding, control characters and all. What has no bytes of
 * its own (lone surrogates, all of which would become U+FFFD) is refused, since two ids would become one.
 * `null` means absent. Unknown fields are ignored; senders add many.
 */
import type { RowErrorCode } from '../errors.js';
import {
  type EventFields,
  eventTypes,
  isMeasurement,
  numericKeysMax,
  reservedNumericKey,
} from '../sketches/registry.js';
import { parseTimestamp } from '../windows/instant.js';
import { loginOf } from './login-outcome.js';

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
}

/** A row that stays as it is when the next is read. */
export const copyEvent = (event: ReadEvent): ReadEvent => ({
  ...event,
  numberKeys: [...event.numberKeys],
  numberValues: [...event.numberValues],
});

export interface RowProblem {
  code: RowErrorCode;
  pointer: string;
  detail: string;
}

const typeIndex = new Map<unknown, number>(eventTypes.map((type, index) => [type, index]));
const measurementKeys = new Map<string, boolean>();
const MEASUREMENT_KEYS_MAX = 10_000;
/** UTF-16 units of a key that an answer repeats. */
const KEY_NAMED_MAX = 256;

/** A key as the token of a pointer: `~` and `/` are escaped (RFC 6901), and a long key is named by its beginning. */
function token(key: string): string {
  const name = key.length > KEY_NAMED_MAX ? `${key.slice(0, KEY_NAMED_MAX)}...` : key;
  return name.replaceAll('~', '~0').replaceAll('/', '~1').toWellFormed();
}

/** Longer keys are refused where they matter, and never remembered. */
function isMeasurementKey(key: string): boolean {
  if (key.length > eventLimits.numericKeyBytesMax) return isMeasurement(key);
  let known = measurementKeys.get(key);
  if (known === undefined) {
    known = isMeasurement(key);
    if (measurementKeys.size >= MEASUREMENT_KEYS_MAX) measurementKeys.clear();
    measurementKeys.set(key, known);
  }
  return known;
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
    login: 'none',
    numberKeys: [],
    numberValues: [],
    numbersDropped: 0,
  };
  let problem: RowProblem | undefined;

  function text(value: unknown, pointer: string, bytesMax: number): string | undefined {
    if (value === undefined || value === null) return undefined;
    problem ??= textProblem(value, pointer, bytesMax);
    return value as string;
  }

  function readNumber(key: string, value: number): void {
    if (!Number.isFinite(value)) {
      const pointer = `/metadata/${token(key)}`;
      problem ??= { code: 'number_not_finite', pointer, detail: `${pointer} is not a finite number` };
    } else if (isMeasurementKey(key)) {
      if (event.numberKeys.length >= numericKeysMax && key !== reservedNumericKey) event.numbersDropped++;
      else {
        event.numberKeys.push(key);
        event.numberValues.push(value);
      }
    }
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
      else if (typeof value === 'object' && !nestsWithin(value, eventLimits.nestingLevelsMax)) {
        const pointer = `/metadata/${token(key)}`;
        const detail = `${pointer} nests deeper than ${eventLimits.nestingLevelsMax} levels`;
        problem ??= { code: 'nesting_too_deep', pointer, detail };
      }
    }
    for (const key of event.numberKeys) {
      if (key.length * 3 > eventLimits.numericKeyBytesMax || key.length === 0 || !key.isWellFormed()) {
        problem ??= textProblem(key, `/metadata/${token(key)}`, eventLimits.numericKeyBytesMax);
      }
    }
    event.ip = text(metadata.ip, '/metadata/ip', eventLimits.idBytesMax);
    event.endpoint = text(metadata.endpoint, '/metadata/endpoint', eventLimits.endpointBytesMax);
  }

  function readTime(value: unknown, now: number): void {
    event.at = value === undefined || value === null ? now : parseTimestamp(value);
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
    const missing = value === undefined || value === null;
    const detail = `/event_type must be one of ${eventTypes.join(', ')}`;
    problem ??= { code: missing ? 'required' : 'value_unknown', pointer: '/event_type', detail };
  }

  function readSystem(value: unknown): void {
    event.system = value as string;
    if (value === undefined || value === null) {
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
    event.numberKeys.length = 0;
    event.numberValues.length = 0;
    event.numbersDropped = 0;
    event.ip = event.endpoint = undefined;
    readType(row.event_type);
    readSystem(row.system);
    event.user = text(row.user_id, '/user_id', eventLimits.idBytesMax);
    event.session = text(row.session_id, '/session_id', eventLimits.idBytesMax);
    if (readsIds) event.id = text(row.event_id, '/event_id', eventLimits.idBytesMax);
    readTime(row.timestamp, now);
    const metadata = isPlainObject(row.metadata) ? row.metadata : undefined;
    if (metadata) readMetadata(metadata);
    else if (row.metadata !== undefined && row.metadata !== null) {
      problem ??= { code: 'type_invalid', pointer: '/metadata', detail: '/metadata must be an object' };
    }
    event.login = loginOf(event.type, metadata);
    return problem;
  }

  return { read, event };
}
