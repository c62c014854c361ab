/**
 * Bodies of requests: events of a stream in batches, in the formats that the service takes. A body whose ids must be
 * new each time it is sent has marks in it that are written over on its way out, since to make new events would cost the
 * sender more than the service.
 */
import { encode } from '@msgpack/msgpack';
import { freshMark, type StreamKind, type StreamOptions, streams, timeMark } from './events.js';

export const formats = {
  json: 'application/json',
  ndjson: 'application/x-ndjson',
  msgpack: 'application/msgpack',
} as const;

export type Format = keyof typeof formats;

export const isFormat = (name: string): name is Format => Object.hasOwn(formats, name);

interface BodiesOptions extends StreamOptions {
  batch: number;
  /** How many; by default some 100,000 events in all, and enough for every connection to have several. */
  count?: number;
  format?: Format;
  kind?: StreamKind;
}

/** Of one event the event itself, of more `{"events": [...]}`, lines, or a list. */
function encodeBatch(events: object[], format: Format): Buffer {
  if (format === 'msgpack') return Buffer.from(encode(events.length === 1 ? events[0] : events));
  if (format === 'ndjson') return Buffer.from(events.map((event) => `${JSON.stringify(event)}\n`).join(''));
  return Buffer.from(JSON.stringify(events.length === 1 ? events[0] : { events }));
}

const countFor = (batch: number) =>
  batch === 1 ? 4_000 : Math.max(64, Math.min(400, Math.ceil(100_000 / batch)));

/** Bodies of a batch each, from the next event of a stream on. */
export function bodiesOf(
  events: Iterator<object>,
  batch: number,
  count = countFor(batch),
  format: Format = 'json',
): Buffer[] {
  const next = () => events.next().value as object;
  return Array.from({ length: count }, () => encodeBatch(Array.from({ length: batch }, next), format));
}

/** The same of a stream that has a name. */
export function makeBodies(options: BodiesOptions): Buffer[] {
  const { batch, count, format, kind = 'realistic' } = options;
  return bodiesOf(streams[kind](options), batch, count, format);
}

/** Where a mark stands in a body. */
export function placesOf(body: Buffer, mark: string): number[] {
  const places: number[] = [];
  for (let at = body.indexOf(mark); at >= 0; at = body.indexOf(mark, at + mark.length)) places.push(at);
  return places;
}

/**
 * Writes over the marks of a body, each time something new: the ids of an all-unique stream with the number of the
 * request, the times of a live one with now. Returns undefined where there are none.
 * @param serial a number that no request before had
 */
export function createRefresh(
  body: Buffer,
  serial: () => number,
  now: () => number,
): (() => void) | undefined {
  const ids = placesOf(body, freshMark);
  const times = placesOf(body, timeMark);
  if (ids.length === 0 && times.length === 0) return undefined;
  return () => {
    const id = serial().toString(36).padStart(freshMark.length, '0');
    const time = new Date(now()).toISOString();
    for (const place of ids) body.write(id, place, 'latin1');
    for (const place of times) body.write(time, place, 'latin1');
  };
}
