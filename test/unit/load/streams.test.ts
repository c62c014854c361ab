/** What is sent: streams that repeat from a seed, in every format, and ids that are new whenever they leave. */
import { decode } from '@msgpack/msgpack';
import t from 'tap';
import { createRefresh, makeBodies, placesOf } from '../../../load/streams/bodies.js';
import { freshMark, type StreamKind, streams, systemName } from '../../../load/streams/events.js';
import { parseProcStat, parsePs } from '../../../load/targets/usage.js';
import { createEventReader } from '../../../src/events/read-event.js';
import { DAY_MS } from '../../../src/windows/civil.js';

const start = Date.UTC(2026, 0, 31);
const options = { seed: 1, start, stepMs: 1, batch: 50, count: 2 };

interface Event {
  user_id: string;
  session_id: string;
  system: string;
  timestamp: string;
  metadata: { ip: string; endpoint: string };
}
const eventsOf = (body: Buffer) => (JSON.parse(body.toString()) as { events: Event[] }).events;

t.test('the same seed gives the same bodies, and every event is one that the service takes', async (t) => {
  const reader = createEventReader(DAY_MS);
  for (const kind of Object.keys(streams) as StreamKind[]) {
    const bodies = makeBodies({ ...options, kind });
    t.strictSame(bodies, makeBodies({ ...options, kind }), kind);
    for (const event of bodies.flatMap(eventsOf)) {
      t.equal(reader.read(event, start + DAY_MS), undefined);
    }
  }
});

t.test('the formats hold the same events', async (t) => {
  const [json] = makeBodies(options);
  const events = eventsOf(json);
  const [ndjson] = makeBodies({ ...options, format: 'ndjson' });
  const [msgpack] = makeBodies({ ...options, format: 'msgpack' });
  const lines = ndjson.toString().trimEnd().split('\n');
  t.strictSame(
    lines.map((line) => JSON.parse(line)),
    events,
  );
  t.strictSame(decode(msgpack), events);
  const [single] = makeBodies({ ...options, batch: 1 });
  t.strictSame(JSON.parse(single.toString()), events[0]);
});

t.test('the one-hot stream is about one system', async (t) => {
  const events = makeBodies({ ...options, kind: 'one-hot' }).flatMap(eventsOf);
  t.strictSame([...new Set(events.map(({ system }) => system))], [systemName(0)]);
});

t.test(
  'in the unique stream no id comes twice, in a body, in the next, or in one that is sent again',
  async (t) => {
    for (const format of ['json', 'ndjson', 'msgpack'] as const) {
      const bodies = makeBodies({ ...options, kind: 'unique', format });
      let serial = 0;
      const ids = new Set<string>();
      const wrong: string[] = [];
      for (const body of [...bodies, ...bodies]) {
        const places = placesOf(body, freshMark);
        const refresh = createRefresh(body, () => serial++, Date.now);
        t.type(refresh, 'function');
        const before = body.length;
        refresh?.();
        t.equal(body.length, before);
        if (format === 'json') {
          for (const { user_id, session_id, metadata } of eventsOf(body)) {
            for (const id of [user_id, session_id, metadata.ip, metadata.endpoint]) {
              if (ids.has(id)) wrong.push(id);
              ids.add(id);
            }
          }
        }
        t.equal(placesOf(body, freshMark).length, 0);
        for (const place of places) body.write(freshMark, place, 'latin1'); // as a new sender finds it
      }
      t.strictSame(wrong, []);
    }
  },
);

t.test('events of a live stream happen when they are sent; others are not touched', async (t) => {
  const [body] = makeBodies({ ...options, isLive: true });
  createRefresh(
    body,
    () => 0,
    () => start + 12_345,
  )?.();
  t.strictSame([...new Set(eventsOf(body).map(({ timestamp }) => timestamp))], ['2026-01-31T00:00:12.345Z']);
  const [plain] = makeBodies(options);
  t.equal(
    createRefresh(plain, () => 0, Date.now),
    undefined,
  );
});

t.test('what a process uses is read from /proc and from ps', async (t) => {
  const stat = `42 (a) b (c) S ${Array.from({ length: 49 }, (_, i) => i + 4).join(' ')}`;
  t.strictSame(parseProcStat(stat), { cpuSeconds: (14 + 15) / 100, memoryBytes: 24 * 4_096 });
  t.strictSame(parsePs('  1024 1-02:03:04'), { cpuSeconds: 93_784, memoryBytes: 1_048_576 });
  t.strictSame(parsePs('512   3:04.50'), { cpuSeconds: 184.5, memoryBytes: 524_288 });
});
