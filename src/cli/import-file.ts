/**
 * The import of one input: its bytes become batches, a few of which are under way at once, and what comes
 * back becomes part of the account and of the acknowledged prefix.
 *
 *   input (bytes) -> rows -> those not imported yet -> batches -> requests -> account, prefix
 */
import { type Batch, cutBatches, readRows } from './batches.js';
import { createNote, openPrefix } from './checkpoint.js';
import { type Input, readInput } from './input.js';
import type { Progress } from './progress.js';
import type { Account } from './report.js';
import type { Sender } from './send.js';
import { formatCount } from './text.js';

interface FileImport {
  base: string;
  batchRowsMax: number;
  parallel: number;
  restart: boolean;
  stateDir: string;
  /** A value that no other call of it returns. */
  randomId: () => string;
  sender: Sender;
  progress: Progress;
  account: Account;
  /** Aborted, with the failure to stop with, when nothing more shall be sent. */
  stop: AbortController;
}

/**
 * Works on at most `size` items at once and gives the results in the order of the items, so what may have to
 * be sent again after a break, and what is in memory, is at most that many. Where the items end with an
 * error, what is under way comes first.
 * @param begin must not reject
 */
async function* inOrder<Item, Result>(
  items: AsyncIterable<Item>,
  size: number,
  begin: (item: Item) => Promise<Result>,
): AsyncGenerator<[Item, Result]> {
  const underWay: { item: Item; result: Promise<Result> }[] = [];
  let failure: unknown;
  try {
    for await (const item of items) {
      underWay.push({ item, result: begin(item) });
      const first = underWay.length >= size ? underWay.shift() : undefined;
      if (first) yield [first.item, await first.result];
    }
  } catch (error) {
    failure = error;
  }
  for (const { item, result } of underWay) yield [item, await result];
  if (failure) throw failure;
}

/** Imports one input. @throws Failure where it cannot be finished, after what is under way has been answered */
export async function importFile(input: Input, run: FileImport): Promise<void> {
  const { sender, progress, account, stop } = run;
  const { name } = input;
  const prefix = await openPrefix(name, createNote(input, run), { ...run, id: run.randomId() });
  if (prefix.start > 0) progress.say(`${name}: going on after line ${formatCount(prefix.start)}`);
  const entry = account.addFile(name, prefix.start);

  /** The batches to be sent, until told to stop. */
  async function* batches(): AsyncGenerator<Batch> {
    const rows = readRows(readInput(input, stop.signal, progress.addBytes));
    for await (const batch of cutBatches(prefix.rest(rows), prefix.batchRowsMax)) {
      stop.signal.throwIfAborted();
      progress.begin();
      account.addBatch(name, batch);
      yield batch;
    }
  }

  const send = (batch: Batch) => sender.send(batch, prefix.keyOf(batch));
  let isBroken = false;
  for await (const [batch, outcome] of inOrder(batches(), run.parallel, send)) {
    account.addOutcome(name, outcome);
    progress.addRows(outcome.accepted + outcome.rejected + batch.tooLong.length);
    // The prefix ends at the first batch that is not settled; what comes after that is only counted.
    if (isBroken) continue;
    try {
      if (outcome.failure) throw outcome.failure;
      await prefix.advance(batch);
      entry.to_line = prefix.end();
    } catch (error) {
      isBroken = true;
      stop.abort(error);
    }
  }
  stop.signal.throwIfAborted();
  entry.finished = true;
}
