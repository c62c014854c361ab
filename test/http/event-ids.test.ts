/** Events with an `event_id`: each is counted once, whoever brings it again, and nothing that is new is lost. */
import t from 'tap';
import { startApp } from '../support/app.js';
import { compliance, event, get, json, ndjson, post, postRows } from '../support/http.js';
import { withRedis } from '../support/redis-state.js';

const config = { EVENT_ID_SECONDS: 600, BATCH_EVENTS_MAX: 500 };
const one = await startApp({ config });
const two = await startApp({ config, redis: one.redis });
const { base, redis } = one;
t.teardown(async () => {
  await two.stop();
  await one.stop();
});

interface Accounted {
  accepted: number;
  duplicates?: number;
}

/** Events whose ids are the numbers from one to another. */
const eventsOf = (system: string, from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) =>
    event({ system, event_id: `id-${from + i}`, user_id: `u${(from + i) % 7}`, metadata: { latency_ms: 1 } }),
  );
const send = (rows: readonly object[], at = base, headers: Record<string, string> = json) =>
  post<Accounted>(at, JSON.stringify(rows), headers);
const lines = (rows: readonly object[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join('');

/** Events of a system, counted by the lists of types and of users, by the series and by the samples of a measurement. */
async function counted(system: string, at = base): Promise<number[]> {
  type Items = { items: { count: number }[] };
  const sum = ({ items }: Items) => items.reduce((total, { count }) => total + count, 0);
  const list = (metric: string) => compliance(`top/${metric}`, { system, k: 100, window: '1d' });
  const types = await get<Items>(at, list('event_types'));
  const users = await get<Items>(at, list('active_users'));
  const stats = await get<{ count: number }>(at, compliance('stats/latency_ms', { system, window: '1d' }));
  return [sum(types.body), sum(users.body), stats.body.count];
}
const three = (count: number) => [count, count, count];

t.test(
  'events that come again in another request, or by another process, are not counted again',
  async (t) => {
    const rows = eventsOf('again', 0, 200);
    t.match(await send(rows), { status: 201, body: { accepted: 200, duplicates: 0 } });
    t.match(await send(rows), { status: 201, body: { accepted: 200, duplicates: 200 } });
    t.match(await send(rows, two.base), { status: 201, body: { accepted: 200, duplicates: 200 } });
    t.strictSame(await counted('again'), three(200));
  },
);

t.test('within a request, across its parts and chunks, the first counts', async (t) => {
  const rows = [...eventsOf('within', 0, 150), ...eventsOf('within', 0, 150)];
  t.match(await send(rows), { body: { accepted: 300, duplicates: 150 } });
  const stream = lines([...eventsOf('within', 100, 700), ...eventsOf('within', 100, 700)]);
  t.match(await post<Accounted>(base, stream, ndjson), { body: { accepted: 1_200, duplicates: 650 } });
  t.strictSame(await counted('within'), three(700));
});

t.test('of a batch that is new in part, exactly the new events are counted', async (t) => {
  await send(eventsOf('partly', 0, 100));
  t.match(await send(eventsOf('partly', 50, 250)), { body: { accepted: 200, duplicates: 50 } });
  const scattered = eventsOf('partly', 0, 400).filter((_, i) => i % 3 === 0);
  const fresh = scattered.filter((_, i) => i * 3 >= 250).length;
  t.match(await send(scattered, two.base), { body: { duplicates: scattered.length - fresh } });
  t.strictSame(await counted('partly'), three(250 + fresh));
});

t.test('sent by twenty requests at once to two processes, each event is counted once', async (t) => {
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, i) =>
      send(eventsOf('crowd', i * 20, i * 20 + 120), i % 2 ? base : two.base),
    ),
  );
  t.ok(answers.every(({ status, body }) => status === 201 && body.accepted === 120));
  const duplicates = answers.reduce((sum, { body }) => sum + (body.duplicates ?? 0), 0);
  t.equal(20 * 120 - duplicates, 500);
  t.strictSame(await counted('crowd'), three(500));
});

t.test('single events of many requests at once are counted once each', async (t) => {
  const rows = [...eventsOf('singles', 0, 100), ...eventsOf('singles', 0, 100)];
  const answers = await Promise.all(
    rows.map((row) => post<Accounted>(base, JSON.stringify(row), json, '/api/v1/events')),
  );
  t.ok(answers.every(({ status }) => status === 201));
  t.equal(answers.filter(({ body }) => body.duplicates === 1).length, 100);
  t.strictSame(await counted('singles'), three(100));
});

t.test('an id is one of its system: the same in another is another event', async (t) => {
  const rows = [...eventsOf('here', 0, 90), ...eventsOf('there', 0, 90)];
  t.match(await send(rows), { body: { accepted: 180, duplicates: 0 } });
  t.strictSame([await counted('here'), await counted('there')], [three(90), three(90)]);
});

t.test('events without an id are counted whenever they come, also among others', async (t) => {
  const plain = eventsOf('mixed', 0, 70).map(({ event_id: _, ...row }) => row);
  const rows = eventsOf('mixed', 0, 70).flatMap((row, i) => [row, plain[i]]);
  t.match(await send(rows), { body: { accepted: 140, duplicates: 0 } });
  t.match(await send(rows), { body: { accepted: 140, duplicates: 70 } });
  t.strictSame(await counted('mixed'), three(210));
});

t.test('with an idempotency key too, a repeat of either counts nothing twice', async (t) => {
  const keyed = { ...json, 'idempotency-key': 'both' };
  const plain = eventsOf('both', 0, 70).map(({ event_id: _, ...row }) => row);
  const rows = eventsOf('both', 0, 200).concat(plain as ReturnType<typeof eventsOf>);
  await send(eventsOf('both', 0, 10));
  const first = await send(rows, base, keyed);
  t.match(first, { status: 201, body: { accepted: 270, duplicates: 10 } });
  const second = await send(rows, two.base, keyed);
  t.equal(second.text, first.text);
  t.match(await send(rows.slice(0, 200), two.base), { body: { duplicates: 200 } });
  const other = { ...json, 'idempotency-key': 'other' };
  t.match(await send(rows, two.base, other), { body: { accepted: 270, duplicates: 200 } });
  t.strictSame(await counted('both'), three(200 + 70 + 70));
});

t.test('after Redis has forgotten the scripts ids are known as before', async (t) => {
  await send(eventsOf('flushed', 0, 100));
  await withRedis(redis, (direct) => direct.script('FLUSH'));
  t.match(await send(eventsOf('flushed', 0, 150)), { status: 201, body: { duplicates: 100 } });
  t.strictSame(await counted('flushed'), three(150));
});

t.test('ids are kept hashed, in keys with a TTL, and go with a purge', async (t) => {
  await send(eventsOf('kept', 0, 100));
  await withRedis(redis, async (direct) => {
    const keys = await direct.keys('pt:{kept}:ids:*');
    t.ok(keys.length > 0);
    for (const key of keys) {
      const ttl = await direct.ttl(key);
      t.ok(ttl >= 600 && ttl <= 900, `${ttl} s`);
      t.notMatch(await direct.smembers(key), /id-/);
    }
    for (const key of await direct.keys('*')) t.ok((await direct.pttl(key)) > 0, key);
  });
  const purge = (body: object) =>
    post<{ confirm: string }>(base, JSON.stringify(body), json, '/api/v1/admin/purge');
  const { body } = await purge({ system: 'kept' });
  t.match(await purge({ confirm: body.confirm }), { status: 200, body: { confirm: null } });
  t.strictSame(await withRedis(redis, (direct) => direct.keys('pt:{kept}*')), []);
  t.match(await send(eventsOf('kept', 0, 100)), { body: { duplicates: 0 } });
  t.strictSame(await counted('kept'), three(100));
});

t.test('an id that is none is a row error that does not repeat it', async (t) => {
  const ids: [id: unknown, code: string][] = [
    [7, 'type_invalid'],
    ['x'.repeat(513), 'too_long'],
    ['\ud800', 'not_unicode'],
  ];
  for (const [event_id, code] of ids) {
    const answer = await postRows(base, [event({ system: 'bad', event_id })]);
    t.match(answer, { status: 400, body: { errors: [{ code, pointer: '/event_id' }] } });
  }
  for (const event_id of [null, '', null, '']) {
    const answer = await postRows(base, [event({ system: 'bad', event_id })]);
    t.match(answer, { status: 201, body: { accepted: 1, duplicates: 0 } }, 'none is no id that comes twice');
  }
});

t.test('duplicates are counted', async (t) => {
  const { text } = await get(base, '/metrics');
  t.match(text, /papertrail_events_duplicate_total [1-9]/);
});

t.test('switched off, an id means nothing, whatever it is', async (t) => {
  const off = await startApp({ redis });
  t.teardown(off.stop);
  for (const event_id of ['same', 'same', 7, '', {}]) {
    const answer = await post(
      off.base,
      JSON.stringify([event({ system: 'off', event_id, user_id: 'u', metadata: { latency_ms: 1 } })]),
    );
    t.match(answer, { status: 201, body: { accepted: 1 } });
    t.match(answer.body, { ignored: { event_id: 1 } });
    t.notOk('duplicates' in (answer.body as object));
  }
  t.strictSame(await counted('off', off.base), three(5));
  t.strictSame(await withRedis(redis, (direct) => direct.keys('pt:{off}:ids:*')), []);
});

t.test('ids and shards are not set together, since the ids of a system are in one place', async (t) => {
  const both = { ...config, SYSTEM_SHARDS: 'payments=4' };
  await t.rejects(startApp({ redis, config: both }), { message: /^SYSTEM_SHARDS must be empty/ });
});
