/** What an event costs in Redis, without Redis: the calls of a delta, unpacked. */
import { Decoder } from '@msgpack/msgpack';
import t from 'tap';
import { createPlanner } from '../../../src/events/hour-plan.js';
import { createRepeatFilter } from '../../../src/events/repeat-filter.js';
import { type SystemCalls, systemCalls } from '../../../src/events/script-calls.js';
import type { Call } from '../../../src/redis/pipeline.js';
import { bloomKeyBytes } from '../../../src/sketches/bloom.js';
import { decodeDigest } from '../../../src/sketches/t-digest.js';
import { HOUR_MS, MINUTE_MS } from '../../../src/windows/civil.js';
import { namesFrom } from '../../support/apply-delta.js';
import { deltaOf, now, type Row, retention } from '../../support/write-path.js';

const decoder = new Decoder({ rawStrings: true });
const sections = ['distinct', 'membership', 'tops', 'digests', 'counters', 'written'] as const;
type Unpacked = Record<(typeof sections)[number], unknown[][]>;

/** Bytes stay bytes where they are no text. */
const readable = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(readable);
  if (!(value instanceof Uint8Array)) return value;
  const text = Buffer.from(value).toString();
  return Buffer.from(text).equals(value) && !text.startsWith('PT') ? text : Buffer.from(value);
};
const unpack = ({ args }: Call): Unpacked => {
  const lists = readable(decoder.decode(args.at(-1) as Buffer)) as unknown[][][];
  return Object.fromEntries(sections.map((section, i) => [section, lists[i]])) as Unpacked;
};

function createCalls(filterValuesMax = 100_000) {
  const planner = createPlanner(retention);
  const filter = createRepeatFilter(filterValuesMax);
  filter.setEpoch('s', 'e1');
  planner.at(now);
  return {
    /** The calls of some rows of one system. */
    of(rows: readonly Row[]): SystemCalls {
      const [system] = deltaOf(rows).systems.values();
      const known = (slot: string) => filter.known('s', slot);
      return systemCalls(system, { planner, known, epoch: 'e1', freshEpoch: 'e2' });
    },
    acknowledge({ written }: SystemCalls): void {
      for (const one of written) filter.remember('s', one);
    },
  };
}

const login: Row = {
  event_type: 'user_login',
  user_id: 'ada',
  session_id: 's-1',
  metadata: { ip: '10.0.0.1', endpoint: '/login', status: 'failed', latency_ms: 12.5, port: 443 },
};
const suffixes = (destinations: unknown) => (destinations as unknown[]).filter((_, i) => i % 2 === 0);

t.test('an event is one call to its system alone, which tells epochs, now and lifetime', async (t) => {
  const { calls, bytes } = createCalls().of([login]);
  t.equal(calls.length, 1);
  const [{ name, args }] = calls;
  t.equal(name, 'EVALSHA');
  t.strictSame(args.slice(1, 7), [1, 'pt:{s}', 'e1', 'e2', Math.floor(now / 1_000), (730 + 32) * 86_400]);
  t.equal((args[7] as Buffer).length, bytes);
});

t.test('the first event of a day updates every sketch of every metric, in known places', async (t) => {
  const { distinct, membership, tops, digests, counters, written } = unpack(
    createCalls().of([login]).calls[0],
  );
  const sets = distinct.map(([destinations, ...values]) => [suffixes(destinations), values]);
  const expected = ['users', 'sessions', 'ips'].flatMap((metric, i) => {
    const value = ['ada', 's-1', '10.0.0.1'][i];
    return [
      [[`hll:${metric}:minute:2026-01-31T1337`], [value]],
      [[`hll:${metric}:hour:2026-01-31T13`], [value]],
      [
        [`hll:${metric}:day:2026-01-31`, `hll:${metric}:week:2026-W05`, `hll:${metric}:month:2026-01`],
        [value],
      ],
    ];
  });
  const order = (list: unknown[]) => list.map((one) => JSON.stringify(one)).sort();
  t.strictSame(order(sets), order(expected));
  t.strictSame(
    membership.map(([suffix, , keys]) => [suffix, Buffer.from(keys as Buffer).length]),
    [
      ['bloom:users:day:2026-01-31', bloomKeyBytes],
      ['bloom:ips:day:2026-01-31', bloomKeyBytes],
    ],
  );
  t.strictSame(
    tops.map(([top, over, , ...counts]) => [top, over, ...counts]),
    [
      ['active_users', 'ada'],
      ['active_ips', '10.0.0.1'],
      ['event_types', 'user_login'],
      ['endpoints', '/login'],
      ['failed_logins', '10.0.0.1'],
    ].map(([metric, item]) => [
      `top:${metric}:hour:2026-01-31T13`,
      `over:${metric}:hour:2026-01-31T13`,
      item,
      1,
    ]),
  );
  t.strictSame(
    counters.map(([suffix, , ...counts]) => [suffix, ...counts]),
    [['count:events:day:2026-01-31', '817:0', 1]],
  );
  t.strictSame(
    written.map(([suffix, , ...hours]) => [suffix, ...hours]),
    [['written:all:day:2026-01-31', '13']],
  );
  t.strictSame(
    digests.map(([key, suffix, , count]) => [key, suffix, count]),
    [['latency_ms', 'digest:latency_ms:hour:2026-01-31T13', 1]],
    'numbers that are names (port) are no measurements',
  );
  t.match(decodeDigest(digests[0][4] as Buffer), { count: 1, min: 12.5, max: 12.5 });
});

t.test('lifetimes are those of the grain, counted from the end of its bucket', async (t) => {
  const { distinct } = unpack(createCalls().of([{ user_id: 'ada' }]).calls[0]);
  const seconds = Object.fromEntries(
    distinct.flatMap(([destinations]) => {
      const list = destinations as (string | number)[];
      return suffixes(list).map((suffix, i) => [String(suffix).split(':')[2], list[2 * i + 1]]);
    }),
  );
  t.strictSame(seconds, {
    minute: 40 + 7_200,
    hour: 22 * 60 + 40 + 7 * 86_400,
    day: 10 * 3_600 + 22 * 60 + 40 + 90 * 86_400,
    week: 86_400 + 10 * 3_600 + 22 * 60 + 40 + 364 * 86_400,
    month: 10 * 3_600 + 22 * 60 + 40 + 730 * 86_400,
  });
});

t.test('a repeat costs its counts only, once the first was acknowledged and not before', async (t) => {
  const calls = createCalls();
  const first = calls.of([login]);
  t.strictSame(unpack(calls.of([login]).calls[0]), unpack(first.calls[0]), 'not before');
  calls.acknowledge(first);
  const again = calls.of([login]);
  const { distinct, membership, tops, digests, counters, written } = unpack(again.calls[0]);
  t.strictSame([distinct, membership, written], [[], [], []]);
  t.strictSame([tops.length, digests.length, counters.length], [5, 1, 1]);
  t.strictSame(again.written, []);
});

t.test('a repeat in another minute, hour or day costs the sets of what is new to it', async (t) => {
  const setsOf = (calls: ReturnType<typeof createCalls>, rows: Row[]) =>
    unpack(calls.of(rows).calls[0]).distinct.flatMap(([destinations]) =>
      suffixes(destinations).map((suffix) => String(suffix).split(':')[2]),
    );
  const calls = createCalls();
  calls.acknowledge(calls.of([{ user_id: 'ada' }]));
  t.strictSame(setsOf(calls, [{ user_id: 'ada', timestamp: now - MINUTE_MS }]), ['minute']);
  t.strictSame(setsOf(calls, [{ user_id: 'ada', timestamp: now - HOUR_MS }]), ['minute', 'hour']);
  t.strictSame(
    setsOf(calls, [{ user_id: 'ada', timestamp: now - 3 * HOUR_MS }]),
    ['hour'],
    'minutes are gone',
  );
  const otherDay = [{ user_id: 'ada', timestamp: now - 24 * HOUR_MS }];
  t.strictSame(setsOf(calls, otherDay), ['hour', 'day', 'week', 'month']);
  t.equal(unpack(calls.of(otherDay).calls[0]).membership.length, 1);
});

t.test('events of the same user and minute fold into one value and one count', async (t) => {
  const { calls } = createCalls().of(Array.from({ length: 500 }, () => login));
  const { distinct, tops, counters, digests } = unpack(calls[0]);
  t.equal(calls.length, 1);
  t.strictSame(distinct[0].slice(1), ['ada']);
  t.strictSame(tops[0].slice(3), ['ada', 500]);
  t.strictSame(counters[0].slice(2), ['817:0', 500]);
  t.match(decodeDigest(digests[0][4] as Buffer), { count: 500 });
});

t.test(
  'a large delta is cut into calls of bounded size, and every value and count is in one of them',
  async (t) => {
    const users = namesFrom('user-', 5_000);
    const rows = users.flatMap((user_id, i) => [
      { user_id },
      { user_id, timestamp: now - (i % 5) * HOUR_MS },
    ]);
    const calls = createCalls().of(rows).calls.map(unpack);
    t.ok(calls.length > 10);
    for (const { distinct, membership, tops } of calls) {
      const pfadds = distinct.reduce(
        (sum, [places, ...values]) => sum + suffixes(places).length * values.length,
        0,
      );
      const adds = membership.reduce(
        (sum, [, , keys]) => sum + Buffer.from(keys as Buffer).length / bloomKeyBytes,
        0,
      );
      const counts = tops.reduce((sum, [, , , ...pairs]) => sum + pairs.length / 2, 0);
      if (pfadds + 4 * adds + 2 * counts > 2_100)
        t.fail(`${pfadds} PFADDs, ${adds} Bloom adds, ${counts} counts`);
    }
    const found = new Map<string, Set<string>>();
    const counted = new Map<string, number>();
    for (const { distinct, tops } of calls) {
      for (const [places, ...values] of distinct) {
        for (const place of suffixes(places) as string[]) {
          const set = found.get(place) ?? new Set();
          for (const value of values as string[]) set.add(value);
          found.set(place, set);
        }
      }
      for (const [place, , , ...pairs] of tops) {
        for (let i = 1; i < pairs.length; i += 2) {
          counted.set(place as string, (counted.get(place as string) ?? 0) + (pairs[i] as number));
        }
      }
    }
    for (const place of ['day:2026-01-31', 'week:2026-W05', 'month:2026-01', 'hour:2026-01-31T13']) {
      t.equal(found.get(`hll:users:${place}`)?.size, 5_000, place);
    }
    t.equal(counted.get('top:active_users:hour:2026-01-31T13'), 6_000);
    t.equal(counted.get('top:event_types:hour:2026-01-31T12'), 1_000);
  },
);

t.test('systems with hostile names stay in their hash tag', async (t) => {
  const system = 'a}:b{*\0\r\n';
  const [delta] = deltaOf([{ system }]).systems.values();
  const planner = createPlanner(retention);
  planner.at(now);
  const { calls } = systemCalls(delta, { planner, known: () => new Set(), epoch: '', freshEpoch: 'e' });
  t.strictSame(calls[0].args.slice(1, 3), [1, 'pt:{a%7D%3Ab%7B%2A%00%0D%0A}']);
});
