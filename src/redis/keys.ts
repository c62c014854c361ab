/**
 * Keys: the only place where a Redis key is built or parsed.
 *
 *   pt:{<system>}                                            the system's record: epoch, since, numeric keys
 *   pt:{<system>}:<sketch>:<metric>:<grain>:<bucket>         a sketch
 *   pt:directory:{names}:<names|last>                        all systems, and the last event of each
 *
 * The braces are a Redis Cluster hash tag: all keys of one system live in one slot, so one script can update
 * them. Outside text (system names, numeric metadata keys) is percent-encoded here, so that `{`, `}`, `:`,
 * `*`, line ends or NUL in a name can neither leave the tag nor reach the key of another system.
 *
 * Scripts get the root key in KEYS and build the others as root .. ':' .. suffix, with suffixes from here:
 * one key a system to declare instead of thirty (docs/adr/0003).
 */
import type { Bucket } from '../windows/bucket.js';

export const sketchKinds = ['hll', 'bloom', 'top', 'over', 'digest', 'count', 'written'] as const;
export type SketchKind = (typeof sketchKinds)[number];

const ROOT_PREFIX = 'pt:{';

/** Percent-encodes all but unreserved characters; `*` too, which encodeURIComponent leaves. */
const encodePart = (text: string): string => encodeURIComponent(text).replaceAll('*', '%2A');

/** The key that holds a system's own record; it carries the hash tag. */
export const systemKey = (system: string): string => `${ROOT_PREFIX}${encodePart(system)}}`;

/** What follows the system key, after a colon, in the key of one sketch. */
export const sketchSuffix = (kind: SketchKind, metric: string, bucket: Bucket): string =>
  `${kind}:${encodePart(metric)}:${bucket.grain}:${bucket.name}`;

export const sketchKey = (system: string, kind: SketchKind, metric: string, bucket: Bucket): string =>
  `${systemKey(system)}:${sketchSuffix(kind, metric, bucket)}`;

/** Which hours of a day were written, and when first: a hash, hour of day to epoch seconds. */
export const writtenKey = (system: string, day: Bucket): string => sketchKey(system, 'written', 'all', day);

/** All system names (sorted set, every score 0), and the last event of each (hash, epoch milliseconds). */
export const directoryKeys = { names: 'pt:directory:{names}:names', last: 'pt:directory:{names}:last' };

interface ParsedKey {
  system: string;
  /** Absent for the system's own record. */
  sketch?: { kind: SketchKind; metric: string; grain: string; bucket: string };
}

/** The reverse of `encodePart`, or undefined where the text is none of its results. */
function decodePart(encoded: string): string | undefined {
  try {
    return decodeURIComponent(encoded);
  } catch {
    return undefined;
  }
}

/** The parts of a key, or undefined where it is not a key of a system. */
export function parseKey(key: string): ParsedKey | undefined {
  const match = /^pt:\{([^{}:]+)\}(?::([a-z]+):([^:]+):([a-z]+):([^:]+))?$/.exec(key);
  const system = match ? decodePart(match[1]) : undefined;
  if (!match || system === undefined) return undefined;
  const [, , kind, metricPart, grain, bucket] = match;
  if (kind === undefined) return { system };
  const metric = decodePart(metricPart);
  if (metric === undefined || !(sketchKinds as readonly string[]).includes(kind)) return undefined;
  return { system, sketch: { kind: kind as SketchKind, metric, grain, bucket } };
}
