/**
 * The answer of count-min sketches: how often a value came, over any number of days and systems, with a bound
 * computed from how full the layers are.
 *
 * A layer gives the smallest of the value's four counters. It is never too low. How much too high it is follows
 * from chance alone, that is, from which counters the hash picks:
 *
 *   some counter shared by nobody   the count is exact. With a share f of the counters taken, all four are shared
 *                                   with a chance of f^4
 *   otherwise                       the others' events, N - c of them, lie on w columns: in one row the error is over k (N - c) / w
 *                                   with a chance of 1 / k, in all four of 1 / k^4 (Markov); k = e is the textbook's
 *                                   e N / w
 *
 * What waits uncounted is exact without any chance. All chances of an answer together may be 5%: layers that are
 * likely exact are taken as exact while that costs 4% at most, the rest is shared evenly among the others. So an
 * answer over many days keeps its confidence and widens its bound. The confidence is that before looking: it
 * is the same for every value, also one whose smallest counter is 0, which is certain to be 0.
 *
 * Example: a day of 300 users, 250 in the newest layer of 1,024 columns: f is 0.22, so the count is exact with
 * a confidence of 99.8%.
 */
import {
  type CountMin,
  counterOf,
  countHashBytes,
  countMinLayers,
  countMinRows,
  countRecordBytes,
  decodeCountMinHeader,
  writeCountHash,
} from './count-min.js';
import { SketchFormatError } from './envelope.js';

/** Chance that the truth lies below `lower`, at most; and how much of it goes to layers that are taken as exact. */
const missMax = 0.05;
const missOfExactMax = 0.04;

interface LayerReading {
  width: number;
  total: number;
  taken: number;
  /** The smallest of the value's counters. */
  smallest: number;
}

/** What one sketch tells about one value. */
export interface CountReading {
  layers: LayerReading[];
  /** Its events among those that wait. */
  waiting: number;
}

export interface CountEstimate {
  /** At least the truth. */
  count: number;
  lower: number;
  upper: number;
  /** Chance that the truth is not below `lower`; above `upper` it cannot be. */
  confidence: number;
}

/** The 8 bytes by which `read-frequency-n` finds a value. */
export function countHashOf(value: string): Buffer {
  const hash = Buffer.alloc(countHashBytes);
  writeCountHash(value, hash, 0);
  return hash;
}

/** What a whole sketch tells about `value`. */
export function readCount({ layers, waiting }: CountMin, value: string): CountReading {
  const hash = countHashOf(value);
  return {
    waiting: countAmong(waiting, hash),
    layers: layers.map(({ total, taken, counters }, index) => {
      const { width } = countMinLayers[index];
      const own = Array.from({ length: countMinRows }, (_, row) => counters[counterOf(hash, 0, width, row)]);
      return { width, total, taken, smallest: Math.min(...own) };
    }),
  };
}

/** The sum of the counts of the records that begin with `hash`. */
function countAmong(records: Buffer, hash: Buffer): number {
  let count = 0;
  for (let at = records.indexOf(hash); at >= 0; at = records.indexOf(hash, at + 1)) {
    if (at % countRecordBytes === 0) count += records.readUInt32LE(at + countHashBytes);
  }
  return count;
}

/**
 * The same from what `read-frequency-n` replies for one key: header, counters u32 LE (layer by layer, row by row),
 * count that waits. Throws `SketchFormatError`.
 */
export function decodeCountReading([header, counters, waiting]: [Buffer, Buffer, number]): CountReading {
  const states = decodeCountMinHeader(header);
  const layerBytes = 4 * countMinRows;
  if (counters.length !== states.length * layerBytes) {
    throw new SketchFormatError(`${counters.length} bytes of counters for ${states.length} layers.`);
  }
  const layers = states.map((state, index) => {
    const own = Array.from({ length: countMinRows }, (_, row) =>
      counters.readUInt32LE(index * layerBytes + 4 * row),
    );
    return { ...state, width: countMinLayers[index].width, smallest: Math.min(...own) };
  });
  return { layers, waiting };
}

/** Chance that all counters of a value are shared. */
const shareChance = ({ taken, width }: LayerReading) => (taken / (width * countMinRows)) ** countMinRows;

/** What the error stays under but for a chance of `miss`; the value's own events are no error. */
function errorBound({ width, total, smallest }: LayerReading, miss: number): number {
  const share = 1 / (width * miss ** (1 / countMinRows));
  if (share >= 1) return smallest;
  return Math.min((share * (total - smallest)) / (1 - share), smallest);
}

/** How often the value came in all of these together. */
export function estimateCount(readings: readonly CountReading[]): CountEstimate {
  const layers = readings.flatMap((reading) => reading.layers);
  layers.sort((a, b) => shareChance(a) - shareChance(b));
  let miss = 0;
  let exact = 0;
  while (exact < layers.length && miss + shareChance(layers[exact]) <= missOfExactMax) {
    miss += shareChance(layers[exact++]);
  }
  const bounded = layers.slice(exact);
  const missEach = (missMax - miss) / bounded.length;
  const error = bounded.reduce((sum, layer) => sum + errorBound(layer, missEach), 0);
  const count =
    readings.reduce((sum, { waiting }) => sum + waiting, 0) +
    layers.reduce((sum, { smallest }) => sum + smallest, 0);
  return {
    count,
    lower: Math.ceil(count - error),
    upper: count,
    confidence: 1 - (bounded.length > 0 ? missMax : miss),
  };
}
