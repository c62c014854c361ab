/**
 * The import of one input: its bytes become batches, a few of which are under way at once, and what comes
 * back becomes part of the account and of the acknowledged prefix.
 *
 *   input (bytes) -> lines -> batches -> parts, those not imported yet -> requests -> account, prefix
 */
import type { Clock } from '../clock.js';
import { formatInstant } from '../windows/instant.js';
import { cutBatches, readLines } from './batches.js';
import { createNote } from './checkpoint.js';
import type { FinishedImports } from './finished-imports.js';
import { type Input, readInput } from './input.js';
import { findPlace, placeAfter } from './place.js';
import { openPrefix, type Part } from './prefix.js';
import type { Progress } from './progress.js';
import type { Account } from './report.js';
import type { Sender } from './send.js';
import { formatCount } from './text.js';

interface FileImport {
  base: string;
  /** Tells API keys apart. */
  identity: string;
  /** Requests under way at once. */
  parallel: number;
  restart: boolean;
  again: boolean;
  takesTimeless: boolean;
  stateDir: string;
  clock: Clock;
  /** A value that no other call of it returns. */
  randomId: () => string;
  finished: FinishedImports;
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

/** Finds out where to begin. @throws Failure where what was imported before would be counted again */
async function open(input: Input, run: FileImport) {
  const { again, restart, takesTimeless, identity, clock, finished, stop, progress } = run;
  const { name } = input;
  const note = createNote(input, run);
  const noted = await findPlace(name, note, run);
  const earlier = noted || again ? undefined : await finished.find(input, stop.signal);
  const terms = { takesTimeless, identity, beganAt: clock.now() };
  const place = earlier && placeAfter(name, earlier, terms, restart);
  if (place) {
    const known = `${name} was imported up to line ${formatCount(place.line)} at ${formatInstant(place.beganAt)}`;
    progress.say(`${known}; --again imports it from its start`);
  } else if (noted && noted.line > 0) {
    progress.say(`${name}: going on after line ${formatCount(noted.line)}`);
  }
  const beganAt = Math.min(terms.beganAt, earlier?.beganAt ?? Number.POSITIVE_INFINITY);
  const salt = again ? run.randomId() : '';
  const prefix = await openPrefix(name, note, noted ?? place, { salt, takesTimeless, identity, beganAt });
  return { prefix, earlier };
}

/** Imports one input. @throws Failure where it cannot be finished, after what is under way has been answered */
export async function importFile(input: Input, run: FileImport): Promise<void> {
  const { identity, takesTimeless, finished, sender, progress, account, stop } = run;
  const { name } = input;
  const { prefix, earlier } = await open(input, run);
  const entry = account.addFile(name, prefix.start);

  /** What is to be sent, until told to stop. */
  async function* parts(): AsyncGenerator<Part> {
    for await (const batch of cutBatches(readLines(readInput(input, stop.signal, progress.addBytes)))) {
      const part = prefix.take(batch);
      if (!part) continue;
      stop.signal.throwIfAborted();
      progress.begin();
      account.addPart(part);
      yield part;
    }
    prefix.finish();
  }

  let isBroken = false;
  for await (const [part, outcome] of inOrder(parts(), run.parallel, sender.send)) {
    account.addOutcome(entry, part, outcome);
    progress.addRows(outcome.accepted + outcome.rejected + part.refused.length);
    // The prefix ends at the first part that is not settled; what comes after that is only counted.
    if (isBroken) continue;
    try {
      if (outcome.failure) throw outcome.failure;
      await prefix.advance(part);
      entry.to_line = prefix.end();
    } catch (error) {
      isBroken = true;
      stop.abort(error);
    }
  }
  stop.signal.throwIfAborted();
  entry.finished = true;
  if (entry.accepted + entry.already_imported + prefix.start === 0) return;
  const terms = { takesTimeless, identity, beganAt: prefix.beganAt, isRegular: prefix.isRegular() };
  await finished.save(input, prefix.content(), terms, earlier);
  if (entry.accepted === 0 && entry.already_imported > 0)
    progress.say(`${name} was already imported; --again imports it again`);
}
