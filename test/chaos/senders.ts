/**
 * Senders that do as told: a batch goes out under an idempotency key, and again under the same key until it is
 * acknowledged. What they count is what the service must have counted at the end.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';

/** An answer later than this is a hang: a request may make three round trips of 5 s each. */
const HANG_MS = 20_000;
const RETRY_MS = 150;
const BODIES = 100;

export interface Sent {
  acknowledged: number;
  batches: number;
  /** Tries by what became of them: a status, or what the connection did. */
  tries: Map<string, number>;
  slowestMs: number;
  hangs: number;
}

interface SendersOptions {
  base: () => string;
  count: number;
  eventsPerBatch: number;
  systems: number;
  random: () => number;
  /** Told of every batch that is acknowledged: how long its last try took. */
  note?: (ms: number) => void;
}

export function startSenders(options: SendersOptions) {
  const { base, count, eventsPerBatch, systems, random, note } = options;
  const sent: Sent = { acknowledged: 0, batches: 0, tries: new Map(), slowestMs: 0, hangs: 0 };
  let isEnding = false;
  let isGivenUp = false;

  function batch(): string {
    const events = Array.from({ length: eventsPerBatch }, () => {
      const user = Math.floor(random() * 5_000);
      const own = { ip: `10.0.${user >> 8}.${user & 255}`, endpoint: `/v1/${user % 50}`, latency_ms: user };
      const system = `chaos-${Math.floor(random() * systems)}`;
      const event = { event_type: 'api_access', system, user_id: `user-${user}`, metadata: own };
      return random() < 0.5 ? event : { ...event, timestamp: Date.now() - Math.floor(random() * 3_600_000) };
    });
    return JSON.stringify(events);
  }

  /** Sent again and again, each time under a new key: to make new ones would take longer than to store them. */
  const bodies = Array.from({ length: BODIES }, batch);

  async function tryOnce(body: string, key: string): Promise<string> {
    const began = performance.now();
    try {
      const answer = await fetch(`${base()}/api/v1/events/batch`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'idempotency-key': `"${key}"` },
        body,
        signal: AbortSignal.timeout(HANG_MS),
      });
      const { accepted, code } = (await answer.json()) as { accepted?: number; code?: string };
      if (answer.status === 201 && accepted !== eventsPerBatch) return `accepted ${accepted}`;
      return answer.status === 201 ? '201' : `${answer.status} ${code}`;
    } catch (error) {
      if ((error as Error).name !== 'TimeoutError') return 'connection lost';
      sent.hangs++;
      return 'hang';
    } finally {
      sent.slowestMs = Math.max(sent.slowestMs, performance.now() - began);
    }
  }

  async function work(): Promise<void> {
    while (!isEnding) {
      const body = bodies[Math.floor(random() * bodies.length)];
      const key = randomUUID();
      for (let outcome = ''; outcome !== '201'; ) {
        if (isGivenUp) return;
        const began = performance.now();
        outcome = await tryOnce(body, key);
        if (outcome === '201') note?.(performance.now() - began);
        sent.tries.set(outcome, (sent.tries.get(outcome) ?? 0) + 1);
        if (outcome !== '201') await pause(RETRY_MS);
      }
      sent.acknowledged += eventsPerBatch;
      sent.batches++;
    }
  }

  const workers = Array.from({ length: count }, work);
  return {
    sent,
    /** No new batch; resolves when those under way are acknowledged. */
    async end(): Promise<void> {
      isEnding = true;
      await Promise.all(workers);
    },
    /** No new try either, for a service that is to go away. Harmless after the end. */
    giveUp(): void {
      isEnding = true;
      isGivenUp = true;
    },
  };
}
