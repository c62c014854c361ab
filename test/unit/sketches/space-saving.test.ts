import fc from 'fast-check';
import t from 'tap';
import {
  addToTop,
  createTop,
  cutTop,
  mergeTops,
  type TopSummary,
  topItems,
} from '../../../src/sketches/space-saving.js';
import { dataSets, namesOf } from '../../support/data-sets.js';
import { seededRandom, shuffled } from '../../support/random.js';

const itemsMax = 50;

function countsOf(values: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return counts;
}

/** Adds the values in batches, as requests would bring them. */
function topOf(values: readonly string[], batch = 37, start = createTop()): TopSummary {
  let top = start;
  for (let at = 0; at < values.length; at += batch) {
    top = addToTop(top, countsOf(values.slice(at, at + batch)), itemsMax);
  }
  return top;
}

const plain = ({ counts, overcounts, floor }: TopSummary) => ({
  counts: Object.fromEntries([...counts].sort()),
  overcounts: Object.fromEntries([...overcounts].sort()),
  floor,
});

/** The first way, if any, in which a summary is wrong about what was really counted. */
function lieOf(top: TopSummary, truth: Map<string, number>): string | undefined {
  const total = [...truth.values()].reduce((sum, count) => sum + count, 0);
  if (top.floor > total / itemsMax) return `floor ${top.floor} of ${total}`;
  for (const item of new Set([...truth.keys(), ...top.counts.keys()])) {
    const count = truth.get(item) ?? 0;
    const upper = top.counts.get(item) ?? top.floor;
    const lower = top.counts.has(item) ? upper - (top.overcounts.get(item) ?? 0) : 0;
    if (lower > count || count > upper) return `${item}: ${count} is not in ${lower}..${upper}`;
  }
  return undefined;
}

t.test('the truth is inside the bounds and floor <= N / itemsMax, on every data set', async (t) => {
  for (const set of dataSets) {
    for (const batch of [1, 37, 1_000]) {
      const values = namesOf(set, 3_000, 1);
      const top = topOf(values, batch);
      t.equal(lieOf(top, countsOf(values)), undefined, `${set}, batches of ${batch}`);
      t.ok(top.counts.size <= itemsMax);
    }
  }
});

t.test('the same holds after merging and cutting in any order', async (t) => {
  const random = seededRandom(2);
  for (const set of dataSets) {
    const parts = [1, 2, 3, 4, 5, 6].map((seed) => namesOf(set, 700 * seed, seed));
    const truth = countsOf(parts.flat());
    for (let round = 0; round < 5; round++) {
      const queue = shuffled(parts, random).map((part) => topOf(part));
      while (queue.length > 1) {
        const taken = queue.splice(0, 2 + Math.floor(random() * 2));
        queue.push(cutTop(mergeTops(taken), itemsMax));
      }
      t.equal(lieOf(queue[0], truth), undefined, set);
    }
    const whole = mergeTops(parts.map((part) => topOf(part)));
    t.equal(lieOf(whole, truth), undefined, `${set}, uncut`);
    const more = namesOf(set, 2_000, 9);
    const later = topOf(more, 37, cutTop(whole, itemsMax));
    t.equal(
      lieOf(later, countsOf([...parts.flat(), ...more])),
      undefined,
      `${set}, counted on after a merge`,
    );
  }
});

t.test('random streams of few and many items never break the bounds', async () => {
  const increments = fc.array(
    fc.tuple(fc.integer({ min: 0, max: 9 }).map(String), fc.integer({ min: 1, max: 50 })),
  );
  fc.assert(
    fc.property(
      fc.array(increments, { maxLength: 20 }),
      fc.integer({ min: 1, max: 6 }),
      (batches, capacity) => {
        const truth = new Map<string, number>();
        for (const [item, n] of batches.flat()) truth.set(item, (truth.get(item) ?? 0) + n);
        const total = [...truth.values()].reduce((sum, n) => sum + n, 0);
        const top = batches.reduce((sum, batch) => addToTop(sum, batch, capacity), createTop());
        return (
          top.floor <= total / capacity &&
          [...truth].every(([item, n]) => {
            const upper = top.counts.get(item);
            if (upper === undefined) return n <= top.floor;
            return n <= upper && n >= upper - (top.overcounts.get(item) ?? 0);
          })
        );
      },
    ),
    { seed: 4, numRuns: 500 },
  );
});

t.test('below its capacity everything is exact', async (t) => {
  const values = namesOf('duplicates', 2_000, 1);
  const top = topOf(values);
  t.strictSame(plain(top), {
    counts: Object.fromEntries([...countsOf(values)].sort()),
    overcounts: {},
    floor: 0,
  });
  const { items, floor } = topItems([top], 3);
  t.equal(floor, 0);
  t.ok(
    items.every(({ lower, upper, count, guaranteed }) => lower === upper && count === upper && guaranteed),
  );
});

t.test('a new item starts at the floor, and the smallest makes room', async (t) => {
  const batches = [
    new Map([
      ['a', 5],
      ['b', 3],
    ]),
    new Map([['c', 1]]),
    new Map([['d', 4]]),
  ];
  const top = batches.reduce((sum, batch) => addToTop(sum, batch, 2), createTop());
  t.strictSame(plain(top), { counts: { a: 5, d: 5 }, overcounts: { d: 1 }, floor: 3 });
});

const itemsOf = ({ counts }: TopSummary) => [...counts.keys()].sort();

t.test('among equal counts the item with the smallest UTF-8 bytes goes, as with ZPOPMIN', async (t) => {
  // U+FF5E is three bytes and sorts before U+1F600, whose first UTF-16 unit is the smaller.
  const items = ['é', '\u{1f600}', 'z', '\uff5e'];
  const top = addToTop(createTop(), new Map(items.map((item) => [item, 1])), items.length);
  t.strictSame(itemsOf(cutTop(top, 2)), ['\u{1f600}', '\uff5e'].sort());
  t.strictSame(itemsOf(cutTop(top, 1)), ['\u{1f600}']);
});

t.test('among equal counts those that are listed stay, then the first of the new ones', async (t) => {
  const listed = addToTop(createTop(), countsOf(['a', 'a', 'b']), 3);
  const top = addToTop(listed, countsOf(['z', 'y', 'x']), 3);
  t.strictSame(plain(top), { counts: { a: 2, b: 1, z: 1 }, overcounts: {}, floor: 1 });
  const later = addToTop(top, countsOf(['c', 'd', 'e', 'f']), 3);
  t.strictSame(plain(later), { counts: { a: 2, c: 2, d: 2 }, overcounts: { c: 1, d: 1 }, floor: 2 });
});

t.test('adding leaves the summary it was given as it is', async (t) => {
  const top = topOf(namesOf('zipf', 2_000, 1));
  const before = plain(top);
  addToTop(top, new Map([['new', 1_000]]), itemsMax);
  cutTop(top, 3);
  t.strictSame(plain(top), before);
});

t.test('merging has an identity, commutes and associates exactly', async (t) => {
  for (const set of dataSets) {
    const [a, b, c] = [1, 2, 3].map((seed) => topOf(namesOf(set, 1_000 * seed, seed)));
    const whole = plain(mergeTops([a, b, c]));
    t.strictSame(plain(mergeTops([a, createTop()])), plain(a), set);
    t.strictSame(plain(mergeTops([c, a, b])), whole, set);
    t.strictSame(plain(mergeTops([mergeTops([a, b]), c])), whole, set);
    t.strictSame(plain(mergeTops([a, mergeTops([b, c])])), whole, set);
  }
});

t.test('where nothing was evicted, the merge is the summary of both', async (t) => {
  const [a, b] = [1, 2].map((seed) => namesOf('duplicates', 500, seed));
  t.strictSame(plain(mergeTops([topOf(a), topOf(b)])), plain(topOf([...a, ...b])));
});

t.test('an item absent from one summary may have its floor there', async (t) => {
  const a: TopSummary = { counts: new Map([['x', 10]]), overcounts: new Map([['x', 2]]), floor: 3 };
  const b: TopSummary = { counts: new Map([['y', 8]]), overcounts: new Map(), floor: 1 };
  const { items, floor } = topItems([a, b], 2);
  t.equal(floor, 4);
  t.match(items, [
    { item: 'x', count: 11, lower: 8, upper: 11 },
    { item: 'y', count: 11, lower: 8, upper: 11 },
  ]);
});

t.test('items come by count, equals by code point, and never more than k', async (t) => {
  const top = addToTop(
    createTop(),
    new Map([
      ['b', 2],
      ['\u{1f600}', 1],
      ['a', 2],
      ['\uff5e', 1],
      ['c', 9],
    ]),
    10,
  );
  const order = ['c', 'a', 'b', '\uff5e', '\u{1f600}'];
  for (const k of [1, 2, 3, 4, 5, 100]) {
    t.strictSame(
      topItems([top], k).items.map(({ item }) => item),
      order.slice(0, k),
    );
  }
  t.strictSame(topItems([], 5), { items: [], floor: 0 });
});

t.test('a guaranteed item is really not beaten by any item outside the list', async (t) => {
  let guaranteed = 0;
  let open = 0;
  for (const set of dataSets) {
    for (let seed = 1; seed <= 5; seed++) {
      const parts = [seed, seed + 100].map((part) => namesOf(set, 3_000, part));
      const truth = countsOf(parts.flat());
      const { items } = topItems(
        parts.map((part) => topOf(part)),
        10,
      );
      const listed = new Set(items.map(({ item }) => item));
      const outside = Math.max(
        0,
        ...[...truth].filter(([item]) => !listed.has(item)).map(([, count]) => count),
      );
      for (const item of items) {
        if (item.guaranteed) guaranteed++;
        else open++;
        if (item.guaranteed && (truth.get(item.item) ?? 0) < outside) t.fail(`${set}: ${item.item}`);
      }
    }
  }
  t.ok(guaranteed > 50 && open > 50, `${guaranteed} guaranteed, ${open} not`);
});
