/** Keys of numbers in metadata: what kind each is, remembered, since the same few come with every event. */
import { isMeasurement, reservedNumericKey, unitOf } from '../sketches/registry.js';

/** A name written as a number (a code, a port, an id), or a measurement, whose unit the key may tell. */
type KeyKind = 'name' | 'measurement' | 'unit';

const KEYS_MAX = 10_000;
/** UTF-16 units; longer keys are refused where they matter, and never remembered. */
const KEY_LENGTH_MAX = 256;
const kinds = new Map<string, KeyKind>();

function readKind(key: string): KeyKind {
  if (!isMeasurement(key)) return 'name';
  return key === reservedNumericKey || unitOf(key) !== null ? 'unit' : 'measurement';
}

export function kindOf(key: string): KeyKind {
  if (key.length > KEY_LENGTH_MAX) return readKind(key);
  let kind = kinds.get(key);
  if (kind === undefined) {
    kind = readKind(key);
    if (kinds.size >= KEYS_MAX) kinds.clear();
    kinds.set(key, kind);
  }
  return kind;
}
