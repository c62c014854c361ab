/** What an event costs in Redis, without Redis: the parts of a delta, and the calls they travel in. */
import t from 'tap';
import { createPlanner } from '../../../src/events/hour-plan.js';
import {
  CALL_COST_MAX,
  type Part,
  packCalls,
  partOutcomes,
  sections,
} from '../../../src/events/pack-calls.js';
import { createRepeatFilter } from '../../../src/events/repeat-filter.js';
import { type SystemParts, systemParts } from '../../../src/events/system-parts.js';
import { bloomKeyBytes } from '../../../src/sketches/bloom.js';
import { countRecordBytes } from '../../../src/sketches/count-min.js';
import { decodeDigest } from '../../../src/sketches/t-digest.js';
import { HOUR_MS, MINUTE_MS } from '../../../src/windows/civil.js';
import { countRecords, namesFrom } from '../../support/apply-delta.js';
import { deltaOf, now, type Row, retention } from '../../support/write-path.js';

type Flat = Record<(typeof sections)[number], unknown[][]>;

/** The operations of a part, each flat: what its head holds, then the rest. Of tops and counters items and counts in turn. */
function flat({ operations }: Part): Flat {
  return Object.fromEntries(
    sections.map((section) => [
      section,
      operations[section].map(([head, first, second]) => {
        if (section === 'distinct') return [head, ...(first as string[])];
        if (section === 'written') return [...head, ...(first as string[])];
        if (section === 'membership' || section === 'frequency') return [...head, first];
        if (section === 'digests') return [...head, first, second];
        return [...head, ...(first as string[]).flatMap((item, i) => [item, (second as number[])[i]])];
      }),
    ]),
  ) as Flat;
}

function createCalls(filterValuesMax = 100_000) {
  const planner = createPlanner(retention);
  const filter = createRepeatFilter(filterValuesMax);
  filter.setEpoch('s', 'e1');
  planner.at(now, now);
  return {
    /** The parts of some rows of one system. */
    of(rows: readonly Row[]): SystemParts {
      const [system] = deltaOf(rows).systems.values();
      const known = (slot: string) => filter.known('s', slot);
      return systemParts(system, { planner, known, epoch: 'e1', freshEpoch: 'e2' });
    },
    acknowledge({ written }: SystemParts): void {
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

function sumOfCounts(records: Buffer): number {
  let sum = 0;
  for (let at = 0; at < records.length; at += countRecordBytes) sum += records.readUInt32LE(at + 8);
  return sum;
}

t.test('an event is one part, which tells its system and its epochs', async (t) => {
  const { parts } = createCalls().of([login]);
  t.match(parts, [{ system: 's', epoch: 'e1', freshEpoch: 'e2' }]);
  t.equal(parts.length, 1);
});

t.test('the first event of a day updates every sketch of every metric, in known places', async (t) => {
  const all = flat(createCalls().of([login]).parts[0]);
  const { distinct, membership, tops, digests, counters, written, frequency } = all;
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
      ['failed_logins_by_user', 'ada'],
    ].map(([metric, item]) => [
      `top:${metric}:hour:2026-01-31T13`,
      `over:${metric}:hour:2026-01-31T13`,
      item,
      1,
    ]),
  );
  t.strictSame(
    counters.map(([suffix, , ...counts]) => [suffix, ...counts]),
    [
      ['count:events:day:2026-01-31', '817:0', 1],
      ['count:failed_logins:day:2026-01-31', 'm817', 1, 'h13', 1, 'd', 1],
    ],
  );
  t.strictSame(
    written.map(([suffix, , ...hours]) => [suffix, ...hours]),
    [['written:all:day:2026-01-31', 'roll:all:day:2026-01-31', '13']],
  );
  t.strictSame(
    frequency.map(([suffix, , records]) => [suffix, records]),
    [
      ['cm:users:day:2026-01-31', countRecords(['ada', 1])],
      ['cm:ips:day:2026-01-31', countRecords(['10.0.0.1', 1])],
      ['cm:endpoints:day:2026-01-31', countRecords(['/login', 1])],
    ],
  );
  t.strictSame(
    digests.map(([key, suffix, , count]) => [key, suffix, count]),
    [['latency_ms', 'digest:latency_ms:hour:2026-01-31T13', 1]],
    'numbers that are names (port) are no measurements',
  );
  t.match(decodeDigest(digests[0][4] as Buffer), { count: 1, min: 12.5, max: 12.5 });
});

t.test('lifetimes are those of the grain, counted from the end of its bucket', async (t) => {
  const { distinct } = flat(createCalls().of([{ user_id: 'ada' }]).parts[0]);
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
  t.strictSame(flat(calls.of([login]).parts[0]), flat(first.parts[0]), 'not before');
  calls.acknowledge(first);
  const again = calls.of([login]);
  const { distinct, membership, tops, digests, counters, written, frequency } = flat(again.parts[0]);
  t.strictSame([distinct, membership, written], [[], [], []]);
  t.strictSame([tops.length, digests.length, counters.length, frequency.length], [6, 1, 2, 3]);
  t.strictSame(again.written, []);
});

t.test('a repeat in another minute, hour or day costs the sets of what is new to it', async (t) => {
  const setsOf = (calls: ReturnType<typeof createCalls>, rows: Row[]) =>
    flat(calls.of(rows).parts[0]).distinct.flatMap(([destinations]) =>
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
  t.equal(flat(calls.of(otherDay).parts[0]).membership.length, 1);
});

t.test('events of the same user and minute fold into one value and one count', async (t) => {
  const { parts } = createCalls().of(Array.from({ length: 500 }, () => login));
  const { distinct, tops, counters, digests } = flat(parts[0]);
  t.equal(parts.length, 1);
  t.strictSame(distinct[0].slice(1), ['ada']);
  t.strictSame(tops[0].slice(3), ['ada', 500]);
  t.strictSame(counters[0].slice(2), ['817:0', 500]);
  t.match(decodeDigest(digests[0][4] as Buffer), { count: 500 });
});

t.test(
  'a large delta is cut into parts of bounded size, and every value and count is in one of them',
  async (t) => {
    const users = namesFrom('user-', 5_000);
    const rows = users.flatMap((user_id, i) => [
      { user_id },
      { user_id, timestamp: now - (i % 5) * HOUR_MS },
    ]);
    const parts = createCalls().of(rows).parts.map(flat);
    t.ok(parts.length > 10);
    for (const { distinct, membership, tops } of parts) {
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
    let events = 0;
    for (const { distinct, tops, frequency } of parts) {
      for (const [, , records] of frequency) events += sumOfCounts(records as Buffer);
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
    t.equal(events, 10_000);
    t.equal(counted.get('top:event_types:hour:2026-01-31T12'), 1_000);
  },
);

t.test('what several minutes of an hour or hours of a day count is one operation a key', async (t) => {
  const rows = [0, 1, 2, 60, 61].map((minutes) => ({ ...login, timestamp: now - minutes * MINUTE_MS }));
  const { tops, counters, digests, frequency } = flat(createCalls().of(rows).parts[0]);
  const users = tops.filter(([top]) => String(top).includes(':active_users:'));
  t.strictSame(
    users.map(([top, , , ...counts]) => [top, ...counts]),
    [
      ['top:active_users:hour:2026-01-31T13', 'ada', 3],
      ['top:active_users:hour:2026-01-31T12', 'ada', 2],
    ],
  );
  t.equal(counters.length, 2);
  t.strictSame(
    counters[1].slice(2),
    ['m817', 1, 'h13', 3, 'd', 5, 'm816', 1, 'm815', 1, 'm757', 1, 'h12', 2, 'm756', 1],
    'failed log-ins are summed by hour and day',
  );
  const minutes = ['817:0', '816:0', '815:0', '757:0', '756:0'];
  t.strictSame(counters[0].slice(2).sort(), [...minutes, 1, 1, 1, 1, 1].sort());
  t.strictSame(
    digests.map((digest) => digest[3]),
    [3, 2],
  );
  t.strictSame(
    frequency.map(([, , records]) => records),
    ['ada', '10.0.0.1', '/login'].map((value) => countRecords([value, 5])),
  );
});

const terms = { nowSeconds: 1, recordSeconds: 2 };
const partsOf = (rows: readonly Row[]): Part[] => {
  const planner = createPlanner(retention);
  planner.at(now, now);
  return [...deltaOf(rows).systems.values()].flatMap(
    (delta) => systemParts(delta, { planner, known: () => new Set(), epoch: '', freshEpoch: 'e' }).parts,
  );
};

t.test('systems travel together, up to the work of one call, and share their heads', async (t) => {
  const systems = namesFrom('system-', 200);
  const parts = partsOf(systems.map((system) => ({ ...login, system })));
  const calls = packCalls(parts, terms);
  t.strictSame(
    calls.flatMap((call) => call.parts),
    parts,
    'each part once, in order',
  );
  for (const call of calls.slice(0, -1)) {
    const cost = call.parts.reduce((sum, part) => sum + part.cost, 0);
    t.ok(cost <= CALL_COST_MAX && cost > CALL_COST_MAX / 2, `cost ${cost}`);
  }
  const [one] = packCalls(parts.slice(0, 1), terms);
  t.ok(calls[0].bytes < (one.bytes * calls[0].parts.length) / 2, 'heads are not repeated');
  t.strictSame(packCalls([], terms), []);
});

t.test('each part has its own outcome; where a call failed, that of the call', async (t) => {
  const [first, ...others] = partsOf(namesFrom('s', 3).map((system) => ({ system })));
  const calls = [...packCalls([first], terms), ...packCalls(others, terms)];
  const error = new Error('cut');
  const replies = [
    ['ok', 'e', 0],
    ['error', 'WRONGTYPE'],
  ];
  t.match(partOutcomes(calls, [{ error }, { reply: replies }]), [
    { error },
    { reply: ['ok', 'e', 0] },
    { error: { name: 'ReplyError', message: 'WRONGTYPE' } },
  ]);
});

t.test('systems with hostile names stay in their hash tag', async (t) => {
  const [{ call }] = packCalls(partsOf([{ system: 'a}:b{*\0\r\n' }]), terms);
  t.strictSame(call.args.slice(1, 5), [1, 'pt:{a%7D%3Ab%7B%2A%00%0D%0A}', 1, 2]);
});

t.test(
  'what is known of a minute is forgotten when it is over, of hours and days while they last',
  async (t) => {
    const { written } = createCalls().of([{ user_id: 'ada' }]);
    const [minutes, longer] = [true, false].map((isMinute) =>
      written.filter(({ slot }) => slot.startsWith('minute ') === isMinute).map(({ until }) => until - now),
    );
    t.ok(minutes.length > 0);
    t.ok(longer.length > 0);
    for (const left of minutes) t.ok(left >= MINUTE_MS && left <= 3 * MINUTE_MS, `${left} ms`);
    for (const left of longer) t.ok(left > 24 * HOUR_MS, `${left} ms`);
  },
);
