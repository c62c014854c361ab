/**
 * Parameters whose meaning a schema cannot say: instants, windows that a kind of metric keeps, lists of
 * percentiles. Each wrong one is a problem that names it.
 */
import { Problem } from '../errors.js';
import { readGrains } from '../sketches/registry.js';
import type { Bucket, Grain } from '../windows/bucket.js';
import { cover, type Span, spanOf, type Window } from '../windows/cover.js';
import { parseInstant } from '../windows/instant.js';

const invalid = (name: string, detail: string) =>
  new Problem('parameter_invalid', `${name} ${detail}`, { errors: [{ pointer: `/${name}`, detail }] });

/**
 * The instant a question asks about, milliseconds.
 * @param text RFC 3339 or an epoch number; absent means now
 */
export function readTimestamp(text: string | undefined, now: number): number {
  if (text === undefined) return now;
  const number = /^-?\d+(?:\.\d+)?$/.test(text) ? Number(text) : text;
  // `+` in a query string means a blank, and many clients forget to encode the one of an offset.
  const at = parseInstant(typeof number === 'string' ? number.replace(/ (?=\d\d:\d\d$)/, '+') : number);
  if (Number.isNaN(at)) {
    throw invalid('timestamp', 'must be RFC 3339 with an offset (2026-01-31T13:37:00Z) or an epoch number');
  }
  return at;
}

/** @throws Problem where a question is about the name that no system can have */
export function refuseAllSystems({ system }: { system?: unknown }): void {
  if (system === '*') throw invalid('system', 'must be the name of one system; "*" cannot be one');
}

export interface WindowBuckets extends Span {
  buckets: Bucket[];
}

/** The buckets that answer a window. @throws Problem window_unsupported, which names the windows kept */
export function readWindow(kind: keyof typeof readGrains, window: Window, at: number): WindowBuckets {
  const grains: Partial<Record<Window, Grain>> = readGrains[kind];
  const grain = grains[window];
  if (!grain) {
    const detail = `is not kept for ${kind}; use one of ${Object.keys(grains).join(', ')}`;
    throw new Problem('window_unsupported', `window ${detail}`, { errors: [{ pointer: '/window', detail }] });
  }
  return { ...spanOf(window, at), buckets: cover(window, at, grain) };
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

/** A finite number. @throws Problem that names the parameter */
export function readNumber(name: string, text: string): number {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (!Number.isFinite(value)) throw invalid(name, 'must be a finite number');
  return value;
}
