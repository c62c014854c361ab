/**
 * The realistic stream: events as a mid-sized company's systems send them, made from a seed, so that two runs
 * and two services meet the same bytes.
 *
 * 10,000 users of very unequal activity (Zipf, exponent 1), 20 systems, each user at home in two of them; a
 * user has one session and one address at a time, calls one of 200 endpoints, and waits a log-normal time.
 */
import { seededRandom } from '../test/support/random.js';

export const streamUsers = 10_000;
export const streamSystems = 20;
const ENDPOINTS = 200;

export interface StreamOptions {
  seed: number;
  /** Time of the first event, milliseconds. */
  start: number;
  /** Milliseconds from one event to the next. */
  stepMs: number;
}

/** Picks 0 to count-1 with a chance of 1 / (rank + 1). */
function zipf(count: number, random: () => number): () => number {
  const cumulative = new Float64Array(count);
  let sum = 0;
  for (let i = 0; i < count; i++) {
    sum += 1 / (i + 1);
    cumulative[i] = sum;
  }
  return () => {
    const target = random() * sum;
    let low = 0;
    for (let high = count - 1; low < high; ) {
      const middle = (low + high) >> 1;
      if (cumulative[middle] < target) low = middle + 1;
      else high = middle;
    }
    return low;
  };
}

const TYPES = [
  'api_access',
  'api_access',
  'api_access',
  'database_access',
  'file_access',
  'user_login',
  'admin_action',
];

/** An endless stream of events. */
export function* realisticEvents({ seed, start, stepMs }: StreamOptions): Generator<object> {
  const random = seededRandom(seed);
  const pickUser = zipf(streamUsers, random);
  const pickEndpoint = zipf(ENDPOINTS, random);
  for (let at = start; ; at += stepMs) {
    const user = pickUser();
    const home = (user * 7 + (random() < 0.7 ? 0 : 11)) % streamSystems;
    const failed = random() < 0.03;
    const latency = Math.exp(3 + (random() + random() + random() - 1.5) * 1.6);
    yield {
      event_type: TYPES[Math.floor(random() * TYPES.length)],
      user_id: `user-${String(user).padStart(5, '0')}@example.org`,
      session_id: `s-${(user * 2_654_435_761) % 4_294_967_296}`,
      system: `system-${String(home).padStart(2, '0')}`,
      timestamp: new Date(at).toISOString(),
      metadata: {
        ip: `10.${(user >> 8) & 255}.${user & 255}.${user % 7}`,
        endpoint: `/api/v2/resources/${pickEndpoint()}`,
        status: failed ? 'failure' : 'success',
        status_code: failed ? 403 : 200,
        latency_ms: Math.round(latency * 100) / 100,
        bytes: Math.floor(random() * 20_000),
      },
    };
  }
}

/** Bodies of a batch each, one event being sent as an object of its own. */
export function makeBodies(batch: number, count: number, options: StreamOptions): string[] {
  const events = realisticEvents(options);
  const next = () => events.next().value as object;
  return Array.from({ length: count }, () =>
    JSON.stringify(batch === 1 ? next() : { events: Array.from({ length: batch }, next) }),
  );
}
