/**
 * Streams of events, made from a seed, so that two runs and two services meet the same bytes.
 *
 * The realistic one is what a mid-sized company's systems send: 10,000 users of very unequal activity (Zipf,
 * exponent 1), 20 systems, each user at home in two of them; a user has one session and one address at a time,
 * calls one of 200 endpoints, and waits a log-normal time. `one-hot` is the same, all of it about one system. `unique` is
 * the worst case: no user, session, address or endpoint comes twice, so that nothing merges and nothing is known.
 */
import { seededRandom } from '../../test/support/random.js';

export const streamUsers = 10_000;
export const streamSystems = 20;
const ENDPOINTS = 200;

export interface StreamOptions {
  seed: number;
  /** Time of the first event, milliseconds. */
  start: number;
  /** Milliseconds from one event to the next. */
  stepMs: number;
  /** Events happen when they are sent: a mark stands for their time. */
  isLive?: boolean;
}

/** Stands for what is new in each request, and for the time at which it is sent. */
export const freshMark = '~~~~~~';
export const timeMark = '~~~~-~~-~~T~~:~~:~~.~~~Z';

/** The name of a system of the streams. */
export const systemName = (i: number): string => `system-${String(i % streamSystems).padStart(2, '0')}`;

/** Picks 0 to count-1 with a chance of 1 / (rank + 1). */
export function zipf(count: number, random: () => number): () => number {
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

interface StreamEvent {
  event_type: string;
  user_id: string;
  session_id: string;
  system: string;
  timestamp: string;
  metadata: { ip: string; endpoint: string; [name: string]: string | number };
}

/** An endless stream of events. */
export function* realisticEvents({ seed, start, stepMs, isLive }: StreamOptions): Generator<StreamEvent> {
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
      system: systemName(home),
      timestamp: isLive ? timeMark : new Date(at).toISOString(),
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

function* oneHotEvents(options: StreamOptions): Generator<StreamEvent> {
  for (const event of realisticEvents(options)) yield { ...event, system: systemName(0) };
}

function* uniqueEvents(options: StreamOptions): Generator<StreamEvent> {
  let count = 0;
  for (const event of realisticEvents(options)) {
    const id = `${freshMark}${(count++).toString(36).padStart(4, '0')}`;
    const metadata = { ...event.metadata, ip: `2001:db8::${id}`, endpoint: `/api/v2/resources/${id}` };
    yield { ...event, user_id: `user-${id}@example.org`, session_id: `s-${id}`, metadata };
  }
}

/** Every stream by its name; none of them ends. */
export const streams = { realistic: realisticEvents, unique: uniqueEvents, 'one-hot': oneHotEvents } as const;

export type StreamKind = keyof typeof streams;

export const isStreamKind = (name: string): name is StreamKind => Object.hasOwn(streams, name);
