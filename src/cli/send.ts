/**
 * Sending one part until it is answered. Refusals (408, 429, 5xx) and broken connections are tried again,
 * with growing pauses and jitter and never before `Retry-After`, until that has failed for `retrySeconds` on
 * end.
 *
 * An answer that got lost is not told from a request that got lost. So every part has an idempotency key and is always
 * sent whole: however often, it counts once.
 */
import type { Clock } from '../clock.js';
import { serviceFailure } from './exit.js';
import { type Answer, describe, type Service } from './http.js';
import type { Part } from './prefix.js';
import type { RejectedRow } from './row-checks.js';

const requestTimeoutMs = 60_000;
const firstPauseMs = 250;
const pauseMsMax = 10_000;

/** How often something was seen, by the name of a field. */
export type FieldCounts = Record<string, number>;

/** What became of the rows of a part. */
export interface Outcome {
  accepted: number;
  rejected: number;
  /** The service knew the part: the accepted rows were counted before, by an import that was here first. */
  isKnown: boolean;
  /** The rejected rows that the service named. */
  errors: RejectedRow[];
  /** Fields that accepted rows lacked and were given. */
  defaulted: FieldCounts;
  /** Fields of accepted rows that were not read. */
  ignored: FieldCounts;
  /** Why they were not dealt with. */
  failure?: Error;
}

export const emptyOutcome = (): Outcome => ({
  accepted: 0,
  rejected: 0,
  isKnown: false,
  errors: [],
  defaulted: {},
  ignored: {},
});

interface SenderDependencies {
  service: Service;
  retrySeconds: number;
  /** Monotonic. */
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

/** Milliseconds that an answer asks to wait, if by a date then by the clock of who answers; 0 where it does not. */
function retryAfterMs({ headers }: Answer): number {
  const asked = headers.get('retry-after') ?? '';
  if (/^\d+$/.test(asked)) return Number(asked) * 1_000;
  const ms = Date.parse(asked) - Date.parse(headers.get('date') ?? '');
  return Number.isNaN(ms) ? 0 : Math.max(0, ms);
}

/** How many of a part's rows an answer says were accepted and rejected; undefined where it says nothing of them. */
function countsOf({ status, json }: Answer, rows: number) {
  const isRefused = ['events_invalid', 'system_forbidden'].includes(String(json.code));
  if ((status === 400 || status === 403) && isRefused) return { accepted: 0, rejected: rows };
  const { accepted, rejected } = json;
  const isSound = isCount(accepted) && isCount(rejected) && accepted + rejected === rows;
  return status >= 200 && status < 300 && isSound ? { accepted, rejected } : undefined;
}

/** What an answer counts by the name of a field, where it does. */
function fieldCountsOf(value: unknown): FieldCounts {
  if (typeof value !== 'object' || value === null) return {};
  return Object.fromEntries(Object.entries(value).filter(([, count]) => isCount(count)));
}

/** Notes what an answer says of the rows of a part. @returns whether it says that they are dealt with */
function settle(outcome: Outcome, { rows }: Part, answer: Answer): boolean {
  const counts = countsOf(answer, rows.length);
  if (!counts) return false;
  const { defaulted, ignored } = answer.json;
  Object.assign(outcome, counts, { defaulted: fieldCountsOf(defaulted), ignored: fieldCountsOf(ignored) });
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
    const reason = describe(answer);
    const leftMs = since + retrySeconds * 1_000 - clock.now();
    const growing = Math.min(pauseMsMax, firstPauseMs * 2 ** (tries - 1)) * (0.5 + random() / 2);
    const waitMs = Math.max(retryAfterMs(answer), Math.min(growing, leftMs));
    if (leftMs <= 0 || waitMs > leftMs) {
      throw serviceFailure(`the service at ${base} does not take events: ${reason}`);
    }
    tell(reason);
    await sleep(waitMs, signal);
  }

  async function sendUntilSettled(outcome: Outcome, part: Part): Promise<void> {
    const headers = { 'content-type': 'application/x-ndjson', 'idempotency-key': `"${part.key}"` };
    const body = Buffer.concat(part.rows.map(({ bytes }) => bytes));
    const message = { method: 'POST', headers, body };
    let since = 0;
    for (let tries = 1; ; tries++) {
      const answer = await service.request(path, requestTimeoutMs, message);
      // Of a later try it means that an earlier one has reached the service.
      outcome.isKnown = tries === 1 && answer.headers.get('idempotency-replayed') === 'true';
      if (settle(outcome, part, answer)) break;
      if (!isPassing(answer)) throw serviceFailure(`the service at ${base} answered ${describe(answer)}`);
      if (tries === 1) since = clock.now();
      await wait(tries, since, answer);
    }
    tell(undefined);
  }

  return {
    /** Sends a part. Never throws: what failed is in the outcome. */
    async send(part: Part): Promise<Outcome> {
      const outcome = emptyOutcome();
      if (part.rows.length === 0) return outcome;
      await sendUntilSettled(outcome, part).catch((error: Error) => {
        outcome.failure = error;
      });
      return outcome;
    },
  };
}

export type Sender = ReturnType<typeof createSender>;
