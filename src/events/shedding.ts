/**
 * Shedding: what is too much is refused before its body is read, with 503 and `Retry-After`, so that a refusal costs
 * next to nothing and what is taken in is served as fast as ever. Only new events are shed: questions, health and
 * metrics go on.
 *
 * Reasons: too much is held for Redis (admission.ts), the event loop turns too slowly, or the heap is nearly full
 * (pressure.ts).
 *
 * The body of a refused request is taken from the connection and dropped (plugins/unread-bodies.ts), so that senders
 * which write all of it before they read get to see the answer and the connection stays of use; one that is endless or
 * very long is cut off after a while, as everywhere (body.ts). The log tells of shedding once in `LOG_MS`, the metric of
 * every request.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Clock } from '../clock.js';
import { Problem } from '../errors.js';
import { type Metrics, type ShedReason, shedReasons } from '../metrics.js';
import type { Admission } from './admission.js';
import { discardedBytesMax, discardRest } from './body.js';
import { watchPressure } from './pressure.js';

const LOG_MS = 10_000;

const details: Record<ShedReason, string> = {
  bytes: 'too much is waiting for Redis; nothing was stored',
  requests: 'too many requests are waiting; nothing was stored',
  queue: 'the wait would be too long; nothing was stored',
  flood: 'more comes than can be answered; nothing was stored',
  event_loop: 'the service is too busy; nothing was stored',
  heap: 'the service has too little memory left; nothing was stored',
};

/** Kept: making an error is the dearest part of a refusal that is ours. */
const refusals = Object.fromEntries(
  shedReasons.map((reason) => [reason, new Problem('overloaded', details[reason])]),
) as Record<ShedReason, Problem>;

/** The problem of a request that is shed after it was read, and its count. */
export function overloaded(reason: ShedReason, metrics: Metrics): Problem {
  metrics.ingestShed.inc({ reason });
  return new Problem('overloaded', details[reason]);
}

export interface SheddingOptions {
  admission: Admission;
  /** Mean delay of the event loop. */
  eventLoopDelayMsMax: number;
  /** Of V8's limit. */
  heapUsedPercentMax: number;
  bodyBytesMax: number;
  clock: Clock;
  metrics: Metrics;
}

/** Sheds the requests of a plugin's routes that bring a body. */
export function addShedding(app: FastifyInstance, options: SheddingOptions): void {
  const { admission, bodyBytesMax, clock, metrics } = options;
  const pressure = watchPressure(options);
  app.addHook('onClose', async () => pressure.stop());
  let toldAt = Number.NEGATIVE_INFINITY;

  function shed(request: FastifyRequest, reply: FastifyReply, reason: ShedReason): Problem {
    const now = clock.now();
    if (now - toldAt >= LOG_MS) {
      toldAt = now;
      request.log.warn({ reason, held: admission.held, limit: admission.limit }, 'new events are refused');
    }
    const bytes = Number(request.headers['content-length'] ?? Number.POSITIVE_INFINITY);
    if (bytes > discardedBytesMax) discardRest(request.raw, request, reply);
    metrics.ingestShed.inc({ reason });
    return refusals[reason];
  }

  app.addHook('onRequest', (request, reply, done) => {
    if (request.method !== 'POST') return done();
    const bytes = Number(request.headers['content-length'] ?? 0);
    const reason = pressure.reason ?? admission.refusal(bytes < bodyBytesMax ? bytes : bodyBytesMax);
    done(reason && shed(request, reply, reason));
  });
}
