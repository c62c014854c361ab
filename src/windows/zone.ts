/**
 * Zones: hours, days, weeks and months as people in a place live them, from IANA names and the tables that
 * come with Node (ICU), found through `Intl.DateTimeFormat`.
 *
 * A local day begins at the first instant of its date and ends where the next one begins. So it has 23 or 25
 * hours where clocks change, begins at 01:00 where they skip midnight (Beirut, Cairo, once Sao Paulo), and a
 * date that a place left out (Apia, 2011-12-30) has no day at all. Where clocks go back across midnight
 * (Goose Bay, 00:01 to 23:01) the repeated minutes of the old date belong to the new day: days always tile
 * time, and each instant is in one. Weeks begin on Mondays, months on the first; hours and minutes are those
 * of UTC, because only zones that lie whole hours from it are answered at all.
 *
 * That is because answers come from hour buckets: a span that does not begin and end on an hour of UTC
 * (Kolkata always, Lord Howe half the year, local mean times before about 1900) is refused, not bent, and the refusal
 * names the ranges of whole hours inside and around it. Minutes would serve them, but they are kept for two hours.
 *
 * Names: `UTC` and its aliases, or Area/Place in any case, resolved to the spelling of ICU, so that `europe/berlin`
 * and its aliases share their cached answers. Abbreviations are refused because ICU gives them odd homes (BST is Dhaka
 * to it), offsets like +02:00 because they name no place and have no summer; Etc/GMT-2 says the same.
 *
 * Per UTC day we look up the offset at both ends; only where they differ is the change searched by bisection,
 * to the second. No zone has changed twice in a day and returned. Zones (28 KB each) and days are remembered,
 * both bounded: a day costs 10 us the first time and 4 us again, the first month of a zone 100 us (measured).
 */
import { Problem } from '../errors.js';
import { edgesAt, type Grain } from './bucket.js';
import { DAY_MS, HOUR_MS } from './civil.js';
import { type Span, spanOf, type Window } from './cover.js';
import { formatInstant } from './instant.js';

const zonesMax = 64;
const daysPerZoneMax = 2_048;

export interface Zone {
  /** The spelling of ICU, the same for all aliases; `UTC` for UTC, whose windows are those without a zone. */
  name: string;
  /**
   * The aligned span of a window that holds an instant (ms). Spans of a window tile time.
   * @throws Problem zone_unsupported where it does not begin and end on an hour of UTC; its `ranges` can be asked with
   *   `from` and `to`
   */
  spanOf(window: Window, at: number): Span;
  /** The local date of an instant (ms), in days since 1970. */
  dayAt(at: number): number;
  /** The first instant (ms) of a local date. */
  startOf(day: number): number;
}

/** A stretch of one offset: from an instant on, the local clock is so many milliseconds ahead of UTC. */
interface Stretch {
  from: number;
  offset: number;
}

/** The links to UTC of the IANA database, most of them also below `etc/`. Newer engines keep such a name as it is. */
const utcNames = new Set(
  'utc uct gmt gmt0 gmt+0 gmt-0 greenwich universal zulu'.split(' ').flatMap((name) => [name, `etc/${name}`]),
);
/** The name of the zone that is UTC. */
export const utc = 'UTC';
const namePattern = /^[a-z_]+(?:\/[a-z0-9_+-]+){1,2}$/;
const dayGrains: Partial<Record<Window, Grain>> = { '1d': 'day', '1w': 'week', '1M': 'month' };
const isWholeHours = (ms: number) => ms % HOUR_MS === 0;

/** Makes room for one more entry. */
function dropOldest<Key>(map: Map<Key, unknown>, entriesMax: number): void {
  if (map.size < entriesMax) return;
  for (const oldest of map.keys()) {
    map.delete(oldest);
    return;
  }
}

function formatOf(timeZone: string): Intl.DateTimeFormat {
  return new Intl.DateTimeFormat('en-GB', {
    timeZone,
    calendar: 'gregory',
    numberingSystem: 'latn',
    hourCycle: 'h23',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
  });
}

/** What the local clock shows ahead of UTC at a whole second. The date differs by a day at most. */
function readOffset(format: Intl.DateTimeFormat, at: number): number {
  const [day, hour, minute, second] = (format.format(at).match(/\d+/g) ?? []).map(Number);
  const ahead = day - new Date(at).getUTCDate();
  const days = Math.abs(ahead) > 1 ? -Math.sign(ahead) : ahead; // from the 31st to the 1st is one day
  const clock = ((hour * 60 + minute) * 60 + second) * 1_000;
  return days * DAY_MS + clock - (at - Math.floor(at / DAY_MS) * DAY_MS);
}

function stretchesOf(format: Intl.DateTimeFormat, day: number): Stretch[] {
  const from = day * DAY_MS;
  const offset = readOffset(format, from);
  const next = readOffset(format, from + DAY_MS);
  if (offset === next) return [{ from, offset }];
  let [before, after] = [from, from + DAY_MS];
  while (after - before > 1_000) {
    const middle = before + Math.floor((after - before) / 2_000) * 1_000;
    if (readOffset(format, middle) === offset) before = middle;
    else after = middle;
  }
  return [
    { from, offset },
    { from: after, offset: next },
  ];
}

/** The longest range of whole hours inside a span, where there is one, and the shortest around it. */
function hourRanges({ from, to }: Span): Span[] {
  const [up, down] = [Math.ceil, Math.floor].map((round) => (at: number) => round(at / HOUR_MS) * HOUR_MS);
  const inside = { from: up(from), to: down(to) };
  return [...(inside.from < inside.to ? [inside] : []), { from: down(from), to: up(to) }];
}

/** The problem of a local span that is not made of hours of UTC. */
function zoneUnsupported(span: Span): Problem {
  const ranges = hourRanges(span).map(({ from, to }) => ({
    from: formatInstant(from),
    to: formatInstant(to),
  }));
  const asked = ranges.map(({ from, to }) => `from=${from}&to=${to}`);
  const [inside, around] = asked.length > 1 ? asked : ['', ...asked];
  const detail = 'is not a whole number of hours from UTC at that time';
  const hint = `ask for whole hours${inside && ` inside of it (${inside}) or`} around it (${around})`;
  return new Problem('zone_unsupported', `tz ${detail}; ${hint}`, {
    errors: [{ pointer: '/tz', detail }],
    ranges,
  });
}

function createZone(timeZone: string): Zone {
  const format = formatOf(timeZone);
  const name = format.resolvedOptions().timeZone;
  const days = new Map<number, Stretch[]>();

  function stretches(day: number): Stretch[] {
    const known = days.get(day);
    if (known) return known;
    const found = stretchesOf(format, day);
    dropOldest(days, daysPerZoneMax);
    days.set(day, found);
    return found;
  }

  function offsetAt(at: number): number {
    const found = stretches(Math.floor(at / DAY_MS));
    return found.reduce((offset, stretch) => (stretch.from <= at ? stretch.offset : offset), found[0].offset);
  }

  /** The first instant at which the local clock has reached a midnight, given as if it were one of UTC. */
  function reached(midnight: number): number {
    const day = midnight / DAY_MS;
    const around = [day - 1, day, day + 1].flatMap(stretches);
    for (const [i, { from, offset }] of around.entries()) {
      const at = Math.max(from, midnight - offset);
      if (at < (around[i + 1]?.from ?? midnight + 2 * DAY_MS)) return at;
    }
    return midnight + 2 * DAY_MS; // only a clock more than a day behind UTC gets here
  }

  function dayOf(at: number): number {
    let midnight = edgesAt('day', at + offsetAt(at)).start;
    while (reached(midnight + DAY_MS) <= at) midnight += DAY_MS;
    return midnight;
  }

  /** A local day, week or month. @throws Problem zone_unsupported */
  function daysSpan(grain: Grain, at: number): Span {
    const { start, end } = edgesAt(grain, dayOf(at));
    const span = { from: reached(start), to: reached(end) };
    if (isWholeHours(span.from) && isWholeHours(span.to)) return span;
    throw zoneUnsupported(span);
  }

  /** @throws Problem zone_unsupported where hours are not those of UTC */
  function hourSpan(at: number): Span {
    const { start, end } = edgesAt('hour', at);
    if (isWholeHours(offsetAt(start)) && isWholeHours(offsetAt(end - 1))) return { from: start, to: end };
    const offset = offsetAt(at);
    const local = edgesAt('hour', at + offset);
    throw zoneUnsupported({ from: local.start - offset, to: local.end - offset });
  }

  return {
    name,
    spanOf(window, at) {
      const grain = dayGrains[window];
      if (grain) return daysSpan(grain, at);
      return window === '1h' ? hourSpan(at) : spanOf(window, at);
    },
    dayAt: (at) => dayOf(at) / DAY_MS,
    startOf: (day) => reached(day * DAY_MS),
  };
}

/** The zones that are asked for, remembered. */
export function createZones() {
  const zones = new Map<string, Zone>();

  /** The zone of an IANA name in any case, or undefined where there is none. */
  function find(name: string): Zone | undefined {
    const lower = name.toLowerCase();
    const key = utcNames.has(lower) ? utc : lower;
    if (key !== utc && !namePattern.test(key)) return undefined;
    let zone = zones.get(key);
    try {
      zone ??= createZone(key);
    } catch (error) {
      if (error instanceof RangeError) return undefined;
      throw error;
    }
    zones.delete(key);
    dropOldest(zones, zonesMax);
    zones.set(key, zone);
    return zone;
  }

  return { find };
}
export type Zones = ReturnType<typeof createZones>;
