/**
 * Scopes: which systems and which time a question is about, from its parameters.
 *
 *   window, timestamp           the aligned UTC window that holds the timestamp (default now)
 *   window, timestamp, tz       the same as people in that zone live it
 *   window, timestamp, rolling  the window's length of time up to the timestamp
 *   from, to                    any instants; `to` defaults to now
 *
 * An instant may be a date or so long before now (windows/relative.ts).
 *
 * An aligned window is kept as such, or refused, in a zone as in UTC. Any other span is put together from the fewest
 * buckets that a metric keeps, and where an end lies inside the finest of them, it widens to its edge. What is kept of an
 * old time depends on when it was written: first the finest grain is asked, and only where some of that has
 * expired, once more the grains that are certainly still there.
 */
import { Problem } from '../errors.js';
import { readGrains } from '../sketches/registry.js';
import type { Bucket, Grain } from '../windows/bucket.js';
import { DAY_MS, HOUR_MS, MINUTE_MS } from '../windows/civil.js';
import { cover, type Span, spanOf, type Window, windowMs } from '../windows/cover.js';
import { coverRange, rangeDaysMax } from '../windows/range.js';
import type { Retention } from '../windows/retention.js';
import { rollingSpan } from '../windows/rolling.js';
import { tzdataVersion } from '../windows/tzdata.js';
import { createZones, utc, type Zone } from '../windows/zone.js';
import { checkYears, invalid, readMoment } from './parameters.js';

export type Kind = keyof typeof readGrains;
/** The window that is asked about where none is named. */
export const defaultWindows: Readonly<Record<Kind, Window>> = {
  distinct: '1h',
  membership: '1d',
  frequency: '1d',
  top: '1h',
  percentiles: '1h',
};

export interface SpanParameters {
  window?: Window | undefined;
  timestamp?: string | undefined;
  from?: string | undefined;
  to?: string | undefined;
  rolling?: boolean | undefined;
  tz?: string | undefined;
}

export interface Work {
  /** Buckets of time, of each system and part of the question. */
  buckets: number;
  /** Commands to Redis. */
  commands: number;
}

const noWork = (): Work => ({ buckets: 0, commands: 0 });

export interface Scope {
  /**
   * Ascending, each once. Of all systems, until a computation has read which there are: those that the asker may see, or
   * `*` alone.
   */
  systems: readonly string[];
  /** Whether all there are that the asker may see are meant. */
  isAll: boolean;
  /** As asked; null for a range. */
  window: Window | null;
  tz: string | null;
  /** The instant asked about, milliseconds. */
  at: number;
  /** The time asked about, before it is widened to what is kept. */
  asked: Span;
  span: Span;
  /** Whether the span is an aligned UTC window, as one of hours or minutes is in every zone. */
  isAligned: boolean;
  /** What reading it costs, added up as it is asked. */
  work: Work;
  /** The same text for what asks about the same time. What moves with now says so, and is as old as its answer. */
  label: string;
  /** From when on the same parameters ask about another time, or under another label, milliseconds. */
  until: number;
}

export type TimeScope = Omit<Scope, 'systems' | 'isAll'>;

/** Zones that were asked about, remembered: which they are does not change. */
const zones = createZones();

interface AskedZone {
  /** As an answer repeats it; null where none is asked for. */
  name: string | null;
  /** Undefined for UTC, under whichever of its names. */
  zone: Zone | undefined;
  /** The same text for the same local times: processes of other versions of Node may know other rules of a zone. */
  label: string;
}

/** The zone of a name. @throws Problem parameter_invalid */
export function readZone(name: string | undefined): AskedZone {
  if (name === undefined) return { name: null, zone: undefined, label: '' };
  const found = zones.find(name);
  if (!found) throw invalid('tz', 'must be an IANA name such as Europe/Berlin');
  if (found.name === utc) return { name: utc, zone: undefined, label: utc };
  return { name: found.name, zone: found, label: `${found.name} ${tzdataVersion}` };
}

const alone = (name: string, other: string) => invalid(name, `cannot go with ${other}`);

/** Names the first parameter that does not go with another one. */
function refuseTogether(parameters: SpanParameters, names: (keyof SpanParameters)[], other: string): void {
  const found = names.find((name) => parameters[name] !== undefined && parameters[name] !== false);
  if (found) throw alone(found, other);
}

/**
 * The time a question is about.
 * @param fallback the window where none is asked for
 * @throws Problem parameter_invalid, zone_unsupported
 */
export function readTime(parameters: SpanParameters, fallback: Window, now: number): TimeScope {
  const { window = fallback, timestamp, from, to, rolling = false, tz } = parameters;
  if (from !== undefined || to !== undefined) {
    refuseTogether(parameters, ['window', 'timestamp', 'rolling', 'tz'], 'from and to');
    return rangeScope(from, to, now);
  }
  if (rolling) refuseTogether(parameters, ['tz'], 'rolling');
  const { name, zone, label: place } = readZone(tz);
  const { at, label: when, until } = readMoment('timestamp', timestamp, { now, zone, isEnd: rolling });
  if (rolling) {
    const span = rollingSpan(window, at, windowMs[window] > HOUR_MS ? HOUR_MS : MINUTE_MS);
    const asked = { from: at - windowMs[window], to: at };
    const label = `rolling ${window} ${when}`;
    return { window, tz: null, at, asked, span, isAligned: false, work: noWork(), label, until };
  }
  const span = zone ? zone.spanOf(window, at) : spanOf(window, at);
  // Hours and minutes are the same everywhere.
  const isAligned = !zone || windowMs[window] < DAY_MS;
  const label = `${window} ${span.from} ${when} ${place}`;
  // The window that holds now is another one when it is over.
  const over = timestamp === undefined || timestamp === 'now' ? span.to : until;
  return { window, tz: name, at, asked: span, span, isAligned, work: noWork(), label, until: over };
}

/**
 * The time from one instant to another.
 * @param zone whose dates `from` and `to` may be, undefined for UTC
 * @throws Problem parameter_invalid
 */
export function rangeScope(
  from: string | undefined,
  to: string | undefined,
  now: number,
  zone?: Zone,
): TimeScope {
  if (from === undefined) throw invalid('from', 'is required with to');
  const first = readMoment('from', from, { now, zone, isEnd: false });
  const end = readMoment('to', to, { now, zone, isEnd: true });
  const span = { from: first.at, to: end.at };
  if (span.to <= span.from) throw invalid(to === undefined ? 'from' : 'to', 'must be later than from');
  if (span.to - span.from > rangeDaysMax * DAY_MS) {
    throw invalid('from', `must be at most ${rangeDaysMax} days before to`);
  }
  const label = `${first.at} ${end.label}`;
  const until = Math.min(first.until, end.until);
  const moving = { at: now, label, until };
  return { window: null, tz: null, asked: span, span, isAligned: false, work: noWork(), ...moving };
}

/** The parameters that say where a time begins and ends. */
export const endNames = ({ window }: Pick<TimeScope, 'window'>): { from: string; to: string } =>
  window === null ? { from: 'from', to: 'to' } : { from: 'timestamp', to: 'timestamp' };

/** Lists are written by the hour and folded into days. */
export const isReadByHour = (kind: Kind): boolean => kind === 'top' || kind === 'percentiles';

export interface Cover extends Span {
  buckets: readonly Bucket[];
  /** Whether days of it may be read from their hours, which are kept for less long. */
  isByHour: boolean;
}

/**
 * The grain of the window that is asked about; undefined where the time is put together from several.
 * @throws Problem window_unsupported, which names the windows kept
 */
export function grainOf(kind: Kind, { window, isAligned, tz }: TimeScope): Grain | undefined {
  const grains: Partial<Record<Window, Grain>> = readGrains[kind];
  // A window of a zone is read like a range, but only one that is kept: it is never widened to another.
  if (!window || (!isAligned && tz === null)) return undefined;
  const grain = grains[window];
  if (grain) return isAligned ? grain : undefined;
  const detail = `is not kept for ${kind}; use one of ${Object.keys(grains).join(', ')}`;
  throw new Problem('window_unsupported', `window ${detail}`, { errors: [{ pointer: '/window', detail }] });
}

/**
 * What can be read to answer a scope, the preferred one first: where its coverage is not complete, the next.
 * @throws Problem window_unsupported as `grainOf`; parameter_invalid past the years 0000 to 9999
 */
export function coversOf(kind: Kind, time: TimeScope, retention: Retention, now: number): Cover[] {
  const isByHour = isReadByHour(kind);
  const grain = grainOf(kind, time);
  if (grain && time.window) {
    checkYears(time.span, endNames(time));
    return [{ ...time.span, buckets: cover(time.window, time.at, grain), isByHour }];
  }
  const grains: Partial<Record<Window, Grain>> = readGrains[kind];
  const kept = [...new Set(Object.values(grains))];
  const certain = kept.map((grain) => ({ grain, from: now - retention[grain] }));
  // Minutes are written only while their time is within their retention.
  const hoped = certain.map((row) => (row.grain === 'minute' ? row : { ...row, from: -Infinity }));
  const covers = [hoped, certain].map((kept) => ({ ...coverRange(time.span, kept), isByHour }));
  for (const found of covers) checkYears(found, endNames(time));
  const isSame = covers[0].buckets.length === covers[1].buckets.length && covers[0].from === covers[1].from;
  return isSame ? covers.slice(0, 1) : covers;
}
