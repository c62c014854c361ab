/** Parameters whose meaning a schema cannot say: instants, numbers, lists of percentiles. Each wrong one is a problem that names it. */
import { Problem } from '../errors.js';
import type { Span } from '../windows/cover.js';
import { EARLIEST, LATEST, parseTimestamp } from '../windows/instant.js';
import { parseRelative, type RelativeTerms } from '../windows/relative.js';

export const invalid = (name: string, detail: string) =>
  new Problem('parameter_invalid', `${name} ${detail}`, { errors: [{ pointer: `/${name}`, detail }] });

const notAnInstant = (name: string) =>
  invalid(
    name,
    'must be RFC 3339 with an offset (2026-01-31T13:37:00Z), an epoch number, a date (2026-01-31), ' +
      'now, today, yesterday, or a time before now in m, h, d or w (-24h)',
  );

/**
 * An instant, milliseconds.
 * @param text RFC 3339 or an epoch number
 */
function readInstant(name: string, text: string): number {
  // `+` in a query string means a blank, and many clients forget to encode the one of an offset.
  const at = parseTimestamp(text.replace(/ (?=\d\d:\d\d$)/, '+'));
  if (Number.isNaN(at)) throw notAnInstant(name);
  return at;
}

/** An instant as a question says it. */
interface Moment {
  /** Milliseconds. */
  at: number;
  /** What stands for it in the key of an answer: the instant, or that it is now, which moves. */
  label: string;
  /** From when on the same parameter means another instant or has another label, milliseconds. */
  until: number;
}

/**
 * An instant of a question.
 * @param text RFC 3339, an epoch number, or one of the forms of windows/relative.ts; undefined and `now` mean now
 * @throws Problem parameter_invalid
 */
export function readMoment(name: string, text: string | undefined, terms: RelativeTerms): Moment {
  const forever = Number.POSITIVE_INFINITY;
  if (text === undefined || text === 'now') return { at: terms.now, label: 'now', until: forever };
  const { at, until } = parseRelative(text, terms) ?? { at: readInstant(name, text), until: forever };
  if (!(at >= EARLIEST && at <= LATEST)) throw notAnInstant(name);
  return { at, label: String(at), until };
}

/**
 * Refuses a time whose ends cannot be written with a year of four digits, as those of the last hour of 9999.
 * @param names the parameters that say where it begins and ends
 * @throws Problem parameter_invalid
 */
export function checkYears({ from, to }: Span, names: { from: string; to: string }): void {
  if (from < EARLIEST) throw invalid(names.from, 'asks about time before the year 0000');
  if (to > LATEST) throw invalid(names.to, 'asks about time past the year 9999');
}

export interface Percentile {
  /** `p50`, `p999` for 99.9. */
  name: string;
  /** 0 to 100 */
  percentile: number;
}

/** 99.9 is p999. */
const percentileName = (percentile: number): string => `p${String(percentile).replace('.', '')}`;

const PERCENTILES_MAX = 100;

/** A percentile, 0 to 100. @throws Problem that names the parameter */
export function readPercentile(name: string, text: string): number {
  const value = /^\d{1,3}(?:\.\d{1,6})?$/.test(text.trim()) ? Number(text) : Number.NaN;
  if (!(value >= 0 && value <= 100)) throw invalid(name, 'must be numbers from 0 to 100');
  return value;
}

/** A comma-separated list of percentiles. */
export function readPercentiles(text: string): Percentile[] {
  const values = text.split(',').map((part) => readPercentile('percentiles', part));
  if (values.length > PERCENTILES_MAX) throw invalid('percentiles', `must be at most ${PERCENTILES_MAX}`);
  const list = [...new Set(values)].map((percentile) => ({ name: percentileName(percentile), percentile }));
  if (new Set(list.map(({ name }) => name)).size < list.length) {
    throw invalid('percentiles', 'must not share a name: 9.99 and 99.9 are both p999');
  }
  return list;
}

/** The same text for the same list. Names do not tell all: 9.99 and 99.9 are both p999. */
export const percentilesText = (list: readonly Percentile[]): string =>
  list.map(({ percentile }) => percentile).join();

/** A finite number. @throws Problem that names the parameter */
export function readNumber(name: string, text: string): number {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (!Number.isFinite(value)) throw invalid(name, 'must be a finite number');
  return value;
}
