/** POST /api/v1/events*: rows that are refused, each by code and pointer, with nothing of them stored. */
import { ExtData, encode } from '@msgpack/msgpack';
import t, { type Test } from 'tap';
import { startApp } from '../support/app.js';
import { event as eventNow, json, msgpack, ndjson, post, postRows } from '../support/http.js';
import { stateOf } from '../support/redis-state.js';

const { base, redis, stop } = await startApp();
t.teardown(stop);

type Case = [name: string, row: unknown, pointer: string];

/** All at one time, so that the directory of systems has nothing to write down later. */
const event = (fields: object = {}) => eventNow({ timestamp: 1_700_000_000, ...fields });
const levels = (count: number) => '['.repeat(count) + ']'.repeat(count);
/** An event in JSON with a part that JSON.stringify cannot write. */
const spliced = (fields: object, part: string) => JSON.stringify(event(fields)).replace('"here"', part);
const packed = (value: unknown) => Buffer.from(encode(value));

/** Sends a row alone: 400; and between two good ones: both are stored, the bad one is listed. */
async function isRefused(
  t: Test,
  code: string,
  pointer: string,
  bodyOf: (rows: number) => [string | Buffer, object],
) {
  const before = await stateOf(redis);
  const [alone, headers] = bodyOf(1);
  const refused = await post(base, alone, headers as Record<string, string>);
  t.equal(refused.status, 400);
  t.hasStrict(refused.body, { code: 'events_invalid', errors: [{ index: 0, code, pointer }] });
  t.ok(refused.body.errors?.[0]?.detail, 'it is explained');
  t.same(await stateOf(redis), before, 'nothing is stored');
  const [among] = bodyOf(3);
  const partial = await post(base, among, headers as Record<string, string>);
  t.equal(partial.status, 201);
  t.hasStrict(partial.body, { accepted: 2, rejected: 1, errors: [{ index: 1, code, pointer }] });
}

function refuses(t: Test, code: string, cases: readonly Case[]): void {
  for (const [name, row, pointer] of cases) {
    t.test(`${code}: ${name}`, async (t) => {
      const text = typeof row === 'string' && row.startsWith('{') ? row : JSON.stringify(row);
      const good = JSON.stringify(event());
      await isRefused(t, code, pointer, (rows) => [
        rows === 1 ? `[${text}]` : `[${good},${text},${good}]`,
        json,
      ]);
      await isRefused(t, code, pointer, (rows) => [rows === 1 ? text : `${good}\n${text}\n${good}`, ndjson]);
    });
  }
}

function refusesPacked(t: Test, code: string, cases: readonly Case[]): void {
  for (const [name, row, pointer] of cases) {
    t.test(`${code}: msgpack with ${name}`, (t) =>
      isRefused(t, code, pointer, (rows) => [packed(rows === 1 ? [row] : [event(), row, event()]), msgpack]),
    );
  }
}

t.test('POST /api/v1/events/batch', async (t) => {
  t.equal((await postRows(base, [event()])).status, 201, 'there is something to compare with');

  t.test('400 of objects that are none', async (t) => {
    refuses(t, 'not_an_object', [
      ['an array for an event', [event()], ''],
      ['a number for an event', 1, ''],
      ['null for an event', null, ''],
    ]);
    refusesPacked(t, 'not_an_object', [
      ['a timestamp for an event', new Date(0), ''],
      ['bytes for an event', new Uint8Array(3), ''],
      ['an ext for an event', new ExtData(5, new Uint8Array(3)), ''],
    ]);
    refuses(t, 'type_invalid', [
      ['an array for metadata', event({ metadata: [] }), '/metadata'],
      ['text for metadata', event({ metadata: 'x' }), '/metadata'],
      ['an array for a system', event({ system: ['crm'] }), '/system'],
      ['an object for a user', event({ user_id: { id: 'a' } }), '/user_id'],
      ['an array for an ip', event({ metadata: { ip: ['10.0.0.1'] } }), '/metadata/ip'],
      ['an object for an endpoint', event({ metadata: { endpoint: {} } }), '/metadata/endpoint'],
      ['a number for a system', event({ system: 1 }), '/system'],
      ['a number for a user', event({ user_id: 1 }), '/user_id'],
      ['a number for a session', event({ session_id: 1 }), '/session_id'],
      ['a number for an ip', event({ metadata: { ip: 1 } }), '/metadata/ip'],
      ['true for a user', event({ user_id: true }), '/user_id'],
    ]);
    refusesPacked(t, 'type_invalid', [
      ['an ext for metadata', event({ metadata: new ExtData(5, new Uint8Array(3)) }), '/metadata'],
      ['bytes for a user', event({ user_id: new Uint8Array(3) }), '/user_id'],
    ]);
  });

  t.test('400 of names', async (t) => {
    refuses(t, 'required', [
      ['no system', event({ system: undefined }), '/system'],
      ['null for a system', event({ system: null }), '/system'],
      ['no type', event({ event_type: undefined }), '/event_type'],
    ]);
    refuses(t, 'value_unknown', [
      ['an unknown type', event({ event_type: 'login' }), '/event_type'],
      ['a type in capitals', event({ event_type: 'USER_LOGIN' }), '/event_type'],
      ['a type that every object has', event({ event_type: 'constructor' }), '/event_type'],
      ['an array for a type', event({ event_type: ['user_login'] }), '/event_type'],
    ]);
    refuses(t, 'name_reserved', [['the system that means all', event({ system: '*' }), '/system']]);
    refuses(t, 'empty', [['an empty system', event({ system: '' }), '/system']]);
    refuses(t, 'too_long', [
      ['a system of 257 bytes', event({ system: 's'.repeat(257) }), '/system'],
      ['a system of 258 bytes in 86 characters', event({ system: '€'.repeat(86) }), '/system'],
      ['a user of 513 bytes', event({ user_id: 'u'.repeat(513) }), '/user_id'],
      ['a session of 513 bytes', event({ session_id: 'u'.repeat(513) }), '/session_id'],
      ['an ip of 513 bytes', event({ metadata: { ip: '1'.repeat(513) } }), '/metadata/ip'],
      [
        'an endpoint of 2,049 bytes',
        event({ metadata: { endpoint: '/'.repeat(2_049) } }),
        '/metadata/endpoint',
      ],
    ]);
    refuses(t, 'not_unicode', [
      ['a lone high surrogate', spliced({ user_id: 'here' }, '"al\\ud800ice"'), '/user_id'],
      ['a lone low surrogate', spliced({ system: 'here' }, '"\\udc00"'), '/system'],
      ['surrogates the wrong way round', spliced({ session_id: 'here' }, '"\\udc00\\ud800"'), '/session_id'],
      ['a lone surrogate in a key', spliced({ metadata: 'here' }, '{"a\\ud800":1}'), '/metadata/a\ufffd'],
    ]);
  });

  t.test('400 of metadata', async (t) => {
    const keys = Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`k${i}`, i]));
    refuses(t, 'metadata_too_large', [['10,000 keys', event({ metadata: keys }), '/metadata']]);
    refuses(t, 'nesting_too_deep', [
      ['100,000 levels', spliced({ metadata: { a: 'here' } }, levels(100_000)), '/metadata/a'],
      [
        'levels of objects',
        spliced({ metadata: { a: 'here' } }, `${'{"a":'.repeat(99)}1${'}'.repeat(99)}`),
        '/metadata/a',
      ],
      [
        'levels under a key with a slash',
        spliced({ metadata: { 'a/~': 'here' } }, levels(99)),
        '/metadata/a~1~0',
      ],
    ]);
    refuses(t, 'number_not_finite', [
      ['1e400', spliced({ metadata: { x: 'here' } }, '1e400'), '/metadata/x'],
      [
        '-1e400 for a status code',
        spliced({ metadata: { status_code: 'here' } }, '-1e400'),
        '/metadata/status_code',
      ],
    ]);
    refusesPacked(t, 'number_not_finite', [
      ['NaN', event({ metadata: { x: Number.NaN } }), '/metadata/x'],
      ['Infinity', event({ metadata: { x: Number.POSITIVE_INFINITY } }), '/metadata/x'],
    ]);
    t.test('what nobody reads may be anything', async (t) => {
      const rows = [spliced({ extra: 'here' }, levels(100_000)), spliced({ extra: 'here' }, '1e400')];
      for (const row of rows) t.equal((await post(base, row)).status, 201);
    });
  });

  t.test('400 of timestamps', async (t) => {
    const invalid = [
      '2025-02-30T12:00:00Z',
      '2025-02-29T12:00:00Z',
      '2024-13-01',
      '2024-13-01T00:00:00Z',
      '2024-00-10T00:00:00Z',
      '2024-01-01T25:00:00Z',
      '2024-01-01T24:00:00Z',
      '2024-01-01T00:60:00Z',
      '2024-01-01T00:00:00',
      '2024-01-01T00:00:00+0100',
      '2024-01-01T00:00:00+25:00',
      '2024-01-01',
      '01/31/2024',
      '01/31/2024 10:00:00',
      'Jan 31 2024',
      '20231114',
      '1700000000 ',
      '-001-01-01T00:00:00Z',
      '10000-01-01T00:00:00Z',
      ' 2024-01-01T00:00:00Z',
      '2024-01-01T00:00:00.Z',
      'now',
      '',
      1e30,
      -1e30,
      true,
      [],
      {},
      [1_700_000_000],
    ];
    const cases: Case[] = invalid.map((timestamp) => [
      JSON.stringify(timestamp),
      event({ timestamp }),
      '/timestamp',
    ]);
    refuses(t, 'timestamp_invalid', [
      ...cases,
      ['1e400', spliced({ timestamp: 'here' }, '1e400'), '/timestamp'],
    ]);
    refusesPacked(t, 'timestamp_invalid', [
      ['NaN for a time', event({ timestamp: Number.NaN }), '/timestamp'],
      ['bytes for a time', event({ timestamp: new Uint8Array(3) }), '/timestamp'],
    ]);
    refuses(t, 'timestamp_in_future', [
      ['the year 9999', event({ timestamp: '9999-12-31T23:59:59Z' }), '/timestamp'],
      ['the year 5138 as a number', event({ timestamp: 99_999_999_999 }), '/timestamp'],
    ]);
  });

  t.test('one key that msgpack decoders fear does not cost the rows around it', async (t) => {
    const body = packed([event({ system: 'around' }), event({ metadata: { __proto_: 1 } })]);
    const renamed = Buffer.from(body.toString('latin1').replace('\xa8__proto_', '\xa9__proto__'), 'latin1');
    t.match(await post(base, renamed, msgpack), { status: 201 });
  });

  t.test('a refused row leaves no claim to one of the SYSTEMS_MAX places', async (t) => {
    const small = await startApp({ config: { SYSTEMS_MAX: 2 } });
    t.teardown(small.stop);
    const rows = [event({ system: 'a' }), event({ system: 'b' }), {}];
    t.equal((await postRows(small.base, rows, { prefer: 'handling=strict' })).status, 400);
    t.equal((await postRows(small.base, [event({ system: 'c' })])).status, 201);
  });
});
