/** POST /api/v1/events*: the answer says which fields were given a default and which were not read. */
import { encode } from '@msgpack/msgpack';
import t from 'tap';
import { startApp } from '../support/app.js';
import { compliance, event, get, json, msgpack, ndjson, post, postRows } from '../support/http.js';

const { base, stop } = await startApp({ config: { BATCH_EVENTS_MAX: 3 } });
t.teardown(stop);

interface Noticed {
  accepted?: number;
  defaulted?: Record<string, number>;
  ignored?: Record<string, number>;
}

const dated = (fields: object = {}) => event({ timestamp: 1_700_000_000, ...fields });
const rows = [
  dated({ ip: '192.0.2.1' }),
  event({ timestamp: null, '@timestamp': '2023-11-14T22:13:20Z', status: 'failed' }),
  event({ ip: '192.0.2.1', user_id: '', metadata: { ip: '', db: { ms: 4 } } }),
];
const notices = {
  defaulted: { timestamp: 2 },
  ignored: { ip: 2, '@timestamp': 1, status: 1, user_id: 1, 'metadata.ip': 1, 'metadata.db.ms': 1 },
};
const lines = (list: readonly unknown[]) => list.map((row) => JSON.stringify(row)).join('\n');
const forms: [
  name: string,
  headers: Record<string, string>,
  body: (list: readonly unknown[]) => string | Buffer,
][] = [
  ['JSON', json, (list) => JSON.stringify(list)],
  ['{"events": []}', json, (events) => JSON.stringify({ events })],
  ['NDJSON', ndjson, lines],
  ['msgpack', msgpack, (list) => Buffer.from(encode(list))],
];

for (const path of ['/api/v1/events', '/api/v1/events/batch']) {
  for (const [place, [name, headers, body]] of forms.entries()) {
    t.test(`${path} as ${name} counts what was defaulted and ignored`, async (t) => {
      const { status, body: answer } = await post<Noticed>(base, body(rows), headers, path);
      t.equal(status, 201);
      t.hasStrict(answer, { accepted: 3, ...notices });
      const strict = await post<Noticed>(base, body(rows), { ...headers, prefer: 'handling=strict' }, path);
      t.hasStrict(strict.body, notices, 'and counts it once where all or nothing is stored');
    });

    t.test(`${path} as ${name} says nothing where nothing was`, async (t) => {
      const { body: answer } = await post<Noticed>(base, body([dated(), dated()]), headers, path);
      t.notOk('defaulted' in answer || 'ignored' in answer);
    });

    t.test(
      `${path} as ${name} with an idempotency key says the same, and again when it is replayed`,
      async (t) => {
        const keyed = { ...headers, 'idempotency-key': `"${path} ${place}"` };
        const first = await post<Noticed>(base, body(rows), keyed, path);
        t.hasStrict(first.body, notices);
        const second = await post<Noticed>(base, body(rows), keyed, path);
        t.equal(second.headers['idempotency-replayed'], 'true');
        t.equal(second.text, first.text);
      },
    );
  }
}

t.test('the answer to one event names its own fields', async (t) => {
  const row = event({ ip: '192.0.2.1', metadata: { '': 5 } });
  for (const key of [undefined, '"one"', '"one"']) {
    const headers = key ? { ...json, 'idempotency-key': key } : json;
    const { body } = await post<Noticed>(base, JSON.stringify(row), headers, '/api/v1/events');
    t.hasStrict(body, { defaulted: { timestamp: 1 }, ignored: { ip: 1, 'metadata.': 1 } });
  }
  const { body } = await post<Noticed>(base, JSON.stringify(dated()), json, '/api/v1/events');
  t.notOk('defaulted' in body || 'ignored' in body);
});

t.test('the chunks of a long body are counted together', async (t) => {
  const { body } = await post<Noticed>(base, lines([...rows, dated(), ...rows, dated(), ...rows]), ndjson);
  const ignored = Object.fromEntries(
    Object.entries(notices.ignored).map(([name, count]) => [name, count * 3]),
  );
  t.hasStrict(body, { accepted: 11, defaulted: { timestamp: 6 }, ignored });
});

t.test('rows that are refused do not count', async (t) => {
  const { body } = await postRows<Noticed>(base, [dated(), event({ system: '', ip: 'x' })]);
  t.hasStrict(body, { accepted: 1, rejected: 1 });
  t.notOk('defaulted' in body || 'ignored' in body);
});

t.test(
  'however many names a sender makes up, an answer lists twenty and counts the others together',
  async (t) => {
    const many = (row: number) =>
      dated(
        Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`${row}-${i}-${'x'.repeat(1_000)}`, 1])),
      );
    const { text, body } = await postRows<Noticed>(base, [many(0), many(1), many(2)]);
    t.ok(text.length < 3_000, `${text.length} bytes`);
    t.equal(Object.keys(body.ignored ?? {}).length, 21);
    t.equal(body.ignored?.['...'], 280);
  },
);

t.test('an event with empty optional fields is stored without them', async (t) => {
  const empty = { user_id: '', session_id: '', event_id: '', metadata: { ip: '', endpoint: '', '': 1 } };
  const { status, body } = await postRows<Noticed>(base, [dated({ system: 'honeypot', ...empty })]);
  t.equal(status, 201);
  t.hasStrict(body, { accepted: 1, rejected: 0 });
  const count = async (path: string) => {
    const at = { system: 'honeypot', window: '1d', timestamp: 1_700_000_000 };
    return (await get<{ count?: number; items?: unknown[] }>(base, compliance(path, at))).body;
  };
  for (const metric of ['users', 'sessions', 'ips']) t.equal((await count(`distinct/${metric}`)).count, 0);
  t.strictSame((await count('top/active_users')).items, []);
  t.match((await count('top/event_types')).items, [{ item: 'user_login', count: 1 }]);
});
