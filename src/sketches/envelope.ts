/**
 * The envelope: the first 4 bytes of every blob of our own.
 *
 *   'P' 'T' <sketch type> <format version>
 *
 * Blobs outlive the code that wrote them, for months. So a reader never guesses: bytes
 * without the magic, of another sketch or of a version it does not know are a `SketchFormatError` that says
 * what was met. A new layout takes a new version number, and its reader keeps the branch for the old one.
 *
 * HyperLogLogs are Redis's own and carry its magic (`HYLL`); counters and top lists live in Redis types that need
 * no bytes of ours.
 */
const magicHigh = 0x50; // 'P'
const magicLow = 0x54; // 'T'

export const envelopeBytes = 4;

/** Every sketch type: its letter and the format version written today. */
export const sketchTypes = {
  bloom: { letter: 'B', version: 1 },
  countMin: { letter: 'C', version: 1 },
  digest: { letter: 'D', version: 2 },
  digestHeader: { letter: 'H', version: 1 },
  /** No sketch, but what was computed from some, as the cache keeps it. */
  answer: { letter: 'A', version: 2 },
} as const satisfies Record<string, { letter: string; version: number }>;

export type SketchType = keyof typeof sketchTypes;

/** Bytes that are not the sketch they should be. */
export class SketchFormatError extends Error {
  override readonly name = 'SketchFormatError';
}

const envelopes = Object.fromEntries(
  Object.entries(sketchTypes).map(([type, { letter, version }]) => [
    type,
    Buffer.from([magicHigh, magicLow, letter.charCodeAt(0), version]),
  ]),
) as Record<SketchType, Buffer>;

/** Writes the 4 bytes of `type` at the start of `out` and returns it. */
export function writeEnvelope<Bytes extends Uint8Array>(type: SketchType, out: Bytes): Bytes {
  out.set(envelopes[type]);
  return out;
}

/**
 * Checks the envelope and returns what follows it, as a view of the same memory.
 * Throws `SketchFormatError` on another magic, type or version.
 */
export function readEnvelope(type: SketchType, bytes: Uint8Array): Uint8Array {
  const { letter, version } = sketchTypes[type];
  if (bytes.length < envelopeBytes || bytes[0] !== magicHigh || bytes[1] !== magicLow) {
    throw new SketchFormatError(`These ${bytes.length} bytes are not a sketch of ours; expected a ${type}.`);
  }
  if (bytes[2] !== letter.charCodeAt(0)) {
    throw new SketchFormatError(`Sketch type ${bytes[2]} found where a ${type} was expected.`);
  }
  if (bytes[3] !== version) {
    throw new SketchFormatError(`Format version ${bytes[3]} of a ${type} is not known; ${version} is.`);
  }
  return bytes.subarray(envelopeBytes);
}
