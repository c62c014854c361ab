/** Marked rows: which rows a marker stands for, whatever else happens to them. */
import fc from 'fast-check';
import t from 'tap';
import { createDelta, foldEvent, type SystemDelta } from '../../../src/events/delta.js';
import { createMarkedRows, markerHead } from '../../../src/events/marked-rows.js';
import { bucketAt } from '../../../src/windows/bucket.js';
import { now, readRow } from '../../support/write-path.js';

const head = markerHead(bucketAt('hour', now), 86_400);

interface Row {
  system: string;
  user_id: string;
  isRefused: boolean;
}

/** The users in each part of some rows, by system and marker. */
function partsOf(rows: readonly Row[], partRows: number): Map<string, string[]> {
  const noted: string[] = [];
  const onMarker = (system: string, field: string) => void noted.push(`${system} ${field}`);
  const marked = createMarkedRows({ id: 'id', at: now, chunk: 7, partRows, head, onMarker });
  for (const { isRefused, ...row } of rows) {
    if (isRefused) marked.pass(row);
    else foldEvent(marked.nextDelta(row.system), readRow(row), 3, 0);
  }
  const group = createDelta();
  marked.handTo(group);
  const usersOf = ({ minutes }: SystemDelta) =>
    [...minutes.values()].flatMap(({ tallies }) => [...tallies[0].keys()]);
  const parts = new Map(
    group.apart.map((part) => [`${part.system} ${part.marker?.field}`, usersOf(part)] as const),
  );
  if (group.apart.length !== parts.size) throw new Error('a marker stands for two parts');
  if (group.systems.size > 0) throw new Error('a part has merged with others');
  if (noted.sort().join() !== [...parts.keys()].sort().join()) throw new Error('not all markers are noted');
  if (group.events !== rows.filter(({ isRefused }) => !isRefused).length)
    throw new Error('events are missing');
  if (group.apart.some(({ requests }) => requests.join() !== '3')) throw new Error('the request is lost');
  return parts;
}

const row = fc.record({
  system: fc.constantFrom('a', 'b', 'c'),
  isRefused: fc.boolean(),
});
const body = fc
  .array(row, { maxLength: 60 })
  .map((rows) => rows.map((one, i) => ({ ...one, user_id: `u${i}` })));

t.test(
  'a part holds the rows of one system whose numbers, among all that name it, are its own',
  async (t) => {
    fc.assert(
      fc.property(body, fc.integer({ min: 1, max: 9 }), (rows, partRows) => {
        const expected = new Map<string, string[]>();
        for (const system of ['a', 'b', 'c']) {
          rows
            .filter((one) => one.system === system)
            .forEach(({ user_id, isRefused }, number) => {
              const marker = `${system} id:7:${Math.floor(number / partRows)}`;
              if (!isRefused) expected.set(marker, [...(expected.get(marker) ?? []), user_id]);
            });
        }
        t.strictSame(new Map([...partsOf(rows, partRows)].sort()), new Map([...expected].sort()));
      }),
      { seed: 1, numRuns: 300 },
    );
  },
);

t.test('a row that is refused in one try and taken in the next moves no other row', async () => {
  fc.assert(
    fc.property(body, body, fc.integer({ min: 1, max: 9 }), (rows, dice, partRows) => {
      const again = rows.map((one, i) => ({ ...one, isRefused: dice[i]?.isRefused ?? one.isRefused }));
      const places = (parts: Map<string, string[]>) =>
        new Map([...parts].flatMap(([marker, users]) => users.map((user) => [user, marker] as const)));
      const [first, second] = [places(partsOf(rows, partRows)), places(partsOf(again, partRows))];
      return [...first].every(([user, marker]) => (second.get(user) ?? marker) === marker);
    }),
    { seed: 2, numRuns: 300 },
  );
});

t.test('what is no row of a system is passed over', async (t) => {
  const marked = createMarkedRows({ id: 'i', at: now, chunk: 0, partRows: 1, head, onMarker: () => {} });
  for (const other of [null, 1, 'text', [], {}, { system: 1 }, Symbol('line')]) marked.pass(other);
  foldEvent(marked.nextDelta('s'), readRow({}), 0, 0);
  const group = createDelta();
  marked.handTo(group);
  t.match(group.apart, [{ system: 's', marker: { field: 'i:0:0' } }]);
});

t.test('the hash of markers outlives every claim of its hour', async (t) => {
  const [suffix, seconds] = head;
  t.equal(suffix, 'idem:all:hour:2026-01-31T13');
  t.ok(Number(seconds) > 86_400 + 3_600);
});
