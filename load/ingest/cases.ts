/**
 * What is sent: a case is a batch size, a format and a stream. The selection has every batch size in the first format and
 * stream, and every other format and stream at 1,000 a batch; the matrix has all.
 */
import { whole } from '../results/format.js';
import { numbersOf, wordsOf } from '../scenario.js';
import { type Format, formats, isFormat, makeBodies } from '../streams/bodies.js';
import { isStreamKind, type StreamKind } from '../streams/events.js';

export const MAIN_BATCH = 1_000;
/** Under way at once; with more, a run of some seconds would see each request once. */
const EVENTS_UNDER_WAY_MAX = 100_000;
/** Of every shot, so that all connections are under way when it is counted. */
export const LEAD_SECONDS = 1;

export interface Case {
  batch: number;
  format: Format;
  stream: StreamKind;
}

/** Short forms of the options. */
export const short = {
  seconds: 4,
  rounds: 2,
  connections: 50,
  batches: '1,10,100,1000,10000',
  formats: 'json,ndjson,msgpack',
  streams: 'realistic,unique,one-hot',
  cases: 'selection',
};

export type Options = typeof short;

const known = <Name extends string>(list: string, isKnown: (name: string) => name is Name): Name[] =>
  wordsOf(list).map((word) => {
    if (!isKnown(word)) throw new Error(`"${word}" is not known here`);
    return word;
  });

/** The worst case is always among them. */
export function casesOf({ batches, formats: formatList, streams, cases }: Options): Case[] {
  const [someFormats, someStreams] = [known(formatList, isFormat), known(streams, isStreamKind)];
  const isChosen = ({ batch, format, stream }: Case) =>
    cases === 'matrix' ||
    (format === someFormats[0] && stream === someStreams[0]) ||
    (batch === MAIN_BATCH && (format === someFormats[0] || stream === someStreams[0]));
  const all = numbersOf(batches).flatMap((batch) =>
    someStreams.flatMap((stream) => someFormats.map((format): Case => ({ batch, format, stream }))),
  );
  const worst: Case = { batch: MAIN_BATCH, format: 'json', stream: 'unique' };
  const isWorst = (one: Case) => nameOf(one) === nameOf(worst);
  return [...all.filter((one) => isChosen(one) && !isWorst(one)), worst];
}

export const nameOf = ({ batch, format, stream }: Case) => `${whole(batch)} a batch, ${format}, ${stream}`;

/** Where its bodies go, and how. */
export function aimOf({ batch, format, stream }: Case, { connections }: Options) {
  const bodies = makeBodies({
    batch,
    format,
    kind: stream,
    seed: 20_260_101,
    start: Date.now(),
    stepMs: 0.01,
  });
  const path = batch === 1 ? '/api/v1/events' : '/api/v1/events/batch';
  return {
    path,
    bodies,
    connections: Math.min(connections, Math.ceil(EVENTS_UNDER_WAY_MAX / batch)),
    leadSeconds: LEAD_SECONDS,
    headers: { 'content-type': formats[format] },
  };
}

/** What the bare route is asked to do, too, and targets are about. */
export const isMain = ({ format, stream }: Case) => format === 'json' && stream === 'realistic';
