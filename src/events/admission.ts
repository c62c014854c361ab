/**
 * Admission: how much may be held at once, so that who is taken in is served soon and the others hear so at once
 * instead of waiting. What is held: requests whose events wait for Redis or are on their way to it.
 *
 *   always      up to `REQUESTS_ALWAYS`: so few share a pipeline or two, and holding fewer would only make groups smaller
 *   queue       beyond that, as many as were lately answered in `queueMsMax`: by Little's law (held = rate x wait) a
 *               newcomer then waits no longer than that
 *   requests    never more than `requestsMax`
 *   bytes       nor more bytes of bodies than `pendingBytesMax`, though one body alone is always taken
 *   flood       where more was refused than answered, lately, no more bytes than `floodBytesMax`, with the same exception:
 *               refusals and what is held share one event loop, and the more is held the longer all of them wait for
 *               it. In a calm the same senders may bring more, since they wait for their answers before they send again
 *
 * The rate is only known of a time in which much was held: a service that is asked for little answers little, whatever
 * it could. So it is taken in windows of `WINDOW_MS` in which `REQUESTS_ALWAYS` was reached, over the part of the window in
 * which anything was held, and forgotten after a window without. A burst that meets an idle service is taken in up to
 * `requestsMax` and, beyond those always taken, `BURST_BYTES`, some 50 ms of work; what keeps coming faster than it is
 * answered meets the bound one window later. A window in which nothing is answered goes on until something is; after
 * `STALL_MS` the rate is taken to be 0.
 *
 * A window with more refusals than answers is a flood, and for `FLOOD_MS` after it what comes is taken for more of it. Who
 * holds less answers less, so what could be served by now might go on as a flood for ever. So there are trials: one window
 * in which as much is held as in a calm, and the flood begins anew only if that has more refusals than answers too. A trial
 * lets some requests wait long, and is made `TRIAL_MS` after the beginning where it is likely to end the flood, since no
 * more than `TRIAL_TIMES_MAX` times what is answered is refused; else after `TRIAL_AT_LAST_MS`.
 *
 * Source: J. Little, A Proof for the Queuing Formula L = lambda W, 1961.
 */
import type { Clock } from '../clock.js';
import type { ShedReason } from '../metrics.js';

export const REQUESTS_ALWAYS = 64;
const BURST_BYTES = 2 * 1024 ** 2;
const WINDOW_MS = 100;
const STALL_MS = 1_000;
const FLOOD_MS = 1_000;
const TRIAL_MS = 5_000;
/** In a calm up to four times as much is answered, and then no more is refused. */
const TRIAL_TIMES_MAX = 7;
const TRIAL_AT_LAST_MS = 300_000;

interface AdmissionOptions {
  requestsMax: number;
  /** How long a request may have to wait behind others. */
  queueMsMax: number;
  pendingBytesMax: number;
  floodBytesMax: number;
  /** Monotonic. */
  clock: Clock;
}

export function createAdmission(options: AdmissionOptions) {
  const { requestsMax, queueMsMax, pendingBytesMax, floodBytesMax, clock } = options;
  const requestsAlways = Math.min(REQUESTS_ALWAYS, requestsMax);
  let held = 0;
  let pendingBytes = 0;
  let limit = requestsMax;
  /** Requests answered a millisecond; undefined where nothing is known. */
  let rate: number | undefined;
  let floodUntil = Number.NEGATIVE_INFINITY;
  let floodFrom = floodUntil;
  /** Of the window: */
  let windowFrom = clock.now();
  let busyFrom = windowFrom;
  let busyMs = 0;
  let answered = 0;
  let refused = 0;
  let heldMost = 0;

  /** Ends the window where its time is over, and learns from it. */
  function look(now: number): void {
    if (now - windowFrom < (answered === 0 && held > 0 ? STALL_MS : WINDOW_MS)) return;
    if (held > 0) busyMs += now - busyFrom;
    if (heldMost < requestsAlways) rate = undefined;
    else {
      const seen = answered / Math.max(busyMs, 1);
      rate = rate === undefined ? seen : (rate + seen) / 2;
    }
    const inTime = rate === undefined ? requestsMax : Math.floor(rate * queueMsMax);
    limit = Math.min(requestsMax, Math.max(requestsAlways, inTime));
    if (refused > answered) {
      if (windowFrom >= floodUntil) floodFrom = now;
      const trialMs = refused > answered * TRIAL_TIMES_MAX ? TRIAL_AT_LAST_MS : TRIAL_MS;
      floodUntil = Math.min(now + FLOOD_MS, floodFrom + trialMs);
    }
    windowFrom = now;
    busyFrom = now;
    busyMs = 0;
    answered = 0;
    refused = 0;
    heldMost = held;
  }

  function refusalNow(bytes: number): ShedReason | undefined {
    if (held === 0) return undefined;
    if (windowFrom < floodUntil && pendingBytes + bytes > floodBytesMax) return 'flood';
    if (pendingBytes + bytes > pendingBytesMax) return 'bytes';
    if (held < requestsAlways) return undefined;
    if (rate === undefined && pendingBytes + bytes > BURST_BYTES) return 'queue';
    if (held < limit) return undefined;
    return limit < requestsMax ? 'queue' : 'requests';
  }

  return {
    /** Requests held now, and how many may be. */
    get held(): number {
      return held;
    },
    get limit(): number {
      return limit;
    },
    get pendingBytes(): number {
      return pendingBytes;
    },

    /** Why a request of so many bytes is not taken in now; undefined where it may enter. */
    refusal(bytes: number): ShedReason | undefined {
      const reason = refusalNow(bytes);
      if (!reason) return undefined;
      refused++;
      look(clock.now()); // who is taken in has the clock read as it enters
      return reason;
    },

    enter(bytes: number): void {
      const now = clock.now();
      look(now);
      if (held === 0) busyFrom = now;
      held++;
      pendingBytes += bytes;
      if (held > heldMost) heldMost = held;
    },

    /** Takes note that some requests have their answer. */
    leave(requests: number, bytes: number): void {
      const now = clock.now();
      held -= requests;
      pendingBytes -= bytes;
      answered += requests;
      if (held === 0) busyMs += now - busyFrom;
      look(now);
    },
  };
}

export type Admission = ReturnType<typeof createAdmission>;
