/**
 * Expired is not empty: over two months of a clock that jumps, with events that come late, an answer that says
 * `complete` has lost nothing, and what must still be kept is always complete.
 */
import { Redis } from 'ioredis';
import t from 'tap';
import { startApp } from '../support/app.js';
import { spanOf } from '../support/history.js';
import { compliance, get, postRows } from '../support/http.js';
import { seededRandom } from '../support/random.js';
import { letPass } from '../support/time-travel.js';
import { type StreamEvent, truthOf } from '../support/truth.js';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** Milliseconds that each grain is kept: all as short as settings allow, so that two months see all of it. */
const kept = { minute: 30 * MINUTE, hour: 6 * HOUR, day: 2 * DAY, week: 10 * DAY, month: 31 * DAY };
const grains = {
  distinct: { '1m': 'minute', '15m': 'minute', '1h': 'hour', '1d': 'day', '1w': 'week', '1M': 'month' },
  top: { '1h': 'hour', '1d': 'hour' },
  percentiles: { '1h': 'hour', '1d': 'hour' },
  activity: { '1d': 'day', '1w': 'day', '1M': 'day' },
} as const;
type Kind = keyof typeof grains;

let now = Date.UTC(2026, 0, 5, 10);
const { base, redis, stop } = await startApp({
  clock: { now: () => now },
  config: {
    RETENTION_MINUTE_SECONDS: kept.minute / 1_000,
    RETENTION_HOUR_SECONDS: kept.hour / 1_000,
    RETENTION_DAY_SECONDS: kept.day / 1_000,
    RETENTION_WEEK_SECONDS: kept.week / 1_000,
    RETENTION_MONTH_SECONDS: kept.month / 1_000,
  },
});
const connection = new Redis(redis.url, { protocol: 2 });
t.teardown(async () => {
  connection.disconnect();
  await stop();
});

const random = seededRandom(2_026);
const below = (limit: number) => Math.floor(random() * limit);
const events: StreamEvent[] = [];

/** Some events, most of them of just now, some late by up to twelve days. */
async function store(): Promise<void> {
  const rows = Array.from({ length: 1 + below(6) }, (): StreamEvent => {
    const late = random() < 0.6 ? below(5 * MINUTE) : Math.floor(12 * DAY * random() ** 4);
    return {
      event_type: 'api_access',
      system: 'crm',
      user_id: `u${below(25)}`,
      timestamp: new Date(now - late).toISOString(),
      metadata: { latency_ms: below(100) },
    };
  });
  const { status, text } = await postRows(base, rows);
  if (status !== 201) throw new Error(text);
  events.push(...rows);
}

interface Answer {
  coverage: 'complete' | 'partial' | 'expired';
  count: number | null;
  lower_bound?: true;
  accessed: boolean | null;
  confidence: number | null;
  items: { item: string; count: number; guaranteed: boolean }[];
}

/** @returns the answer, whether all is in it, and whether it says no more than there is */
async function ask(kind: Kind, window: string, at: number) {
  const span = spanOf(window, at);
  const truth = truthOf(events);
  const parameters = { system: 'crm', window, timestamp: new Date(at).toISOString() };
  const user = `u${below(25)}`;
  const paths = { distinct: 'users', top: 'active_users', percentiles: 'latency_ms', activity: 'check' };
  const path = compliance(`${kind}/${paths[kind]}`, {
    ...parameters,
    ...(kind === 'activity' && { user_id: user }),
    ...(kind === 'top' && { k: 1_000 }),
  });
  const { status, body, text } = await get<Answer>(base, path);
  if (status !== 200) throw new Error(text);
  const users = truth.distinct('users', 'crm', span);
  const counts = body.items?.map(({ item, count }) => [item, count]);
  const isWhole = {
    distinct: () => body.count === users.size,
    top: () => JSON.stringify(counts) === JSON.stringify(truth.top('active_users', 'crm', span)),
    percentiles: () => body.count === truth.samples('latency_ms', 'crm', span).length,
    activity: () => body.accessed === users.has(user),
  }[kind]();
  const most = {
    distinct: users.size,
    percentiles: truth.samples('latency_ms', 'crm', span).length,
    top: Infinity,
    activity: Infinity,
  }[kind];
  return { answer: body, isWhole, isLowerBound: (body.count ?? 0) <= most };
}

t.test('what says complete has lost nothing, and what must be kept is complete', async (t) => {
  const seen: Record<string, number> = {};
  for (let step = 0; step < 150; step++) {
    await store();
    for (const kind of Object.keys(grains) as Kind[]) {
      for (const [window, grain] of Object.entries(grains[kind])) {
        const at = now - Math.floor(40 * DAY * random() ** 5);
        const { answer, isWhole, isLowerBound } = await ask(kind, window, at);
        const where = `${kind} ${window} at ${new Date(at).toISOString()}, now ${new Date(now).toISOString()}`;
        seen[answer.coverage] = (seen[answer.coverage] ?? 0) + 1;
        if (answer.coverage === 'complete' && !isWhole) t.fail(`${where}: complete, but not all is there`);
        const mustBeKept = spanOf(window, at).from >= now - kept[grain as keyof typeof kept];
        if (mustBeKept && answer.coverage !== 'complete') t.fail(`${where}: ${answer.coverage}`);
        if (answer.coverage === 'expired') {
          if (kind === 'top') t.strictSame(answer.items, [], where);
          else
            t.match(
              answer,
              kind === 'activity' ? { accessed: null, confidence: null } : { count: null },
              where,
            );
        }
        if (answer.coverage !== 'partial') continue;
        t.ok(isLowerBound, where);
        if (kind !== 'activity') t.equal(answer.lower_bound, true, where);
        if (answer.accessed === false) t.equal(answer.confidence, null, where);
        t.notOk(
          answer.items?.some(({ guaranteed }) => guaranteed),
          where,
        );
      }
    }
    const ms = Math.floor(2 * DAY * random() ** 4) + 1_000;
    now += ms;
    await letPass(connection, ms);
  }
  t.comment(JSON.stringify(seen));
  for (const coverage of ['complete', 'partial', 'expired']) t.ok((seen[coverage] ?? 0) > 20, coverage);
});
