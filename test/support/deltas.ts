/** Deltas for apply-delta that touch a sketch of every kind. */
import { reservedNumericKey, topItemsMax } from '../../src/sketches/registry.js';
import { bloomKeys, countRecords, type Delta, digestBlob, namesFrom } from './apply-delta.js';

/** One operation on a sketch of each kind. */
export const everything: Delta = {
  distinct: [[['hll-fine', 901, 'hll-coarse', 902], 'ada', 'bob']],
  membership: [['bloom', 903, bloomKeys(['ada', 'bob'])]],
  tops: [['top', 'over', 904, 'ada', 2, 'bob', 1]],
  digests: [[reservedNumericKey, 'digest', 905, 3, digestBlob(1, 2, 3)]],
  counters: [['count', 906, '630:0', 3]],
  written: [['written', 907, 'roll', '10']],
  frequency: [['cm', 908, countRecords(['ada', 2], ['bob', 1])]],
};
/** The same keys with other values. */
export const more: Delta = {
  distinct: [[['hll-fine', 901, 'hll-coarse', 902], 'cyd', 'dan']],
  membership: [['bloom', 903, bloomKeys(['cyd', 'dan'])]],
  tops: [['top', 'over', 904, 'cyd', 2, 'ada', 1]],
  digests: [[reservedNumericKey, 'digest', 905, 1, digestBlob(4)]],
  counters: [['count', 906, '630:0', 1, '631:0', 1]],
  written: [['written', 907, 'roll', '11']],
  frequency: [['cm', 908, countRecords(['cyd', 3])]],
};
/** Pushes one item out of the list, so that the overcounts are written too. */
export const fullTop: Delta = {
  tops: [['top', 'over', 904, ...namesFrom('item', topItemsMax + 1).flatMap((item) => [item, 5])]],
};
export const rootKey = 'pt:{s}';
export const sketchKeys = [
  'hll-fine',
  'hll-coarse',
  'bloom',
  'top',
  'over',
  'digest',
  'count',
  'written',
  'cm',
].map((suffix) => `${rootKey}:${suffix}`);
