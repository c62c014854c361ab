/** Bodies that are not quite what their type says: byte order marks, other formats, JSON over several lines. */
import { gzipSync } from 'node:zlib';
import t from 'tap';
import { startApp } from '../support/app.js';
import { type BatchAnswer, compliance, event, get, json, ndjson, post } from '../support/http.js';

const { base, stop } = await startApp();
t.teardown(stop);

const mark = '\ufeff';
let names = 0;
const someSystem = () => `foreign-${names++}`;
const row = (system: string, user_id: string) => JSON.stringify(event({ system, user_id }));

async function countUsers(system: string): Promise<number> {
  const path = compliance('distinct/users', { system, window: '1h' });
  const { status, body } = await get<{ count: number; code: string }>(base, path);
  return status === 404 && body.code === 'system_unknown' ? 0 : body.count;
}

t.test('a byte order mark costs no event', async (t) => {
  const cases: [name: string, type: Record<string, string>, body: (a: string, b: string) => string][] = [
    ['at the start of a list', json, (a, b) => `${mark}[${a},${b}]`],
    ['at the start of an object', json, (a, b) => `${mark}{"events":[${a},${b}]}`],
    ['at the start of lines', ndjson, (a, b) => `${mark}${a}\n${b}\n`],
    ['at the start of a later line', ndjson, (a, b) => `${a}\r\n${mark}${b}\r\n`],
    ['twice, and on a line of its own', ndjson, (a, b) => `${mark}${mark}${a}\n${mark}\n${b}\n${mark}`],
  ];
  for (const [name, type, body] of cases) {
    for (const [packing, headers, pack] of [
      ['plain', {}, Buffer.from],
      ['gzip', { 'content-encoding': 'gzip' }, gzipSync],
    ] as const) {
      const system = someSystem();
      const bytes = pack(body(row(system, 'a'), row(system, 'b')));
      const { status, body: answer } = await post(base, bytes, { ...type, ...headers });
      t.match(
        { status, answer },
        { status: 201, answer: { accepted: 2, rejected: 0 } },
        `${name}, ${packing}`,
      );
      t.equal(await countUsers(system), 2);
    }
  }

  t.test('also where it arrives in pieces', async (t) => {
    const system = someSystem();
    async function* bytewise() {
      for (const byte of Buffer.from(`${mark}${row(system, 'a')}\n${mark}${row(system, 'b')}`)) {
        yield Buffer.from([byte]);
      }
    }
    t.hasStrict((await post(base, bytewise(), ndjson)).body, { accepted: 2, rejected: 0 });
  });

  t.test('nor a question that is asked with a body', async (t) => {
    const body = `${mark}${JSON.stringify({ systems: ['crm'] })}`;
    t.equal((await post(base, body, json, '/api/v1/compliance/summaries')).status, 200);
  });

  t.test('inside a line or a name it is no mark', async (t) => {
    const system = `${mark}${someSystem()}`;
    const body = `${row(system, 'a')}\n{${mark}"event_type":"custom","system":"x"}\n`;
    t.hasStrict((await post(base, body, ndjson)).body, { accepted: 1, rejected: 1 });
    t.equal(await countUsers(system), 1, 'it belongs to the name');
  });
});

t.test('the refusal of a body that is something else says what it looks like', async (t) => {
  const access = '192.0.2.1 - - [31/Jan/2026:13:37:00 +0000] "GET / HTTP/1.1" 200 2 "-" "curl"\n';
  const first = /^The line is not valid JSON in UTF-8. It looks like an nginx access log \(or Apache\)\.$/;
  const refused = await post(base, access.repeat(3), ndjson);
  t.match(refused, {
    status: 400,
    body: { code: 'events_invalid', errors: [{ index: 0, detail: first }, {}, {}] },
  });
  t.match(refused.body.detail, 'It looks like an nginx access log');
  t.equal(refused.body.errors[1]?.detail, 'The line is not valid JSON in UTF-8.', 'the first line only');
  const asJson = await post(base, access, json);
  t.match(asJson.body, { code: 'body_malformed', detail: /; it looks like an nginx access log/ });
  const wide = Buffer.from(`${mark}[${row('crm', 'a')}]`, 'utf16le');
  t.match((await post(base, wide, json)).body, { code: 'body_not_utf8', detail: /looks like UTF-16 text/ });
  t.match((await post(base, wide, ndjson)).body, {
    code: 'body_malformed',
    detail: /looks like UTF-16 text/,
  });
  const lines = `${row('crm', 'a')}\n${row('crm', 'b')}\n`;
  const detail = /looks like NDJSON, whose type is application\/x-ndjson/;
  t.match((await post(base, lines, json)).body, { code: 'body_malformed', detail });

  t.test('and takes the rows that are events all the same', async (t) => {
    const system = someSystem();
    const { status, body } = await post(base, `${access}${row(system, 'a')}\n`, ndjson);
    t.match({ status, body }, { status: 201, body: { accepted: 1, errors: [{ index: 0, detail: first }] } });
  });
});

t.test('of JSON over several lines that is sent as NDJSON nothing is taken by accident', async (t) => {
  const system = someSystem();
  const [a, b] = [row(system, 'a'), row(system, 'b')];
  const values = [JSON.parse(a), JSON.parse(b)];
  for (const body of [
    `[\n${a},\n${b}\n]\n`,
    `${mark}\n [ ${a},\n${b}\n]`,
    `{"events": [\n${a},\n${b}\n]}`,
    `{\n"events":\n[\n${a},\n${b}\n]}`,
    JSON.stringify(values, null, 2),
  ]) {
    for (const headers of [ndjson, { ...ndjson, prefer: 'handling=strict' }]) {
      const { status, body: answer } = await post(base, body, headers);
      t.match({ status, answer }, { status: 400, answer: { code: 'body_malformed' } }, body);
      t.match(answer.detail, 'one JSON value over several lines');
    }
  }
  t.equal(await countUsers(system), 0);

  t.test('and its key is free for the same body under its own type', async (t) => {
    const key = { 'idempotency-key': '"pretty"' };
    const body = `[\n${a},\n${b}\n]\n`;
    t.equal((await post(base, body, { ...ndjson, ...key })).status, 400);
    t.match(await post(base, body, { ...json, ...key }), { status: 201, body: { accepted: 2 } });
  });
});

t.test('lines that are JSON and no events are refused one by one', async (t) => {
  const { body } = await post(base, '1\n{}\n[]\n"x"\nnull\ntrue\n', ndjson);
  const codes = body.errors.map(({ code }) => code);
  const notAnObject = 'not_an_object';
  t.same(codes, [notAnObject, 'required', notAnObject, notAnObject, notAnObject, notAnObject]);
});

t.test(
  'good rows around bad ones are stored, each bad one has its index and code; strict: none',
  async (t) => {
    const system = someSystem();
    const body = [
      row(system, '1'),
      '{bad',
      JSON.stringify({ event_type: 'nope', system }),
      row(system, '2'),
      '[]',
      row(system, '3'),
    ].join('\n');
    const strict = await post(base, body, { ...ndjson, prefer: 'handling=strict' });
    t.match(strict, { status: 400, body: { code: 'events_invalid' } });
    t.equal(await countUsers(system), 0);
    const { status, body: answer } = await post<BatchAnswer>(base, body, ndjson);
    t.equal(status, 201);
    t.hasStrict(answer, { accepted: 3, rejected: 3 });
    t.same(
      answer.errors.map(({ index, code }) => [index, code]),
      [
        [1, 'line_malformed'],
        [2, 'value_unknown'],
        [4, 'not_an_object'],
      ],
    );
    t.equal(await countUsers(system), 3);
  },
);
