/** Folding: neither the order of events nor how they were cut into requests changes what is written. */
import fc from 'fast-check';
import t from 'tap';
import { createDelta, type Delta, foldEvent } from '../../../src/events/delta.js';
import { eventTypes, numericKeysMax, reservedNumericKey } from '../../../src/sketches/registry.js';
import { HOUR_MS, MINUTE_MS } from '../../../src/windows/civil.js';
import { seededRandom, shuffled } from '../../support/random.js';
import { deltaOf, now, type Row, readRow, retention } from '../../support/write-path.js';

const name = fc.constantFrom('a', 'b', '', 'ü', '\0', 'a b', '{', 'constructor', '__proto__');
const id = fc.option(
  name.filter((text) => text !== ''),
  { nil: undefined },
);
const row: fc.Arbitrary<Row> = fc.record({
  system: id.map((text) => text ?? 's'),
  event_type: fc.constantFrom(...eventTypes),
  user_id: id,
  session_id: id,
  timestamp: fc.integer({ min: now - 4 * HOUR_MS, max: now }),
  metadata: fc.record({
    ip: id,
    endpoint: id,
    status: fc.constantFrom('failed', 'ok', undefined),
    latency_ms: fc.option(fc.double({ noNaN: true, noDefaultInfinity: true }), { nil: undefined }),
    size_bytes: fc.option(fc.nat(), { nil: undefined }),
  }),
});

/** All of a delta but which request brought what, in a form that does not tell in which order it was folded. */
function meaning(delta: Delta): unknown {
  const sort = (value: unknown): unknown => {
    if (value instanceof Map) {
      return [...value]
        .map(([key, inner]) => [JSON.stringify(key), sort(inner)])
        .sort(([a], [b]) => ((a as string) < (b as string) ? -1 : 1));
    }
    if (Array.isArray(value)) return value.map(sort);
    if (typeof value !== 'object' || value === null) return value;
    const { requests: _, samples, ...rest } = value as Record<string, unknown>;
    const sorted = Object.fromEntries(Object.entries(rest).map(([key, inner]) => [key, sort(inner)]));
    if (!(samples instanceof Map)) return sorted;
    const numbers = [...samples].map(([key, list]) => [key, [...(list as number[])].sort((a, b) => a - b)]);
    return { ...sorted, samples: sort(new Map(numbers as [string, number[]][])) };
  };
  return sort(delta);
}

t.test('any order of the events gives the same delta', async (t) => {
  fc.assert(
    fc.property(fc.array(row, { maxLength: 40 }), fc.nat(), (rows, seed) => {
      const other = deltaOf(shuffled(rows, seededRandom(seed)));
      t.strictSame(meaning(other), meaning(deltaOf(rows)));
    }),
    { seed: 1, numRuns: 100 },
  );
});

t.test('any cut into requests, folded in any order, gives the same delta', async (t) => {
  fc.assert(
    fc.property(fc.array(fc.array(row, { maxLength: 10 }), { maxLength: 6 }), fc.nat(), (requests, seed) => {
      const delta = createDelta();
      const order = shuffled([...requests.entries()], seededRandom(seed));
      for (const [request, rows] of order) deltaOf(rows, delta, request);
      t.strictSame(meaning(delta), meaning(deltaOf(requests.flat())));
      t.equal(delta.events, requests.flat().length);
    }),
    { seed: 1, numRuns: 100 },
  );
});

t.test('each system names the requests that have rows in it, each once', async (t) => {
  const delta = createDelta();
  const brought = [['a', 'b', 'a'], ['b'], ['a', 'a'], ['c', 'a', 'b', 'c']];
  brought.forEach((systems, request) => {
    deltaOf(
      systems.map((system) => ({ system })),
      delta,
      request,
    );
  });
  const requests = Object.fromEntries([...delta.systems].map(([system, part]) => [system, part.requests]));
  t.strictSame(requests, { a: [0, 2, 3], b: [0, 1, 3], c: [3] });
});

t.test('the last event of a system is its latest, not the one folded last', async (t) => {
  const times = [now - 5, now, now - MINUTE_MS];
  const delta = deltaOf(times.map((timestamp) => ({ timestamp })));
  t.equal(delta.systems.get('s')?.lastEvent, now);
  const old = deltaOf([{ timestamp: '1969-07-20T20:17:40Z' }]);
  t.equal(old.systems.get('s')?.lastEvent, Date.parse('1969-07-20T20:17:40Z'), 'before 1970');
});

t.test(
  'an event is in a minute while minutes are kept, else in an hour, and in one of them only',
  async (t) => {
    const edge = now - retention.minute;
    const delta = createDelta();
    for (const at of [edge - MINUTE_MS, edge, now]) foldEvent(delta, readRow({ timestamp: at }), 0, edge);
    const system = delta.systems.get('s');
    t.strictSame(
      [...(system?.minutes.keys() ?? [])],
      [Math.floor(edge / MINUTE_MS), Math.floor(now / MINUTE_MS)],
    );
    t.strictSame([...(system?.hours.keys() ?? [])], [Math.floor((edge - MINUTE_MS) / HOUR_MS)]);
  },
);

t.test('an empty delta has no systems', async (t) => {
  t.strictSame(meaning(createDelta()), meaning(deltaOf([])));
});

t.test(
  'a sender of ever new numeric keys costs a bounded number of lists, never the reserved one',
  async (t) => {
    const delta = deltaOf(
      Array.from({ length: 1_000 }, (_, i) => ({ metadata: { [`key-${i}`]: i, [reservedNumericKey]: i } })),
    );
    const [bucket] = delta.systems.get('s')?.minutes.values() ?? [];
    const lists = bucket?.samples.size ?? 0;
    t.ok(lists > numericKeysMax && lists < 300, `${lists} lists`);
    t.equal(bucket?.samples.get(reservedNumericKey)?.length, 1_000);
    t.equal(delta.samplesDropped, 1_000 - (lists - 1));
  },
);
