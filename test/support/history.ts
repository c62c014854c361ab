/**
 * A small history with a known truth: three systems over forty days, dense in the last two hours, and the
 * spans that questions about it mean, by plain Date arithmetic, so that the product's own is not its judge.
 */
import { seededRandom } from './random.js';
import type { Span, StreamEvent } from './truth.js';

const MINUTE = 60_000;
const DAY = 86_400_000;

/** A Saturday, 13:37:20 UTC, the last of a month. */
export const historyEnd = Date.UTC(2026, 0, 31, 13, 37, 20);

/** Instants worth asking about: now, in the two hours of minutes, before it, and further and further back. */
export const instants = [
  historyEnd,
  historyEnd - 7 * MINUTE,
  historyEnd - 95 * MINUTE,
  historyEnd - 5 * 60 * MINUTE,
  historyEnd - DAY,
  historyEnd - 6 * DAY,
  historyEnd - 31 * DAY,
];

/** The aligned span of a window that holds an instant. */
export function spanOf(window: string, at: number): Span {
  const date = new Date(at);
  const [year, month, day] = [date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate()];
  const aligned = (minutes: number) => {
    const from = at - (at % (minutes * MINUTE));
    return { from, to: from + minutes * MINUTE };
  };
  const midnight = Date.UTC(year, month, day);
  const monday = midnight - ((date.getUTCDay() + 6) % 7) * DAY;
  const spans: Record<string, Span> = {
    '1m': aligned(1),
    '5m': aligned(5),
    '15m': aligned(15),
    '1h': aligned(60),
    '1d': { from: midnight, to: midnight + DAY },
    '1w': { from: monday, to: monday + 7 * DAY },
    '1M': { from: Date.UTC(year, month), to: Date.UTC(year, month + 1) },
  };
  const span = spans[window];
  if (!span) throw new Error(`no window ${window}`);
  return span;
}

const types = ['user_login', 'user_login', 'api_access', 'file_access', 'error_event'];

/** Events in no order of time, none after `historyEnd`. */
export function makeHistory(count: number, seed: number): StreamEvent[] {
  const random = seededRandom(seed);
  const below = (limit: number) => Math.floor(random() * limit);
  return Array.from({ length: count }, () => {
    const user = Math.floor(400 * random() ** 2);
    const at = historyEnd - Math.floor(40 * DAY * random() ** 8);
    return {
      event_type: types[below(types.length)],
      system: ['crm', 'a:b {c}', 'мир'][below(3)],
      ...(random() < 0.95 && { user_id: `user-${user}`, session_id: `s-${user}-${below(3)}` }),
      timestamp: new Date(at).toISOString(),
      metadata: {
        ip: `10.0.${user % 50}.${below(4)}`,
        endpoint: `/v1/${below(30)}`,
        status: random() < 0.2 ? 'failure' : 'success',
        ...(random() < 0.8 && { latency_ms: Math.round(1_000 * Math.exp(2 + 2 * random())) / 1_000 }),
        rows: below(50),
      },
    };
  });
}
