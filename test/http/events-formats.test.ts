/** POST /api/v1/events and /events/batch: the forms a body may have, and the answers in their shapes. */
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { encode } from '@msgpack/msgpack';
import t from 'tap';
import { startApp } from '../support/app.js';
import {
  type BatchAnswer,
  compliance,
  event,
  get,
  json,
  msgpack,
  ndjson,
  post,
  send,
} from '../support/http.js';

const paths = ['/api/v1/events', '/api/v1/events/batch'];
const { base, stop } = await startApp();
t.teardown(stop);

let names = 0;
/** Three events of a system that no other test uses. */
function threeEvents() {
  const system = `format-${names++}`;
  return { system, rows: ['a', 'b', 'c'].map((user_id) => event({ system, user_id })) };
}

async function countUsers(system: string): Promise<number> {
  const path = compliance('distinct/users', { system, window: '1h' });
  return (await get<{ count: number }>(base, path)).body.count;
}

const lines = (rows: readonly unknown[], end = '\n') => rows.map((row) => JSON.stringify(row)).join(end);
const packed = (value: unknown) => Buffer.from(encode(value));

type Rows = Record<string, unknown>[];
const forms: [name: string, headers: Record<string, string>, body: (rows: Rows) => string | Buffer][] = [
  ['a bare array', json, (rows) => JSON.stringify(rows)],
  ['{"events": []}', json, (rows) => JSON.stringify({ events: rows })],
  [
    'JSON with a charset',
    { 'content-type': 'application/json; charset=utf-8' },
    (rows) => JSON.stringify(rows),
  ],
  ['NDJSON without a final line end', ndjson, (rows) => lines(rows)],
  ['NDJSON with a final line end', ndjson, (rows) => `${lines(rows)}\n`],
  ['NDJSON with blank lines', ndjson, (rows) => `\n\n${lines(rows, '\n \t\n\n')}\n\n`],
  ['NDJSON with CRLF', ndjson, (rows) => `${lines(rows, '\r\n')}\r\n`],
  ['application/jsonl', { 'content-type': 'application/jsonl' }, (rows) => lines(rows)],
  ['application/ndjson', { 'content-type': 'application/ndjson' }, (rows) => lines(rows)],
  ['application/msgpack', msgpack, packed],
  ['application/x-msgpack', { 'content-type': 'application/x-msgpack' }, packed],
  ['application/vnd.msgpack', { 'content-type': 'application/vnd.msgpack' }, packed],
  ['msgpack {"events": []}', msgpack, (rows) => packed({ events: rows })],
];

for (const path of paths) {
  t.test(`POST ${path}`, async (t) => {
    t.test('201', async (t) => {
      for (const [name, headers, body] of forms) {
        t.test(`a batch as ${name} is stored and accounted for`, async (t) => {
          const { system, rows } = threeEvents();
          const { status, body: answer } = await post(base, body(rows), headers, path);
          t.equal(status, 201);
          t.hasStrict(answer, {
            success: true,
            processed: 3,
            total: 3,
            accepted: 3,
            rejected: 0,
            errors: [],
            errorsTruncated: false,
          });
          t.type((answer as BatchAnswer & { message: string }).message, 'string');
          t.type(answer.requestId, 'string');
          t.equal(await countUsers(system), 3);
        });
      }

      const encodings = { gzip: gzipSync, br: brotliCompressSync, deflate: deflateSync } as const;
      for (const [encoding, compressBody] of Object.entries(encodings)) {
        for (const [name, headers, body] of [forms[0], forms[3], forms[9]]) {
          t.test(`${name} in ${encoding} is stored`, async (t) => {
            const { system, rows } = threeEvents();
            const bytes = compressBody(Buffer.from(body(rows) as string));
            const answer = await post(base, bytes, { ...headers, 'content-encoding': encoding }, path);
            t.equal(answer.status, 201);
            t.equal(await countUsers(system), 3);
          });
        }
      }

      t.test('the names of encodings and media types are read in any case', async (t) => {
        const { system, rows } = threeEvents();
        const headers = { 'content-type': 'Application/JSON', 'content-encoding': 'GZip' };
        t.equal((await post(base, gzipSync(JSON.stringify(rows)), headers, path)).status, 201);
        t.equal(await countUsers(system), 3);
      });

      t.test('a chunked upload of NDJSON cut anywhere is put together again', async (t) => {
        const { system, rows } = threeEvents();
        async function* bytewise() {
          for (const byte of Buffer.from(`${lines(rows)}\n`)) yield Buffer.from([byte]);
        }
        t.hasStrict((await post(base, bytewise(), ndjson, path)).body, { accepted: 3, rejected: 0 });
        t.equal(await countUsers(system), 3);
      });
    });

    t.test('HEAD is 200 without a body, as senders want it of their target', async (t) => {
      const { status, bytes } = await send(base, { method: 'HEAD', path });
      t.equal(status, 200);
      t.equal(bytes.length, 0);
    });

    t.test('405', async (t) => {
      for (const method of ['GET', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
        t.test(`${method} is refused and Allow names what is offered`, async (t) => {
          const { status, headers, body } = await send(base, { method, path });
          t.equal(status, 405);
          t.equal(headers.allow, 'HEAD, POST');
          t.hasStrict(body, { code: 'method_not_allowed' });
        });
      }
    });
  });
}

t.test('POST /api/v1/events', async (t) => {
  const [path] = paths;
  const single = event({ system: 'single', timestamp: 1_700_000_000 });
  for (const [name, headers, body] of [
    ['JSON', json, JSON.stringify(single)],
    ['msgpack', msgpack, packed(single)],
  ] as const) {
    t.test(`one event as ${name} is answered as one event`, async (t) => {
      const { status, body: answer } = await post<Record<string, unknown>>(base, body, headers, path);
      t.equal(status, 201);
      t.hasStrict(answer, { success: true, timestamp: '2023-11-14T22:13:20.000Z' });
      t.type(answer.event_id, 'string');
      t.type(answer.message, 'string');
    });
  }

  t.test('every form of a timestamp is the same instant', async (t) => {
    const forms = [
      '2023-11-14T22:13:20Z',
      '2023-11-14t22:13:20.000z',
      '2023-11-14T23:13:20+01:00',
      '2023-11-14 16:43:20-05:30',
      1_700_000_000,
      1_700_000_000_000,
      1_700_000_000_000_000,
      1_700_000_000_000_000_000,
      '1700000000',
      '1700000000.0',
      '1700000000000',
    ];
    for (const timestamp of forms) {
      const answer = await post(base, JSON.stringify(event({ timestamp })), json, path);
      t.hasStrict(answer.body, { timestamp: '2023-11-14T22:13:20.000Z' }, String(timestamp));
    }
    const answer = await post(base, packed(event({ timestamp: new Date(1_700_000_000_000) })), msgpack, path);
    t.hasStrict(answer.body, { timestamp: '2023-11-14T22:13:20.000Z' }, 'the timestamp type of msgpack');
  });
});

t.test('POST /api/v1/events/batch takes one bare event and answers as for a batch', async (t) => {
  const { body } = await post(base, JSON.stringify(event()));
  t.hasStrict(body, { success: true, processed: 1, total: 1 });
});
