/**
 * Sending one batch until it is answered. Refusals (408, 429, 5xx) and broken connections are tried again,
 * with growing pauses and jitter and never before `Retry-After`, until that has failed for `retrySeconds` on
 * end.
 *
 * An answer that got lost is not told from a request that got lost. So every batch has an idempotency key and is always
 * sent whole: however often, it counts once.
 */
import type { Clock } from '../clock.js';
import { type Batch, bodyOf } from './batches.js';
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
  /** Why they were not dealt with. */
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
/** Whether the same request may fare better later; status 0 is no answer. */
const isPassing = ({ status, json }: Answer) =>
  [0, 408, 429].includes(status) || status >= 500 || (status === 409 && json.code === 'request_in_flight');

/** Milliseconds that an answer asks to wait; 0 where it does not. */
function retryAfterMs({ headers }: Answer, now: number): number {
  const asked = headers.get('retry-after') ?? '';
  if (/^\d+$/.test(asked)) return Number(asked) * 1_000;
  const at = Date.parse(asked);
  return Number.isNaN(at) ? 0 : Math.max(0, at - now);
}

/** How many of a batch's rows an answer says were accepted and rejected; undefined where it says nothing of them. */
function countsOf({ status, json }: Answer, rows: number) {
  const isRefused = ['events_invalid', 'system_forbidden'].includes(String(json.code));
  if ((status === 400 || status === 403) && isRefused) return { accepted: 0, rejected: rows };
  const { accepted, rejected } = json;
  const isSound = isCount(accepted) && isCount(rejected) && accepted + rejected === rows;
  return status >= 200 && status < 300 && isSound ? { accepted, rejected } : undefined;
}

/** Notes what an answer says of the rows of a batch. @returns whether it says that they are dealt with */
function settle(outcome: Outcome, { rows }: Batch, answer: Answer): boolean {
  const counts = countsOf(answer, rows.length);
  if (!counts) return false;
  Object.assign(outcome, counts);
  if (counts.rejected === 0 || !Array.isArray(answer.json.errors)) return true;
  for (const { index, code, pointer, detail } of answer.json.errors) {
    const line = rows[Number(index)]?.line;
    const texts = { code: String(code), pointer: String(pointer ?? ''), detail: String(detail ?? '') };
    if (line !== undefined) outcome.errors.push({ line, ...texts });
  }
  return true;
}

export function createSender(dependencies: SenderDependencies) {
  const { service, retrySeconds, clock, random, sleep, signal, say } = dependencies;
  const { base } = service;
  const path = '/api/v1/events/batch';
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

  async function sendUntilSettled(outcome: Outcome, batch: Batch, key: string): Promise<void> {
    const headers = { 'content-type': 'application/x-ndjson', 'idempotency-key': `"${key}"` };
    const message = { method: 'POST', headers, body: bodyOf(batch.rows) };
    let since = 0;
    for (let tries = 1; ; tries++) {
      const answer = await service.request(path, requestTimeoutMs, message);
      if (settle(outcome, batch, answer)) break;
      if (!isPassing(answer)) throw serviceFailure(`the service at ${base} answered ${describe(answer)}`);
      if (tries === 1) since = clock.now();
      await wait(tries, since, answer);
    }
    tell(undefined);
  }

  return {
    /** Sends a batch, whose key is that of no other one. Never throws: what failed is in the outcome. */
    async send(batch: Batch, key: string): Promise<Outcome> {
      const outcome: Outcome = { accepted: 0, rejected: 0, errors: [] };
      if (batch.rows.length === 0) return outcome;
      await sendUntilSettled(outcome, batch, key).catch((error: Error) => {
        outcome.failure = error;
      });
      return outcome;
    },
  };
}

export type Sender = ReturnType<typeof createSender>;
