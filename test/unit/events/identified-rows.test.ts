/** Identified rows: which part a row is in, who depends on it, and what is left of it without those that are known. */
import t from 'tap';
import { createDelta, type Delta, type SystemDelta } from '../../../src/events/delta.js';
import { addRow, createRefold, leaveOut } from '../../../src/events/identified-rows.js';
import { createMarkedRows, markerHead } from '../../../src/events/marked-rows.js';
import { createEventReader } from '../../../src/events/read-event.js';
import { createPseudonyms } from '../../../src/privacy/pseudonyms.js';
import { bucketAt } from '../../../src/windows/bucket.js';
import { DAY_MS } from '../../../src/windows/civil.js';
import { now, type Row, retention } from '../../support/write-path.js';

const reader = createEventReader(DAY_MS, true);
const minutesFrom = now - retention.minute;
const rowsOf = (from: number, to: number, system = 's'): Row[] =>
  Array.from({ length: to - from }, (_, i) => ({
    event_type: 'api_access',
    system,
    event_id: `id-${from + i}`,
    user_id: `u${from + i}`,
    metadata: { latency_ms: from + i, [`m${from + i}`]: 1 },
  }));
const pseudonyms = createPseudonyms({ key: 'k'.repeat(32) });
const refold = createRefold({
  futureMsMax: DAY_MS,
  pseudonyms,
  minuteRetentionMs: retention.minute,
});

/** Adds rows as a request would. @returns how many were on their way already */
function add(
  group: Delta,
  rows: readonly Row[],
  request: number,
  marked?: ReturnType<typeof createMarkedRows>,
) {
  let repeated = 0;
  for (const row of rows) {
    if (reader.read(row, now)) throw new Error('a row is bad');
    pseudonyms.replaceIn(reader.event);
    if (!addRow({ group, marked, request, now, minutesFrom }, row, reader.event)) repeated++;
  }
  return repeated;
}
const rowsIn = (part: SystemDelta | undefined) => part?.kept?.rows ?? [];
/** What a part says to Redis, whatever the rows it came from. */
const contentOf = ({ hours, minutes, sampleKeys }: SystemDelta) => ({ hours, minutes, sampleKeys });

const plainRows = (from: number, to: number) =>
  rowsOf(from, to).map((row) => ({ ...row, metadata: { latency_ms: 1 } }));

t.test('rows of one system share parts of at most 256, whatever request they are of', async (t) => {
  const group = createDelta();
  for (let request = 0; request < 10; request++) {
    t.equal(add(group, plainRows(request * 40, request * 40 + 40), request), 0);
  }
  add(group, rowsOf(0, 3, 'other'), 10);
  t.strictSame(
    group.apart.map((part) => [part.system, rowsIn(part).length]),
    [
      ['s', 256],
      ['s', 144],
      ['other', 3],
    ],
  );
  t.strictSame(group.apart[0].requests, [0, 1, 2, 3, 4, 5, 6]);
  t.strictSame(group.apart[1].requests, [6, 7, 8, 9]);
  t.equal(group.events, 403);
  t.equal(group.systems.size, 0);
});

t.test('rows that touch many keys of Redis make parts of fewer', async (t) => {
  const metadata = Object.fromEntries(Array.from({ length: 32 }, (_, i) => [`m${i}`, i]));
  const wide = rowsOf(0, 100).map((row, i) => ({ ...row, timestamp: now - i * 3_600_000, metadata }));
  const late = plainRows(100, 200).map((row, i) => ({ ...row, timestamp: now - i * 3_600_000 }));
  for (const [rows, most] of [
    [wide, 8],
    [late, 32],
  ] as const) {
    const group = createDelta();
    add(group, rows, 0);
    t.ok(group.apart.every((part) => rowsIn(part).length <= most));
    t.equal(group.apart.flatMap(rowsIn).length, 100);
  }
});

t.test(
  'a row whose id is on its way is left out, and its request depends on the part of the first',
  async (t) => {
    const group = createDelta();
    add(group, plainRows(0, 300), 0);
    t.equal(add(group, [...plainRows(0, 5), ...plainRows(298, 302)], 1), 7);
    t.equal(add(group, plainRows(1, 2), 2), 1);
    t.strictSame(
      group.apart.map(({ requests }) => requests),
      [
        [0, 1, 2],
        [0, 1],
      ],
    );
    t.equal(group.events, 302);
    t.equal(add(group, rowsOf(0, 5, 'other'), 2), 0, 'in another system it is another event');
  },
);

t.test(
  'what is left of a part is what its other rows alone would be, under pseudonyms as before',
  async (t) => {
    const group = createDelta();
    add(group, rowsOf(0, 20), 0);
    add(group, rowsOf(20, 40), 1);
    const [part] = group.apart;
    const { requests, lastEvent } = part;
    const duplicates = new Map<number, number>();
    t.equal(leaveOut(part, [1, 2, 21, 40], duplicates, refold), true);
    t.strictSame(
      duplicates,
      new Map([
        [0, 2],
        [1, 2],
      ]),
    );
    const alone = createDelta();
    add(alone, [...rowsOf(2, 20), ...rowsOf(21, 39)], 0);
    t.strictSame(contentOf(part), contentOf(alone.apart[0]));
    t.strictSame(rowsIn(part), rowsIn(alone.apart[0]));
    t.strictSame({ requests: part.requests, lastEvent: part.lastEvent }, { requests, lastEvent });
    t.equal(
      leaveOut(
        part,
        Array.from({ length: 36 }, (_, i) => i + 1),
        duplicates,
        refold,
      ),
      false,
    );
    t.strictSame(
      duplicates,
      new Map([
        [0, 20],
        [1, 20],
      ]),
    );
  },
);

t.test('a part with a marker keeps its rows without an id, and notes how many were left out', async (t) => {
  const head = markerHead(bucketAt('hour', now), 86_400);
  const marked = createMarkedRows({ id: 'i', at: now, chunk: 0, partRows: 4, head, onMarker: () => {} });
  const group = createDelta();
  const [plain, ...others] = rowsOf(0, 6);
  const { event_id: _, ...withoutId } = plain;
  t.equal(add(group, [withoutId, ...others, others[0], withoutId], 7, marked), 1);
  marked.handTo(group);
  t.strictSame(
    group.apart.map((part) => rowsIn(part).length),
    [4, 3],
  );
  const [part] = group.apart;
  const duplicates = new Map<number, number>();
  t.equal(leaveOut(part, [1, 3], duplicates, refold), true);
  t.strictSame(rowsIn(part), [withoutId, others[1]]);
  t.match(part.marker, { field: 'i:0:0', duplicates: 2 });
  t.equal(leaveOut(part, [1], duplicates, refold), true);
  t.match(part.marker, { duplicates: 3 });
  t.strictSame(duplicates, new Map([[7, 3]]));
});
