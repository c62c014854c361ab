/**
 * The import of one input: its bytes become batches, a few of which are under way at once, and what comes
 * back becomes part of the account and of the acknowledged prefix.
 *
 *   input (bytes) -> batches (rows) -> window (requests) -> report, prefix
 */
import { type Batch, cutBatches } from './batches.js';
import { createCheckpoint } from './checkpoint.js';
import { type Input, readInput } from './input.js';
import { openPrefix } from './prefix.js';
import type { Progress } from './progress.js';
import type { createReport } from './report.js';
import type { Outcome, Sender } from './send.js';
import { formatCount } from './terminal.js';
import { createWindow } from './window.js';

export interface FileImport {
  base: string;
  batchRowsMax: number;
  parallel: number;
  restart: boolean;
  stateDir: string;
  sender: Sender;
  progress: Progress;
  account: ReturnType<typeof createReport>;
  /** Aborted, with the failure to stop with, when nothing more shall be sent. */
  stop: AbortController;
}

export const checkpointOf = (input: Input, { stateDir, base }: { stateDir: string; base: string }) =>
  input.path === undefined ? undefined : createCheckpoint(stateDir, input.path, base);

/** Imports one input. @throws Failure where it cannot be finished, after what is under way has been answered */
export async function importFile(input: Input, run: FileImport): Promise<void> {
  const { sender, progress, account, stop } = run;
  const { name } = input;
  const prefix = await openPrefix({ name, checkpoint: checkpointOf(input, run), restart: run.restart });
  const { start } = prefix;
  if (start.line > 0) progress.say(`${name}: going on after line ${formatCount(start.line)}`);
  const entry = account.addFile(name, start.line);
  let isBroken = false;

  /** The prefix ends before the first batch that is not settled; what comes after that is only counted. */
  async function commit(batch: Batch, outcome: Outcome): Promise<void> {
    account.addOutcome(name, outcome);
    progress.addRows(outcome.settled + batch.tooLong.length);
    if (isBroken) return;
    try {
      await prefix.advance(batch, outcome.settled);
      entry.to_line = prefix.end().line;
      if (outcome.failure) throw outcome.failure;
    } catch (error) {
      isBroken = true;
      stop.abort(error);
    }
  }

  const window = createWindow<Batch, Outcome>({ size: run.parallel, begin: sender.send, end: commit });
  const pieces = readInput(input, stop.signal, progress.addBytes);
  const limits = { rowsMax: run.batchRowsMax, start, onSkipped: prefix.passOver };
  try {
    for await (const batch of cutBatches(pieces, limits)) {
      stop.signal.throwIfAborted();
      prefix.check();
      account.addBatch(name, batch);
      await window.add(batch);
    }
  } finally {
    await window.finish();
    stop.signal.throwIfAborted();
  }
  prefix.check();
  entry.finished = true;
}
