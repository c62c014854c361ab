/** Questions about the frequency of one item, from the count-min sketches of days. */
import { sketchKey } from '../redis/keys.js';
import { callScript } from '../redis/pipeline.js';
import { scripts } from '../redis/scripts.js';
import {
  type CountEstimate,
  countHashOf,
  decodeCountReading,
  estimateCount,
} from '../sketches/count-min-estimate.js';
import { keysBySystem, type Place } from './place.js';
import type { Question } from './question.js';

export interface Frequency extends CountEstimate {
  exists: boolean[];
}

/** How often an item came in some places. Those of one system follow each other. */
export function askFrequency(metric: string, item: string, places: readonly Place[]): Question<Frequency> {
  const keys = keysBySystem(places, ({ system, bucket }) => sketchKey(system, 'cm', metric, bucket));
  const hash = countHashOf(item);
  return {
    calls: keys.map((own) => callScript(scripts['read-frequency-n'], own, [hash], true)),
    decode(replies) {
      const sketches = replies.flat() as (Buffer | Parameters<typeof decodeCountReading>[0])[];
      const readings = sketches.flatMap((sketch) =>
        Array.isArray(sketch) ? [decodeCountReading(sketch)] : [],
      );
      return { ...estimateCount(readings), exists: sketches.map((sketch) => Array.isArray(sketch)) };
    },
  };
}
