/** What count-min answers: the truth lies inside the bounds as often as they say. */
import t from 'tap';
import {
  addToCountMin,
  type CountMin,
  countMinHeaderBytes,
  createCountMin,
  encodeCountMin,
  packCountRecords,
} from '../../../src/sketches/count-min.js';
import {
  type CountReading,
  countHashOf,
  decodeCountReading,
  estimateCount,
  readCount,
} from '../../../src/sketches/count-min-estimate.js';
import { SketchFormatError } from '../../../src/sketches/envelope.js';
import { seededRandom } from '../../support/random.js';

/** A day of a Zipf stream over some users, and what was in it. */
function dayOf(prefix: string, users: number, events: number, seed: number) {
  const random = seededRandom(seed);
  const truth = new Map<string, number>();
  for (let i = 0; i < events; i++) {
    const name = `${prefix}${Math.floor(users ** random())}`;
    truth.set(name, (truth.get(name) ?? 0) + 1);
  }
  const sketch = createCountMin();
  const entries = [...truth];
  for (let from = 0; from < entries.length; from += 50) {
    const piece = entries.slice(from, from + 50);
    addToCountMin(
      sketch,
      packCountRecords(
        piece.map(([name]) => name),
        piece.map(([, count]) => count),
      ),
    );
  }
  return { sketch, truth };
}

/** Values asked for in one judgement, of those that came and of those that did not. */
const ASKED = 600;

/** Shares of the values whose count lies below the interval, or is exact; and the share that is promised at most. */
function judge(days: readonly { sketch: CountMin; truth: Map<string, number> }[]) {
  const names = new Set([...days.flatMap(({ truth }) => [...truth.keys()])].slice(0, ASKED));
  for (let i = 0; i < ASKED; i++) names.add(`stranger-${i}`);
  let missed = 0;
  let exact = 0;
  let promised = 0;
  for (const name of names) {
    const truth = days.reduce((sum, day) => sum + (day.truth.get(name) ?? 0), 0);
    const answer = estimateCount(days.map(({ sketch }) => readCount(sketch, name)));
    if (answer.upper < truth || answer.count !== answer.upper) throw new Error(`${name} is too low`);
    if (answer.lower > truth) missed += 1 / names.size;
    if (answer.count === truth) exact += 1 / names.size;
    promised = 1 - answer.confidence;
  }
  return { missed, exact, promised };
}

t.test('the truth is in the interval as often as the confidence says, for few values and many', async (t) => {
  const seeds = 12;
  for (const users of [10, 100, 1_000, 20_000]) {
    const mean = { missed: 0, exact: 0, promised: 0 };
    for (let seed = 1; seed <= seeds; seed++) {
      const { missed, exact, promised } = judge([dayOf(`s${seed}-`, users, 40_000, seed)]);
      mean.missed += missed / seeds;
      mean.exact += exact / seeds;
      mean.promised += promised / seeds;
    }
    const { missed, exact, promised } = mean;
    t.comment(
      `${users} users: missed ${missed.toFixed(4)} of ${promised.toFixed(4)}, exact ${exact.toFixed(3)}`,
    );
    t.ok(missed <= 1.2 * promised + 0.001, `${users}: ${missed} missed, ${promised} promised`);
    t.ok(promised <= 0.05 + 1e-9);
    if (users <= 1_000) t.ok(exact > 0.97, `${users}: ${exact} exact`);
  }
});

t.test('over many days the confidence holds, and few values stay exact', async (t) => {
  for (const users of [30, 2_000]) {
    const days = Array.from({ length: 30 }, (_, day) => dayOf('u', users, 5_000, day));
    const { missed, promised, exact } = judge(days);
    t.comment(
      `${users} users: missed ${missed.toFixed(4)} of ${promised.toFixed(4)}, exact ${exact.toFixed(3)}`,
    );
    t.ok(promised <= 0.05 + 1e-9 && missed <= promised, `${users}: ${missed} of ${promised}`);
    if (users === 30) t.ok(exact > 0.97, `${exact} exact`);
  }
});

const layer = (taken: number, smallest: number): CountReading['layers'][number] => ({
  width: 1_000,
  total: 100_000,
  taken,
  smallest,
});

t.test('a layer that is hardly taken is exact, one that is full has the bound of Markov', async (t) => {
  const ask = (...layers: CountReading['layers']) => estimateCount([{ layers, waiting: 0 }]);
  const near = (a: number, b: number) => Math.abs(a - b) < 1e-12;
  const sparse = ask(layer(1_000, 500));
  t.match(sparse, { count: 500, lower: 500, upper: 500 });
  t.ok(near(sparse.confidence, 1 - 0.25 ** 4));
  const full = ask(layer(4_000, 500));
  const share = 1 / (1_000 * 0.05 ** 0.25);
  t.equal(full.lower, Math.ceil(500 - (share * 99_500) / (1 - share)));
  t.equal(full.confidence, 0.95);
  t.match(
    ask(layer(4_000, 0)),
    { count: 0, lower: 0, upper: 0, confidence: 0.95 },
    'an empty counter is no doubt',
  );
  t.equal(ask(layer(4_000, 5)).lower, 0, 'never below nothing');
  const both = ask(layer(1_000, 500), layer(4_000, 500));
  t.ok(both.lower < 1_000 && both.lower > 700 && both.confidence === 0.95);
  const many = estimateCount(Array.from({ length: 90 }, () => ({ layers: [layer(3_900, 500)], waiting: 1 })));
  t.match(many, { count: 45_090, confidence: 0.95 });
  t.ok(many.lower >= 90, 'what waits is sure');
});

t.test('what Redis replies is read as the same, and what is broken is refused', async (t) => {
  const { sketch } = dayOf('u', 200, 2_000, 1);
  const header = encodeCountMin(sketch).subarray(0, countMinHeaderBytes);
  const { layers, waiting } = readCount(sketch, 'u3');
  const counters = Buffer.alloc(16 * layers.length);
  layers.forEach(({ smallest }, i) => {
    [9, 0, 3, 1].forEach((more, row) => {
      counters.writeUInt32LE(smallest + more, 16 * i + 4 * row);
    });
  });
  t.strictSame(decodeCountReading([header, counters, waiting]), { layers, waiting });
  t.throws(() => decodeCountReading([header, counters.subarray(4), 0]), SketchFormatError);
  t.throws(() => decodeCountReading([header.subarray(4), counters, 0]), SketchFormatError);
  t.equal(countHashOf('abc').toString('hex'), '990977adf52cbc44');
});
