/**
 * What is looked at in a line before it is sent. A line that is no JSON, or too long, is refused here as the service would
 * refuse it, so that every one has its number in the report. A row without a time is refused here only: the
 * service counts it at the time of its arrival, which for a file from before is hardly ever meant.
 */
import { isUtf8 } from 'node:buffer';
import { rowErrorCodes } from '../errors.js';
import { withoutMark } from '../events/formats/byte-order-mark.js';
import { foreignLines } from '../events/formats/foreign.js';
import type { Line } from './batches.js';
import { usageFailure } from './exit.js';

export interface RejectedRow {
  line: number;
  code: string;
  /** RFC 6901, into the row. */
  pointer: string;
  detail: string;
}

/** Codes of this table only; the others are those of the service (docs/errors.md). */
const refusals = {
  line_too_long: { pointer: '', detail: 'The line is longer than a request may be; it was not sent.' },
  line_malformed: { pointer: '', detail: rowErrorCodes.line_malformed },
  timestamp_missing: {
    pointer: '/timestamp',
    detail: 'The row has no timestamp, so it was not sent; with --now it counts at the time of the import.',
  },
} as const;

const notJson = Symbol('not JSON');

function parse(bytes: Buffer): unknown {
  if (!isUtf8(bytes)) return notJson;
  try {
    return JSON.parse(withoutMark(bytes.toString()));
  } catch {
    return notJson;
  }
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isTimeless = (row: unknown): row is Record<string, unknown> =>
  isObject(row) && (row.timestamp ?? undefined) === undefined;

const timeNames = /time|date|^ts$|_at$/i;
/** As seconds since 1970, September 2001: smaller numbers are durations. */
const TIME_MIN = 1e9;
const NAME_LENGTH_MAX = 64;

/** The first field that may hold the time of a row under another name, in the row or its metadata. */
function otherTimeOf({ metadata, ...row }: Record<string, unknown>): string | undefined {
  const inside = isObject(metadata) ? Object.entries(metadata) : [];
  const fields = [
    ...Object.entries(row),
    ...inside.map(([name, value]): [string, unknown] => [`metadata.${name}`, value]),
  ];
  const isTime = ([name, value]: [string, unknown]) =>
    timeNames.test(name.replace(/^metadata\./, '')) &&
    (typeof value === 'number' ? value >= TIME_MIN : typeof value === 'string' && /\d/.test(value));
  return fields.find(isTime)?.[0].slice(0, NAME_LENGTH_MAX);
}

function detailOf(row: Record<string, unknown>): string {
  const other = otherTimeOf(row);
  const { detail } = refusals.timestamp_missing;
  return other === undefined ? detail : `${detail} Is its time in ${JSON.stringify(other)}?`;
}

/**
 * Why a line is not to be sent; undefined: it is.
 * @param takesTimeless whether rows without a time are wanted
 */
export function refusalOf(line: Line, takesTimeless: boolean): RejectedRow | undefined {
  const refuse = (code: keyof typeof refusals) => ({ line: line.line, code, ...refusals[code] });
  if (!line.bytes) return refuse('line_too_long');
  const row = parse(line.bytes);
  if (row === notJson) return refuse('line_malformed');
  if (takesTimeless || !isTimeless(row)) return undefined;
  return { ...refuse('timestamp_missing'), detail: detailOf(row) };
}

/**
 * Looks at the first line of an input.
 * @returns what the input looks like where that is no JSON, as the end of a sentence; undefined: nothing known
 * @throws Failure where no line of it can be meant as an event
 */
export function lookAtFirst(name: string, { bytes }: Line): string | undefined {
  if (!bytes || parse(bytes) !== notJson) return undefined;
  const looks = foreignLines(bytes);
  if (!looks?.isOpaque) return looks?.name;
  const advice = 'one event a line is read, as jq -c writes them';
  throw usageFailure(`${name} is not NDJSON: it looks like ${looks.name}; ${advice}`);
}
