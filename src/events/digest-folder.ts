/**
 * Folding: a digest list that has grown long is read, merged into one digest and swapped in, by the writer
 * whose append made it long. Appends go on meanwhile and are kept; of two writers that fold the same list the
 * header's generation lets one win, and the other's work is dropped; its epoch says that the list was not
 * purged in between. A fold that fails leaves the list as it was: the next append asks again, and a full list
 * refuses appends until it is folded. What cannot be read (a later version wrote it) stays in the list as it is.
 *
 * A group appends to the lists of all its systems, so these grow long together. Few are folded at once, since everybody
 * waits for a turn of the event loop that merges many. The others are longer by a few appends when their turn comes, and
 * from then on do not grow long together any more.
 */
import type { FastifyBaseLogger } from 'fastify';
import type { Metrics } from '../metrics.js';
import { call, callScript, readPipeline, type Store } from '../redis/pipeline.js';
import { scripts } from '../redis/scripts.js';
import { SketchFormatError } from '../sketches/envelope.js';
import {
  type Digest,
  decodeDigest,
  decodeDigestHeader,
  encodeDigest,
  encodeDigestHeader,
  mergeDigests,
} from '../sketches/t-digest.js';

const LONG_AT_ONCE_MAX = 2;

interface FolderDependencies {
  redis: Store;
  timeoutMs: number;
  metrics: Metrics;
  log: FastifyBaseLogger;
}

export function createDigestFolder({ redis, timeoutMs, metrics, log }: FolderDependencies) {
  const folding = new Map<string, Promise<void>>();

  async function foldOnce(key: string): Promise<void> {
    const range = { ...call('LRANGE', key, 0, -1), binary: true };
    const [list] = (await readPipeline(redis, [range], timeoutMs)) as [Buffer[]];
    const [header, ...blobs] = list;
    const digests: Digest[] = [];
    const unreadable: Buffer[] = [];
    for (const blob of blobs) {
      try {
        digests.push(decodeDigest(blob));
      } catch (error) {
        if (!(error instanceof SketchFormatError)) throw error;
        unreadable.push(blob);
      }
    }
    if (unreadable.length > 0)
      log.warn({ count: unreadable.length }, 'a digest list holds what is no digest');
    if (digests.length < 2) return;
    const { generation, epoch } = decodeDigestHeader(header);
    const next = encodeDigestHeader(generation + 1, epoch);
    const digest = encodeDigest(mergeDigests(digests));
    const terms = [header, blobs.length, next, digest, ...unreadable];
    const swap = callScript(scripts['fold-digests-1'], [key], terms);
    const [swapped] = await readPipeline(redis, [swap], timeoutMs);
    metrics.digestFolds.inc({ outcome: swapped === 1 ? 'folded' : 'overtaken' });
  }

  function fold(key: string): Promise<void> {
    const running = folding.get(key);
    if (running) return running;
    const started = foldOnce(key)
      .catch((error: Error) => {
        metrics.digestFolds.inc({ outcome: 'failed' });
        log.warn({ err: error }, 'a digest list could not be folded');
      })
      .finally(() => folding.delete(key));
    folding.set(key, started);
    return started;
  }

  return {
    /** Folds one list; never rejects. Calls for a list that is being folded share the one fold. */
    fold,
    /** Folds a list that is long but not full, unless enough are being folded: the next append to it asks again. */
    foldLong(key: string): void {
      if (folding.size < LONG_AT_ONCE_MAX) fold(key);
    },
    /** Waits for the folds that are under way. */
    async settle(): Promise<void> {
      await Promise.all(folding.values());
    },
  };
}

export type DigestFolder = ReturnType<typeof createDigestFolder>;
