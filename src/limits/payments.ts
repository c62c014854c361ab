/**
 * Payments: what processes tell the buckets in Redis, and what these answer. All payments of one turn of the event
 * loop share a round trip. The connection is one of its own, with a short time limit: a limiter must not wait where a
 * question or a write would, nor take their connection down with it.
 *
 * Redis down, slow or refusing: the payment comes to nothing, and whoever made it decides by himself.
 */

import type { Metrics } from '../metrics.js';
import type { Store } from '../redis/pipeline.js';
import { type Call, callScript, type Outcome, runPipeline } from '../redis/pipeline.js';
import { scripts } from '../redis/scripts.js';
import type { Limit } from './policies.js';

export interface Payment {
  key: string;
  limit: Limit;
  /** Tokens that were spent already. */
  spent: number;
  /** Tokens wanted besides, all or none. */
  wanted: number;
}

export interface Receipt {
  given: boolean;
  /** What the bucket holds now; below zero where it is owed some. */
  tokens: number;
}

interface PaymentsDependencies {
  redis: Store;
  timeoutMs: number;
  metrics: Metrics;
  /** Told why payments came to nothing, once a round trip. */
  onFailure: (error: Error) => void;
}

function toCall({ key, limit, spent, wanted }: Payment): Call {
  return callScript(scripts['take-tokens-1'], [key], [limit.perSecond, limit.burst, spent, wanted]);
}

function toReceipt(outcome: Outcome): Receipt | undefined {
  if (outcome.error) return undefined;
  const [given, tokens] = outcome.reply as [number, string];
  return { given: given === 1, tokens: Number(tokens) };
}

export function createPayments({ redis, timeoutMs, metrics, onFailure }: PaymentsDependencies) {
  let waiting: { payment: Payment; resolve: (receipt: Receipt | undefined) => void }[] = [];

  async function send(): Promise<void> {
    const sent = waiting;
    waiting = [];
    const calls = sent.map(({ payment }) => toCall(payment));
    const outcomes = await runPipeline(redis, calls, timeoutMs).catch((error: Error): Outcome[] =>
      calls.map(() => ({ error })),
    );
    const failure = outcomes.find(({ error }) => error)?.error;
    if (failure) onFailure(failure);
    sent.forEach(({ resolve }, i) => {
      const receipt = toReceipt(outcomes[i]);
      metrics.limitLeases.inc({ outcome: receipt ? 'renewed' : 'failed' });
      resolve(receipt);
    });
  }

  /** Pays. @returns what the bucket said; undefined where nothing is known of it */
  return (payment: Payment): Promise<Receipt | undefined> =>
    new Promise((resolve) => {
      if (waiting.push({ payment, resolve }) === 1) setImmediate(() => void send());
    });
}
