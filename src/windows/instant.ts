/**
 * Instants: the forms in which senders write a time, and the one in which we hold it (whole milliseconds
 * since 1970-01-01T00:00:00Z, finer parts cut off).
 *
 * Text is RFC 3339 with its offset, and nothing else: a time without an offset is a guess about where the
 * sender stood. Numbers are epoch times whose unit is told by their size: below 1e11 seconds (until the year
 * 5138), below 1e14 milliseconds, below 1e17 microseconds, above nanoseconds. Seconds with a fraction mean the
 * millisecond that was written, although the nearest double may lie just below it. Leap seconds (`:60`) are
 * taken as the last millisecond of their minute.
 *
 * Events and questions also take such a number written as text (`parseTimestamp`), since CSV files and query strings
 * have no other form for it. Digits that read as a date are refused: 20150518 hardly means a second of August 1970.
 */
import { DAY_MS, daysFromCivil, daysInMonth, HOUR_MS, MINUTE_MS } from './civil.js';

/** The first and the last instant that can be written with a year of four digits, milliseconds. */
export const EARLIEST = daysFromCivil(0, 1, 1) * DAY_MS;
export const LATEST = daysFromCivil(10_000, 1, 1) * DAY_MS - 1;

/** The number that `length` digits at `from` spell, or NaN. */
function digits(text: string, from: number, length: number): number {
  let value = 0;
  for (let i = from; i < from + length; i++) {
    const digit = text.charCodeAt(i) - 48;
    if (!(digit >= 0 && digit <= 9)) return Number.NaN;
    value = value * 10 + digit;
  }
  return value;
}

/** Milliseconds of the fraction that starts at `from` (after the point), and where it ends. */
function fraction(text: string, from: number): { ms: number; end: number } {
  let end = from;
  let ms = 0;
  for (let scale = 100; end < text.length; end++, scale = Math.floor(scale / 10)) {
    const digit = text.charCodeAt(end) - 48;
    if (!(digit >= 0 && digit <= 9)) break;
    ms += digit * scale;
  }
  return { ms: end === from ? Number.NaN : ms, end };
}

/** The offset that ends an RFC 3339 time, in milliseconds, or NaN. */
function offset(text: string, from: number): number {
  const sign = text.charCodeAt(from);
  const last = text.length;
  if ((sign === 90 || sign === 122) && last === from + 1) return 0; // Z, z
  if ((sign !== 43 && sign !== 45) || last !== from + 6 || text.charCodeAt(from + 3) !== 58)
    return Number.NaN;
  const hours = digits(text, from + 1, 2);
  const minutes = digits(text, from + 4, 2);
  if (!(hours <= 23 && minutes <= 59)) return Number.NaN;
  return (hours * HOUR_MS + minutes * MINUTE_MS) * (sign === 45 ? -1 : 1);
}

/** The day of `YYYY-MM-DD` at the start of a text, in days since 1970, or NaN where there is none. */
export function parseDay(text: string): number {
  const year = digits(text, 0, 4);
  const month = digits(text, 5, 2);
  const day = digits(text, 8, 2);
  if (text.charCodeAt(4) !== 45 || text.charCodeAt(7) !== 45) return Number.NaN;
  return day >= 1 && day <= daysInMonth(year, month) ? daysFromCivil(year, month, day) : Number.NaN;
}

function parseText(text: string): number {
  const separator = text.charCodeAt(10);
  if (separator !== 84 && separator !== 116 && separator !== 32) return Number.NaN; // T, t, blank
  if (text.charCodeAt(13) !== 58 || text.charCodeAt(16) !== 58) return Number.NaN;
  const hour = digits(text, 11, 2);
  const minute = digits(text, 14, 2);
  const second = digits(text, 17, 2);
  if (!(hour <= 23 && minute <= 59 && second <= 60)) return Number.NaN;
  let zone = 19;
  let ms = 0;
  if (text.charCodeAt(19) === 46) {
    ({ ms, end: zone } = fraction(text, 20));
  }
  if (second === 60 && ms >= 0) ms = 999;
  const clock = hour * HOUR_MS + minute * MINUTE_MS + Math.min(second, 59) * 1_000 + ms;
  return parseDay(text) * DAY_MS + clock - offset(text, zone);
}

function parseEpoch(value: number): number {
  const size = Math.abs(value);
  // Writing a fraction in binary and multiplying it lose half a unit in the last place each.
  if (size < 1e11) return Math.floor(value * 1e3 + size * 1e3 * Number.EPSILON);
  if (size < 1e14) return Math.floor(value);
  return Math.floor(value / (size < 1e17 ? 1e3 : 1e6));
}

/**
 * The instant that a timestamp means.
 * @param value RFC 3339 text, epoch number (s, ms, us, ns), or a Date as msgpack's timestamp decodes to
 * @returns milliseconds since 1970, NaN where the value is no instant of the years 0000 to 9999
 */
export function parseInstant(value: unknown): number {
  let at = Number.NaN;
  if (typeof value === 'string') at = parseText(value);
  else if (typeof value === 'number') at = parseEpoch(value);
  else if (value instanceof Date) at = value.getTime();
  return at >= EARLIEST && at <= LATEST ? at : Number.NaN;
}

const numericText = /^-?\d+(?:\.\d+)?$/;
/** A year, then month, day, hour with minute, and second, as far as they go: 2015, 201505, 20150518, 20150518130656. */
const dateInDigits =
  /^(?:19|20)\d\d(?:(?:0[1-9]|1[0-2])(?:(?:0[1-9]|[12]\d|3[01])(?:(?:[01]\d|2[0-3])[0-5]\d(?:[0-5]\d)?)?)?)?$/;

/**
 * The instant of an event or of a question: what `parseInstant` takes, or an epoch number written as text.
 * @returns milliseconds since 1970, NaN where the value is no instant, or digits that read as a date
 */
export function parseTimestamp(value: unknown): number {
  const at = parseInstant(value);
  if (!Number.isNaN(at) || typeof value !== 'string') return at;
  return numericText.test(value) && !dateInDigits.test(value) ? parseInstant(Number(value)) : Number.NaN;
}

/** RFC 3339 in UTC with milliseconds, for the years 0000 to 9999. */
export function formatInstant(at: number): string {
  return new Date(at).toISOString();
}
