/**
 * Spread: which systems are to be written to how many shards (shard-names.ts), as the setting SYSTEM_SHARDS says it:
 * `payments=4,audit=8`. Names are percent-encoded there, so that one may hold a comma. The same text, in one form,
 * goes with whatever has to be written as it was at first.
 */
import { shardsMax } from './shard-names.js';

/** System to its number of shards. */
export type Spread = ReadonlyMap<string, number>;

const SYSTEMS_MAX = 50;

const refused = (part: string, why: string) => new Error(`SYSTEM_SHARDS: "${part}" ${why}`);

/** Reads the text. @throws Error that names the setting and what is wrong with it */
export function readSpread(text: string): Spread {
  const spread = new Map<string, number>();
  for (const part of text === '' ? [] : text.split(',')) {
    const [, encoded, digits] = /^\s*([^=]+)=(\d{1,2})\s*$/.exec(part) ?? [];
    const shards = Number(digits);
    if (!(shards >= 2 && shards <= shardsMax)) throw refused(part, `is not <system>=<2 to ${shardsMax}>`);
    const system = decodeName(encoded);
    if (system === undefined) throw refused(part, 'is not percent-encoded as it should be');
    if (spread.has(system)) throw refused(part, 'is about a system that was there before');
    spread.set(system, shards);
  }
  if (spread.size > SYSTEMS_MAX) throw refused(text, `is about more than ${SYSTEMS_MAX} systems`);
  return spread;
}

function decodeName(encoded: string): string | undefined {
  try {
    return decodeURIComponent(encoded);
  } catch {
    return undefined;
  }
}

/** The text of a spread: the same for the same one, and without a colon; empty where nothing is spread. */
export const spreadText = (spread: Spread): string =>
  [...spread]
    .map(([system, shards]) => `${encodeURIComponent(system)}=${shards}`)
    .sort()
    .join(',');
