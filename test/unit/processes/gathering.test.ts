/** The metrics of several workers as one. */
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import t from 'tap';
import { createGathering, figuresOf } from '../../../src/processes/gathering.js';
import type { Figures } from '../../../src/processes/messages.js';

function worker() {
  const register = new Registry();
  const registers = [register];
  return {
    register,
    events: new Counter({ name: 'events', help: 'x', labelNames: ['kind'], registers }),
    held: new Gauge({ name: 'held', help: 'x', registers }),
    ready: new Gauge({ name: 'ready', help: 'x', aggregator: 'min', registers }),
    seconds: new Histogram({ name: 'seconds', help: 'x', buckets: [1, 2], registers }),
  };
}
type Worker = ReturnType<typeof worker>;

/** Two workers; those that are silent do not answer. */
function setUp(timeoutMs: number) {
  const workers = new Map([
    [1, worker()],
    [2, worker()],
  ]);
  const silent = new Set<number>();
  const gathering = createGathering({
    ask(round) {
      for (const [id, { register }] of workers) {
        if (!silent.has(id))
          void figuresOf(register).then((figures) => gathering.received(id, round, structuredClone(figures)));
      }
      return [...workers.keys()];
    },
    own: async (): Promise<Figures> => [],
    timeoutMs,
  });
  return { workers, silent, gathering, of: (id: number) => workers.get(id) as Worker };
}
const valueIn = (text: string, series: string) => {
  const line = text.split('\n').find((one) => one.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length + 1));
};

t.test('each metric is added up as it says, series by series', async (t) => {
  const { gathering, of } = setUp(10_000);
  of(1).events.inc({ kind: 'a' }, 3);
  of(2).events.inc({ kind: 'a' }, 4);
  of(2).events.inc({ kind: 'b' }, 5);
  of(1).held.set(6);
  of(2).held.set(7);
  of(1).ready.set(1);
  of(2).ready.set(0);
  of(1).seconds.observe(1.5);
  of(2).seconds.observe(0.5);
  const text = await gathering.gather();
  const series = [
    'events{kind="a"}',
    'events{kind="b"}',
    'held',
    'ready',
    'seconds_bucket{le="1"}',
    'seconds_count',
    'seconds_sum',
  ];
  t.strictSame(
    series.map((name) => valueIn(text, name)),
    [7, 5, 13, 0, 1, 2, 2],
  );
});

t.test('of a worker that does not answer what it had counted stays, what it has now does not', async (t) => {
  const { gathering, of, silent } = setUp(20);
  of(1).events.inc({ kind: 'a' }, 3);
  of(2).events.inc({ kind: 'a' }, 4);
  of(1).held.set(6);
  of(2).held.set(7);
  await gathering.gather();
  silent.add(2);
  of(1).events.inc({ kind: 'a' }, 1);
  of(2).events.inc({ kind: 'a' }, 100);
  const text = await gathering.gather();
  t.equal(valueIn(text, 'events{kind="a"}'), 8);
  t.equal(valueIn(text, 'held'), 6);
  silent.delete(2);
  t.equal(valueIn(await gathering.gather(), 'events{kind="a"}'), 108, 'until it answers again');
});

t.test('sums do not fall when workers end, however many do', async (t) => {
  const { gathering, of, workers } = setUp(10_000);
  let counted = 0;
  for (let id = 2; id < 40; id++) {
    of(id).events.inc({ kind: 'a' }, id);
    of(id).seconds.observe(1);
    of(id).held.set(1);
    counted += id;
    t.equal(valueIn(await gathering.gather(), 'events{kind="a"}'), counted);
    gathering.ended(id);
    workers.delete(id);
    workers.set(id + 1, worker());
  }
  const text = await gathering.gather();
  t.equal(valueIn(text, 'seconds_count'), 38);
  t.equal(valueIn(text, 'held'), 0);
});

t.test('a worker that ends while it is waited for is waited for no longer', async (t) => {
  const { gathering, silent, workers, of } = setUp(1_000_000);
  of(1).events.inc({ kind: 'a' }, 3);
  silent.add(2);
  const text = gathering.gather();
  workers.delete(2);
  gathering.ended(2);
  t.equal(valueIn(await text, 'events{kind="a"}'), 3);
});

t.test(
  'what a worker has said last and is heard of after its end is not counted beside its sums',
  async (t) => {
    const { gathering, of, workers } = setUp(10_000);
    of(2).events.inc({ kind: 'a' }, 3);
    await gathering.gather();
    const last = structuredClone(await figuresOf(of(2).register));
    gathering.ended(2);
    workers.delete(2);
    gathering.received(2, 0, last);
    t.equal(valueIn(await gathering.gather(), 'events{kind="a"}'), 3);
  },
);

t.test('rounds at the same time do not disturb each other', async (t) => {
  const { gathering, of } = setUp(10_000);
  of(1).events.inc({ kind: 'a' }, 1);
  const texts = await Promise.all(Array.from({ length: 5 }, () => gathering.gather()));
  t.strictSame(
    texts.map((text) => valueIn(text, 'events{kind="a"}')),
    [1, 1, 1, 1, 1],
  );
});
