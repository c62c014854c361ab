/**
 * Sending one batch until it is answered. Refusals (408, 429, 5xx) and broken connections are tried again,
 * with growing pauses and jitter and never before `Retry-After`, until that has failed for `retrySeconds` on
 * end. Where a 503 says that the first rows are dealt with, only those after them are sent again.
 *
 * An answer that got lost is not told from a request that got lost, so a batch may count twice.
 */
import type { Clock } from '../clock.js';
import { type Batch, bodyOf, type Row } from './batches.js';
import { serviceFailure } from './exit.js';
import { type Answer, describe, type Service } from './http.js';

const requestTimeoutMs = 60_000;
const firstPauseMs = 250;
const pauseMsMax = 10_000;

interface RejectedRow {
  line: number;
  code: string;
  pointer: string;
  detail: string;
}

/** What became of the rows of a batch. */
export interface Outcome {
  accepted: number;
  rejected: number;
  /** The rejected rows that the service named. */
  errors: RejectedRow[];
  /** Why the rows after those were not dealt with. */
  failure?: Error;
}

interface SenderDependencies {
  service: Service;
  retrySeconds: number;
  clock: Clock;
  /** 0 to 1, for the jitter. */
  random: () => number;
  /** Waits; rejects when the signal is aborted. */
  sleep: (milliseconds: number, signal: AbortSignal) => Promise<void>;
  /** Ends the waiting for another try, not a request under way. */
  signal: AbortSignal;
  /** Told when the service begins to refuse or to be away, and when it is back. */
  say: (text: string) => void;
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0;
/** Whether the same request may fare better later; 0 is no answer. */
const isPassing = (status: number) => status === 0 || status === 408 || status === 429 || status >= 500;

/** Milliseconds that an answer asks to wait; 0 where it does not. */
function retryAfterMs({ headers }: Answer, now: number): number {
  const asked = headers.get('retry-after') ?? '';
  if (/^\d+$/.test(asked)) return Number(asked) * 1_000;
  const at = Date.parse(asked);
  return Number.isNaN(at) ? 0 : Math.max(0, at - now);
}

/** How many of `left` rows, from the first, an answer says were accepted and rejected. */
function countsOf({ status, json }: Answer, left: number): { accepted: number; rejected: number } {
  const isRefused = ['events_invalid', 'system_forbidden'].includes(String(json.code));
  if ((status === 400 || status === 403) && isRefused) return { accepted: 0, rejected: left };
  const settled = status >= 200 && status < 300 ? left : json.committed_rows;
  const { accepted, rejected } = json;
  const isSound =
    isCount(accepted) && isCount(rejected) && accepted + rejected === settled && settled <= left;
  return isSound ? { accepted, rejected } : { accepted: 0, rejected: 0 };
}

const settledRows = ({ accepted, rejected }: Outcome) => accepted + rejected;

/** Adds what an answer says of `rows`, the rows it was sent. */
function settle(outcome: Outcome, rows: readonly Row[], answer: Answer): void {
  const { accepted, rejected } = countsOf(answer, rows.length);
  outcome.accepted += accepted;
  outcome.rejected += rejected;
  if (rejected === 0 || !Array.isArray(answer.json.errors)) return;
  for (const { index, code, pointer, detail } of answer.json.errors) {
    const line = rows[Number(index)]?.line;
    const texts = { code: String(code), pointer: String(pointer ?? ''), detail: String(detail ?? '') };
    if (line !== undefined) outcome.errors.push({ line, ...texts });
  }
}

export function createSender(dependencies: SenderDependencies) {
  const { service, retrySeconds, clock, random, sleep, signal, say } = dependencies;
  const { base } = service;
  const path = '/api/v1/events/batch';
  const headers = { 'content-type': 'application/x-ndjson' };
  let isTroubled = false;

  function tell(trouble: string | undefined): void {
    const wasTroubled = isTroubled;
    isTroubled = trouble !== undefined;
    if (trouble && !wasTroubled) say(`waiting for the service, up to ${retrySeconds} s: ${trouble}`);
    else if (wasTroubled && !trouble) say('the service takes events again');
  }

  /** Waits before the next try, the nth of a row of failures. @throws Failure where none is left */
  async function wait(tries: number, since: number, answer: Answer): Promise<void> {
    const now = clock.now();
    const reason = describe(answer);
    const leftMs = since + retrySeconds * 1_000 - now;
    const growing = Math.min(pauseMsMax, firstPauseMs * 2 ** (tries - 1)) * (0.5 + random() / 2);
    const waitMs = Math.max(retryAfterMs(answer, now), Math.min(growing, leftMs));
    if (leftMs <= 0 || waitMs > leftMs) {
      throw serviceFailure(`the service at ${base} does not take events: ${reason}`);
    }
    tell(reason);
    await sleep(waitMs, signal);
  }

  async function sendAll(outcome: Outcome, batch: Batch): Promise<void> {
    let tries = 0;
    let since = 0;
    for (let rows = batch.rows; rows.length > 0; rows = batch.rows.slice(settledRows(outcome))) {
      const answer = await service.request(path, requestTimeoutMs, {
        method: 'POST',
        headers,
        body: bodyOf(rows),
      });
      const before = settledRows(outcome);
      settle(outcome, rows, answer);
      if (settledRows(outcome) === batch.rows.length) break;
      if (!isPassing(answer.status))
        throw serviceFailure(`the service at ${base} answered ${describe(answer)}`);
      if (settledRows(outcome) > before) tries = 0;
      if (tries === 0) since = clock.now();
      tries++;
      await wait(tries, since, answer);
    }
    if (batch.rows.length > 0) tell(undefined);
  }

  return {
    /** Sends a batch. Never throws: what failed is in the outcome. */
    async send(batch: Batch): Promise<Outcome> {
      const outcome: Outcome = { accepted: 0, rejected: 0, errors: [] };
      await sendAll(outcome, batch).catch((error: Error) => {
        outcome.failure = error;
      });
      return outcome;
    },
  };
}

export type Sender = ReturnType<typeof createSender>;
