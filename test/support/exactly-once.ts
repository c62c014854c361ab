/** Requests with idempotency keys, and what must be counted of them, told exactly. */
import type { Test } from 'tap';
import { scripts } from '../../src/redis/scripts.js';
import { compliance, event, get, json, ndjson, post } from './http.js';
import { until } from './until.js';

/** Of the scripts that make the steps of such a request. */
export const stepShas = {
  claim: scripts['claim-request-1'].sha,
  note: scripts['note-chunk-1'].sha,
  apply: scripts['apply-delta-n'].sha,
  finish: scripts['finish-request-1'].sha,
};

export interface Row {
  system: string;
  user_id: string;
  event_id?: string;
}
export interface Body {
  rows: Row[];
  headers: Record<string, string>;
  text: string;
}

let names = 0;

/** A request of some rows, in NDJSON of several chunks or as JSON, with a key of its own. */
export function bodyOf(rows: Row[], isStream: boolean): Body {
  const events = rows.map((row, i) => event({ ...row, metadata: { latency_ms: i } }));
  const text = isStream ? events.map((one) => `${JSON.stringify(one)}\n`).join('') : JSON.stringify(events);
  return { rows, text, headers: { ...(isStream ? ndjson : json), 'idempotency-key': `key-${names++}` } };
}

/** Rows of systems nobody else has: so many that they leave in several script calls. */
export function wideRows(count: number): Row[] {
  const prefix = `wide-${names++}`;
  return Array.from({ length: count }, (_, i) => ({ system: `${prefix}-${i % 30}`, user_id: `u${i % 5}` }));
}

/** Sends a request until it is stored. @returns the last answer */
export async function sendUntilStored(bases: readonly string[], { text, headers }: Body) {
  let sent = 0;
  let answer: Awaited<ReturnType<typeof post>> | undefined;
  await until(async () => {
    answer = await post(bases[sent++ % bases.length], text, headers).catch(() => undefined);
    if (answer && ![201, 409, 503].includes(answer.status))
      throw new Error(`${answer.status} ${answer.text}`);
    return answer?.status === 201;
  }, 'an answer');
  return answer;
}

type Counts = Record<string, number>;

/** What each system should hold: events, samples and how often each user came. */
function expected(rows: readonly Row[]): Map<string, Counts> {
  const systems = new Map<string, Counts>();
  for (const { system, user_id } of rows) {
    const counts = systems.get(system) ?? { events: 0, samples: 0 };
    counts.events++;
    counts.samples++;
    counts[user_id] = (counts[user_id] ?? 0) + 1;
    systems.set(system, counts);
  }
  return systems;
}

async function stored(base: string, system: string): Promise<Counts> {
  const list = (metric: string) => compliance(`top/${metric}`, { system, k: 1_000, window: '1d' });
  type Items = { items: { item: string; count: number }[] };
  const types = await get<Items>(base, list('event_types'));
  const users = await get<Items>(base, list('active_users'));
  const stats = await get<{ count: number }>(base, compliance('stats/latency_ms', { system, window: '1d' }));
  const events = types.body.items.reduce((sum, { count }) => sum + count, 0);
  const byUser = users.body.items.map(({ item, count }) => [item, count] as const);
  return { events, samples: stats.body.count, ...Object.fromEntries(byUser) };
}

/** Asserts that a service counts all these rows, each once, and nothing else in their systems. */
export async function isCountedOnce(t: Pick<Test, 'strictSame'>, base: string, rows: readonly Row[]) {
  const found = new Map<string, Counts>();
  for (const system of expected(rows).keys()) found.set(system, await stored(base, system));
  t.strictSame(found, expected(rows));
}
