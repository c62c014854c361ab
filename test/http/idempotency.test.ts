/** Requests with an `Idempotency-Key`: what a repeat is answered, and what another request under the same key is. */
import { gzipSync } from 'node:zlib';
import { encode } from '@msgpack/msgpack';
import t from 'tap';
import { claimKey } from '../../src/redis/keys.js';
import { startApp } from '../support/app.js';
import { type BatchAnswer, compliance, event, get, json, msgpack, ndjson, post } from '../support/http.js';
import { withRedis } from '../support/redis-state.js';
import { until } from '../support/until.js';

const { base, redis, stop } = await startApp({
  config: { BATCH_EVENTS_MAX: 100 },
});
t.teardown(stop);

let keys = 0;
const freshKey = () => `key-${keys++}`;
const keyed = (headers: Record<string, string>, key = freshKey()) => ({ ...headers, 'idempotency-key': key });
const eventsOf = (system: string, count: number) =>
  Array.from({ length: count }, (_, i) =>
    event({ system, user_id: `u${i % 7}`, metadata: { latency_ms: i } }),
  );
const lines = (rows: readonly object[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join('');

/** Events of a system, counted by the list of types and by the samples of a measurement. */
async function counted(system: string): Promise<number[]> {
  const types = await get<{ items: { count: number }[] }>(base, compliance('top/event_types', { system }));
  const stats = await get<{ count: number }>(base, compliance('stats/latency_ms', { system }));
  return [types.body.items.reduce((sum, { count }) => sum + count, 0), stats.body.count];
}

const forms: [name: string, headers: Record<string, string>, pack: (rows: object[]) => string | Buffer][] = [
  ['JSON', json, (rows) => JSON.stringify(rows)],
  [
    'wrapped JSON, strict',
    { ...json, prefer: 'handling=strict' },
    (rows) => JSON.stringify({ events: rows }),
  ],
  ['msgpack', msgpack, (rows) => Buffer.from(encode(rows))],
  ['NDJSON', ndjson, lines],
  ['NDJSON, strict', { ...ndjson, prefer: 'handling=strict' }, lines],
  ['gzip', { ...json, 'content-encoding': 'gzip' }, (rows) => gzipSync(JSON.stringify(rows))],
];

for (const [name, headers, pack] of forms) {
  t.test(`${name}: a repeat is answered as the first time, marked, and counts nothing`, async (t) => {
    const system = `repeat ${name}`;
    const sent = keyed(headers);
    const body = pack(eventsOf(system, 80));
    const first = await post(base, body, sent);
    t.match(first, { status: 201, body: { accepted: 80 } });
    t.notOk('idempotency-replayed' in first.headers);
    const second = await post(base, body, sent);
    t.equal(second.status, 201);
    t.equal(second.text, first.text);
    t.equal(second.headers['content-type'], first.headers['content-type']);
    t.equal(second.headers['idempotency-replayed'], 'true');
    t.strictSame(await counted(system), [80, 80]);
  });
}

t.test('a stream of many chunks is counted once, however its repeat arrives', async (t) => {
  const sent = keyed(ndjson);
  const body = lines(eventsOf('stream', 950));
  async function* pieces() {
    for (let at = 0; at < body.length; at += 7_001) yield body.slice(at, at + 7_001);
  }
  const first = await post(base, body, sent);
  t.match(first, { status: 201, body: { accepted: 950 } });
  const second = await post(base, pieces(), sent);
  t.equal(second.text, first.text);
  t.strictSame(await counted('stream'), [950, 950]);
});

t.test('a single event keeps its id and time', async (t) => {
  const sent = keyed(json);
  const body = JSON.stringify(event({ system: 'single', metadata: { latency_ms: 1 } }));
  const first = await post<{ event_id: string }>(base, body, sent, '/api/v1/events');
  const second = await post<{ event_id: string }>(base, body, sent, '/api/v1/events');
  t.ok(first.body.event_id);
  t.equal(second.text, first.text);
  t.strictSame(await counted('single'), [1, 1]);
});

t.test('a quoted key and the bare one are the same, other keys are others', async (t) => {
  const body = JSON.stringify(eventsOf('quoted', 1));
  const key = freshKey();
  await post(base, body, keyed(json, `"${key}"`));
  t.equal((await post(base, body, keyed(json, key))).headers['idempotency-replayed'], 'true');
  t.equal((await post(base, body, keyed(json, freshKey()))).headers['idempotency-replayed'], undefined);
  t.strictSame(await counted('quoted'), [2, 2]);
});

t.test('another request under the same key is a 422, and nothing of it is stored', async (t) => {
  const sent = keyed(json);
  const body = JSON.stringify(eventsOf('reused', 3));
  const other = JSON.stringify(eventsOf('reused', 4));
  await post(base, body, sent);
  const calls: [name: string, answer: Promise<{ status: number; body: BatchAnswer }>][] = [
    ['other bytes', post(base, other, sent)],
    ['another path', post(base, body, sent, '/api/v1/events')],
    ['another format', post(base, lines(eventsOf('reused', 3)), { ...sent, ...ndjson })],
    ['strict', post(base, body, { ...sent, prefer: 'handling=strict' })],
  ];
  for (const [name, answer] of calls) {
    t.match(await answer, { status: 422, body: { code: 'idempotency_key_reused' } }, name);
  }
  const stream = keyed(ndjson);
  await post(base, lines(eventsOf('reused', 250)), stream);
  t.match(await post(base, lines(eventsOf('reused', 251)), stream), { status: 422 }, 'a longer stream');
  t.match(await post(base, lines(eventsOf('reused', 100)), stream), { status: 422 }, 'a shorter one');
  t.strictSame(await counted('reused'), [253, 253]);
});

t.test('a key that is none is a 400 that names the header, and nothing is stored', async (t) => {
  const claims = () => withRedis(redis, (direct) => direct.keys('pt:idem:*'));
  const before = (await claims()).sort();
  for (const key of ['', '""', '"open', 'two words', 'x'.repeat(256)]) {
    for (const [headers, body] of [
      [json, JSON.stringify(eventsOf('none', 1))],
      [ndjson, lines(eventsOf('none', 1))],
    ] as const) {
      const answer = await post(base, body, keyed(headers, key));
      t.match(answer, {
        status: 400,
        body: { code: 'parameter_invalid', errors: [{ pointer: '/headers/idempotency-key' }] },
      });
    }
  }
  t.strictSame((await claims()).sort(), before);
  t.strictSame(await withRedis(redis, (direct) => direct.keys('pt:{none}*')), []);
});

t.test('a request of which nothing can be stored leaves its key free', async (t) => {
  for (const [headers, pack] of [
    [json, JSON.stringify],
    [ndjson, lines],
  ] as const) {
    const sent = keyed(headers);
    const refused = await post(base, pack([{ system: 'mended' }]), sent);
    t.match(refused, { status: 400, body: { code: 'events_invalid' } });
    t.equal(
      (await post(base, pack([{ system: 'mended' }]), sent)).headers['idempotency-replayed'],
      undefined,
    );
    t.equal((await post(base, pack(eventsOf('mended', 2)), sent)).status, 201);
  }
  t.strictSame(await counted('mended'), [4, 4]);
});

t.test('rows that are refused are listed again, the others counted once', async (t) => {
  const sent = keyed(json);
  const body = JSON.stringify([...eventsOf('partly', 2), { system: 'partly' }]);
  const first = await post(base, body, sent);
  t.match(first.body, { accepted: 2, rejected: 1, errors: [{ index: 2 }] });
  t.equal((await post(base, body, sent)).text, first.text);
  t.strictSame(await counted('partly'), [2, 2]);
});

t.test('while a request is under way a second one is told so, and when to come back', async (t) => {
  const sent = keyed(ndjson);
  const [first = '', ...rest] = lines(eventsOf('busy', 150)).split(/(?<=\n)/);
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  async function* slowly() {
    yield first;
    await opened;
    yield rest.join('');
  }
  const slow = post(base, slowly(), sent);
  const claim = claimKey('anyone', sent['idempotency-key']);
  await withRedis(redis, (direct) => until(async () => (await direct.exists(claim)) === 1, 'the claim'));
  const second = await post(base, lines(eventsOf('busy', 150)), sent);
  t.match(second, { status: 409, body: { code: 'request_in_flight' }, headers: { 'retry-after': '1' } });
  open();
  t.match(await slow, { status: 201, body: { accepted: 150 } });
  t.equal((await post(base, lines(eventsOf('busy', 150)), sent)).headers['idempotency-replayed'], 'true');
  t.strictSame(await counted('busy'), [150, 150]);
});

t.test('of many at once one is carried out', async (t) => {
  const sent = keyed(json);
  const body = JSON.stringify(eventsOf('crowd', 90));
  const answers = await Promise.all(Array.from({ length: 20 }, () => post(base, body, sent)));
  const statuses = answers.map(({ status }) => status);
  t.strictSame(
    [...new Set(statuses)].filter((status) => status !== 201 && status !== 409),
    [],
  );
  const stored = answers.filter(({ status }) => status === 201);
  t.equal(stored.filter(({ headers }) => headers['idempotency-replayed'] === undefined).length, 1);
  t.equal(new Set(stored.map(({ text }) => text)).size, 1);
  t.strictSame(await counted('crowd'), [90, 90]);
});

t.test('claims have a TTL, and markers of what went well do not stay', async (t) => {
  await post(base, JSON.stringify(eventsOf('tidy', 90)), keyed(json));
  await withRedis(redis, async (direct) => {
    const found = async () => [...(await direct.keys('pt:idem:*')), ...(await direct.keys('pt:*:idem:*'))];
    for (const key of await found()) t.ok((await direct.pttl(key)) > 0, key);
    await until(async () => (await direct.keys('pt:{tidy}:idem:*')).length === 0, 'the markers to go');
    t.strictSame((await direct.hkeys(claimKey('anyone', `key-${keys - 1}`))).sort(), [
      'answer',
      'digest',
      'form',
      'status',
    ]);
  });
});

t.test('claims are counted by what was found', async (t) => {
  const { text } = await get(base, '/metrics');
  for (const outcome of ['new', 'replayed', 'in_flight', 'reused']) {
    t.match(text, new RegExp(`papertrail_idempotency_claims_total\\{outcome="${outcome}"\\} [1-9]`));
  }
});

t.test('requests without the header leave neither claim nor marker', async (t) => {
  await withRedis(redis, async (direct) => {
    const claims = await direct.keys('pt:idem:*');
    await post(base, JSON.stringify(eventsOf('plain', 5)));
    t.strictSame((await direct.keys('pt:idem:*')).sort(), claims.sort());
    t.strictSame(await direct.keys('pt:{plain}:idem:*'), []);
  });
});
