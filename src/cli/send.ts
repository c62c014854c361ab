/**
 * Sending one batch until it is answered. Refusals (429, 5xx) and broken connections are tried again, with
 * growing pauses and jitter and never before `Retry-After`, until that has failed for `retryMs` on end. Where
 * a 503 says that the first rows are stored, only those after them are sent again.
 *
 * An answer that got lost is not told from a request that got lost, so a batch may count twice.
 */
import type { Clock } from '../clock.js';
import type { Batch } from './batches.js';
import { serviceFailure } from './exit.js';
import { type Answer, describe, NoAnswer, request } from './http.js';

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
  /** Settled by a request that failed later and did not say which of its rows were stored. */
  unconfirmed: number;
  /** The rejected rows that the service named. */
  errors: RejectedRow[];
  /** Rows from the first that are dealt with. */
  settled: number;
  /** Why the rest is not. */
  failure?: Error;
}

interface SenderDependencies {
  base: string;
  retryMs: number;
  clock: Clock;
  /** 0 to 1, for the jitter. */
  random: () => number;
  /** Waits; rejects when the signal is aborted. */
  sleep: (milliseconds: number, signal: AbortSignal) => Promise<void>;
  /** Ends the waiting for another try, not a request under way. */
  signal: AbortSignal;
  /** Told when a batch has to wait, once. */
  onTrouble: (reason: string) => void;
}

const whole = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

/** Milliseconds that an answer asks to wait; 0 where it does not. */
function retryAfterMs(answer: Answer | undefined, now: number): number {
  const asked = answer?.headers.get('retry-after') ?? '';
  if (/^\d+$/.test(asked)) return Number(asked) * 1_000;
  const at = Date.parse(asked);
  return Number.isNaN(at) ? 0 : Math.max(0, at - now);
}

const isPassing = (status: number) => status === 408 || status === 429 || status >= 500;

export function createSender(dependencies: SenderDependencies) {
  const { base, retryMs, clock, random, sleep, signal, onTrouble } = dependencies;
  const url = `${base}/api/v1/events/batch`;

  function addErrors(outcome: Outcome, batch: Batch, errors: unknown): void {
    if (!Array.isArray(errors)) return;
    for (const { index, code, pointer, detail } of errors) {
      const row = batch.rows[outcome.settled + Number(index)];
      const texts = { code: String(code), pointer: String(pointer ?? ''), detail: String(detail ?? '') };
      if (row) outcome.errors.push({ line: row.end.line, ...texts });
    }
  }

  /** Takes an answer that settles all rows left. Returns whether it is one. */
  function settle(outcome: Outcome, batch: Batch, { status, json }: Answer): boolean {
    const left = batch.rows.length - outcome.settled;
    const stored = status >= 200 && status < 300;
    const accepted = stored ? json.accepted : 0;
    const rejected = stored ? json.rejected : left;
    if (!stored && !(status === 400 && json.code === 'events_invalid')) return false;
    if (!whole(accepted) || !whole(rejected) || accepted + rejected !== left) return false;
    outcome.accepted += accepted;
    outcome.rejected += rejected;
    addErrors(outcome, batch, json.errors);
    outcome.settled = batch.rows.length;
    return true;
  }

  /** Takes the rows that a failed request had stored. Returns whether there were any. */
  function settleSome(outcome: Outcome, batch: Batch, committed: unknown): boolean {
    if (!whole(committed) || committed === 0 || committed > batch.rows.length - outcome.settled) return false;
    outcome.unconfirmed += committed;
    outcome.settled += committed;
    return true;
  }

  async function post(outcome: Outcome, batch: Batch): Promise<Answer | NoAnswer> {
    const from = batch.rows[outcome.settled - 1]?.bodyEnd ?? 0;
    const headers = { 'content-type': 'application/x-ndjson' };
    try {
      const body = batch.body.subarray(from);
      return await request(url, requestTimeoutMs, { method: 'POST', headers, body });
    } catch (error) {
      if (error instanceof NoAnswer) return error;
      throw error;
    }
  }

  async function sendAll(outcome: Outcome, batch: Batch): Promise<void> {
    let failingSince: number | undefined;
    for (let tries = 1; outcome.settled < batch.rows.length; tries++) {
      const result = await post(outcome, batch);
      const answer = result instanceof NoAnswer ? undefined : result;
      const reason = answer ? describe(answer) : (result as NoAnswer).message;
      if (answer && settle(outcome, batch, answer)) return;
      if (answer && !isPassing(answer.status))
        throw serviceFailure(`the service at ${base} answered ${reason}`);
      if (settleSome(outcome, batch, answer?.json.committed_rows)) {
        failingSince = undefined;
        tries = 0;
      }
      const now = clock.now();
      if (failingSince === undefined) onTrouble(reason);
      failingSince ??= now;
      const leftMs = failingSince + retryMs - now;
      const growing = Math.min(pauseMsMax, firstPauseMs * 2 ** Math.max(0, tries - 1)) * (0.5 + random() / 2);
      const waitMs = Math.max(retryAfterMs(answer, now), Math.min(growing, leftMs));
      if (leftMs <= 0 || waitMs > leftMs) {
        throw serviceFailure(`the service at ${base} does not take events: ${reason}`);
      }
      await sleep(waitMs, signal);
    }
  }

  return {
    /** Sends a batch. Never throws: what failed is in the outcome. */
    async send(batch: Batch): Promise<Outcome> {
      const outcome: Outcome = { accepted: 0, rejected: 0, unconfirmed: 0, errors: [], settled: 0 };
      await sendAll(outcome, batch).catch((error: Error) => {
        outcome.failure = error;
      });
      return outcome;
    },
  };
}

export type Sender = ReturnType<typeof createSender>;
