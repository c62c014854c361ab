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
    detail: 'The row has no time, so it was not sent; with --now it counts at the time of the import.',
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

const isTimeless = (row: unknown): boolean =>
  typeof row === 'object' &&
  row !== null &&
  !Array.isArray(row) &&
  ((row as { timestamp?: unknown }).timestamp ?? undefined) === undefined;

function codeOf({ bytes }: Line, takesTimeless: boolean): keyof typeof refusals | undefined {
  if (!bytes) return 'line_too_long';
  const row = parse(bytes);
  if (row === notJson) return 'line_malformed';
  return !takesTimeless && isTimeless(row) ? 'timestamp_missing' : undefined;
}

/**
 * Why a line is not to be sent; undefined: it is.
 * @param takesTimeless whether rows without a time are wanted
 */
export function refusalOf(line: Line, takesTimeless: boolean): RejectedRow | undefined {
  const code = codeOf(line, takesTimeless);
  return code && { line: line.line, code, ...refusals[code] };
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
