/**
 * The acknowledged prefix of an input: the rows from the first of which every one is dealt with. It grows
 * batch by batch in the order of the file and is noted after each, so a break at any moment leaves a note of
 * a prefix that is true. Inputs that cannot be read anew have a prefix too, but nowhere to note it.
 */
import { createHash } from 'node:crypto';
import type { Batch } from './batches.js';
import type { Checkpoint, createCheckpoint } from './checkpoint.js';
import { usageFailure } from './exit.js';
import type { Position } from './lines.js';

interface PrefixOptions {
  name: string;
  /** None where the input cannot be resumed. */
  checkpoint: ReturnType<typeof createCheckpoint> | undefined;
  /** Begin at the first row whatever was noted. */
  restart: boolean;
}

const beginning: Position = { offset: 0, line: 0 };

/** Finds out where to begin. @throws Failure where no note can be kept or the one there is damaged */
export async function openPrefix({ name, checkpoint, restart }: PrefixOptions) {
  const noted: Checkpoint | undefined = restart ? undefined : await checkpoint?.load();
  const start: Position = noted ?? beginning;
  const hash = createHash('sha256');
  const digest = () => hash.copy().digest('hex');
  let end = start;
  let checked = noted === undefined;
  // Before anything is sent, so that a folder which cannot be written ends the import here.
  if (!noted) await checkpoint?.save({ ...beginning, digest: digest() });

  return {
    start,
    end: () => end,
    /** Takes a row before `start`. */
    passOver(row: Buffer): void {
      hash.update(row);
    },
    /** To be called when all rows before `start` are passed over. @throws Failure where they are not the same */
    check(): void {
      if (!checked && digest() !== noted?.digest) {
        throw usageFailure(
          `${name} has changed since its import stopped after line ${start.line}; --restart imports it from its first line`,
        );
      }
      checked = true;
    },
    /** Adds the first rows of the batch that follows, all or some. */
    async advance(batch: Batch, rows: number): Promise<void> {
      hash.update(batch.body.subarray(0, batch.rows[rows - 1]?.bodyEnd ?? 0));
      end = rows === batch.rows.length ? batch.end : (batch.rows[rows - 1]?.end ?? end);
      await checkpoint?.save({ ...end, digest: digest() });
    },
  };
}
