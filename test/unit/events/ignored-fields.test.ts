/** Ignored fields: what a sender may think is read, by the name under which it was sent. */
import t from 'tap';
import { ignoredNamesMax } from '../../../src/events/ignored-fields.js';
import { addNotices, noteIgnored, noticeMembers, openNotices } from '../../../src/events/notices.js';
import { createEventReader } from '../../../src/events/read-event.js';
import { now, type Row } from '../../support/write-path.js';

const known: Row = {
  event_type: 'user_login',
  system: 's',
  event_id: 'e-1',
  user_id: 'u',
  session_id: 'x',
  timestamp: now,
  metadata: { ip: 'i', endpoint: '/', status: 'failed', status_code: 401, latency_ms: 1, program: 'sshd' },
};

function ignoredOf(row: Row, readsIds = true): string[] {
  const reader = createEventReader(0, readsIds);
  t.equal(reader.read({ event_type: 'custom', system: 's', timestamp: now, ...row }, now), undefined);
  return [...reader.event.ignored.names];
}

t.test('of an event whose fields are all known nothing is ignored', async (t) => {
  t.strictSame(ignoredOf(known), []);
  t.strictSame(ignoredOf({}), []);
});

t.test('a field beside metadata that no event has is ignored, unless it is null', async (t) => {
  const row = { ip: '192.0.2.1', status: 'failed', latency_ms: 12, '@timestamp': 1, time: 1, note: null };
  t.strictSame(ignoredOf(row), ['ip', 'status', 'latency_ms', '@timestamp', 'time']);
  t.strictSame(ignoredOf(JSON.parse('{"__proto__":1,"constructor":2,"":3}')), [
    '__proto__',
    'constructor',
    '',
  ]);
});

t.test('an id is ignored where ids are not read', async (t) => {
  t.strictSame(ignoredOf({ event_id: 'e' }, false), ['event_id']);
  t.strictSame(ignoredOf({ event_id: null }, false), []);
});

t.test('an empty optional field is absent, and ignored', async (t) => {
  const reader = createEventReader(0, true);
  const row = { event_id: '', user_id: '', session_id: '', metadata: { ip: '', endpoint: '', '': 1 } };
  t.equal(reader.read({ event_type: 'custom', system: 's', ...row }, now), undefined);
  const { id, user, session, ip, endpoint, numberKeys, ignored } = reader.event;
  t.strictSame([id, user, session, ip, endpoint, numberKeys], [...Array(5).fill(undefined), []]);
  const names = ['user_id', 'session_id', 'event_id', 'metadata.', 'metadata.ip', 'metadata.endpoint'];
  t.strictSame(ignored.names, names);
  t.match(reader.read({ event_type: 'custom', system: '' }, now), { code: 'empty', pointer: '/system' });
});

t.test('fields of the event inside metadata are ignored where the event has none', async (t) => {
  const metadata = { user_id: 'u', session_id: 'x', timestamp: '2026-01-31T13:37:00Z' };
  t.strictSame(ignoredOf({ timestamp: null, metadata }), [
    'metadata.user_id',
    'metadata.session_id',
    'metadata.timestamp',
  ]);
  t.strictSame(ignoredOf({ user_id: 'u', session_id: 'x', metadata }), []);
});

t.test('numbers inside objects and lists are ignored under a path of two levels at most', async (t) => {
  const cases: [metadata: object, names: string[]][] = [
    [{ db: { ms: 4, name: 'x', status_code: 200 } }, ['metadata.db.ms']],
    [{ db: { pool: { size: 4 }, tags: ['a'] } }, ['metadata.db.pool']],
    [{ sizes: [1, 2] }, ['metadata.sizes']],
    [{ sizes: ['a', { b: [2] }] }, ['metadata.sizes']],
    [{ source: { ip: '192.0.2.1', port: 80 } }, ['metadata.source.ip']],
    [{ ip: '192.0.2.1', source: { ip: '192.0.2.2' } }, []],
    [{ event: { outcome: 'failure' }, tags: ['a'], when: new Date(0), bytes: new Uint8Array(3) }, []],
  ];
  for (const [metadata, names] of cases)
    t.strictSame(ignoredOf({ metadata }), names, JSON.stringify(metadata));
});

t.test('a number written as text is ignored where its key says a unit', async (t) => {
  const metadata = { latency_ms: '84', bytes_in: '-1.5', version: '3', ip: '10.0.0.1', sent_bytes: '3 KB' };
  t.strictSame(ignoredOf({ metadata }), ['metadata.latency_ms', 'metadata.bytes_in']);
});

t.test('of one row a bounded number of names is kept, and none is long', async (t) => {
  const reader = createEventReader(0);
  const row = Object.fromEntries(Array.from({ length: 1_000 }, (_, i) => [`${i}${'😀'.repeat(500)}`, 1]));
  reader.read({ event_type: 'custom', system: 's', ...row }, now);
  const { names, more } = reader.event.ignored;
  t.equal(names.length, ignoredNamesMax);
  t.equal(more, 1_000 - ignoredNamesMax);
  for (const name of names) t.ok(name.length <= 64 && name.isWellFormed() && name.endsWith('...'), name);
});

t.test('notices count names up to a bound and all others together, however they are added up', async (t) => {
  const total = openNotices();
  t.strictSame(noticeMembers(total), {}, 'what is empty is left out');
  for (let i = 0; i < 3; i++) {
    const part = openNotices();
    for (let row = 0; row < 30; row++) noteIgnored(part, { names: ['ip', `f${row}`], more: 1 });
    part.withoutTime = 2;
    addNotices(total, part);
  }
  const { defaulted, ignored = {} } = noticeMembers(total);
  t.strictSame(defaulted, { timestamp: 6 });
  t.equal(Object.keys(ignored).length, ignoredNamesMax + 1);
  t.match(ignored, { ip: 90, f0: 3, f18: 3, '...': 3 * (11 + 30) });
  t.equal(
    Object.values(ignored).reduce((sum, count) => sum + count, 0),
    3 * 30 * 3,
    'none is lost',
  );
});
