/**
 * Names that mean something to keys, hash tags, scripts, objects or URLs. They go in and come back out as they
 * were sent, and reach no key but their own.
 */
import t from 'tap';
import { startApp } from '../support/app.js';
import { compliance, event, get, json, post, postRows } from '../support/http.js';
import { stateOf } from '../support/redis-state.js';

const { base, redis, stop } = await startApp();
t.teardown(stop);

const timestamp = 1_700_000_000;
const hostile = [
  ...[
    '{',
    '}',
    '{}',
    '}{',
    ':',
    '**',
    'a*',
    '* ',
    '?',
    '[a]',
    '%',
    '%7B',
    '%2A',
    '%00',
    '+',
    '&system=a',
    '#',
  ],
  ...['a}:x{b', 'pt:{a}', 'pt:directory:{names}:last', 'a:hll:users:day:2023-11-14', '{a}', 'a}'],
  ...['\0', 'a\0', '\r\n', 'a\r\nFLUSHALL\r\n', '\n', ' ', 'a ', '\u2028', '\u00a0', '\u0000\u0001\u001f'],
  ...['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'null', 'undefined', 'NaN', '0', '-1', '1e3'],
  ...[
    '.',
    '..',
    '../a',
    '/',
    '\\',
    '"',
    "'",
    '`',
    '$&',
    ';',
    '<script>',
    'A',
    'é',
    'e\u0301',
    '😀',
    '\uffff',
  ],
];
/** Plain, and what several of the others would become where they were cut or unescaped. */
const names = ['a', ...hostile];

/** What Redis Cluster takes for the hash tag of a key. */
const hashTag = (key: string) => key.slice(key.indexOf('{') + 1, key.indexOf('}'));

t.test('a hostile system name', async (t) => {
  let before = await stateOf(redis);
  for (const system of names) {
    const row = event({ system, user_id: 'alice', timestamp, metadata: { ip: '10.0.0.1', latency_ms: 5 } });
    t.equal((await postRows(base, [row])).status, 201, encodeURIComponent(system));
    const after = await stateOf(redis);
    const changed = Object.keys(after).filter((key) => after[key] !== before[key]);
    const others = changed.filter((key) => decodeURIComponent(hashTag(key)) !== system);
    t.strictSame(others.sort(), ['pt:directory:{names}:last', 'pt:directory:{names}:names']);
    t.ok(changed.length > others.length, 'its own keys are written');
    t.strictSame(
      Object.keys(before).filter((key) => !(key in after)),
      [],
      'and none is removed',
    );
    before = after;
  }

  t.test('is answered for, and only for itself', async (t) => {
    for (const system of names) {
      const name = encodeURIComponent(system);
      const asked = { system, timestamp };
      const distinct = await get<{ system: string }>(base, compliance('distinct/users', asked));
      t.hasStrict(distinct.body, { system, count: 1 }, name);
      const top = await get(base, compliance('top/active_users', asked));
      t.hasStrict(top.body, { system, items: [{ item: 'alice', count: 1 }] }, name);
      const check = await get(base, compliance('activity/check', { ...asked, user_id: 'alice' }));
      t.hasStrict(check.body, { system, accessed: true }, name);
      const path = `summary/${encodeURIComponent(system)}`;
      const summary = await get(base, compliance(path, { timestamp }));
      t.hasStrict(summary.body, { system, daily: { unique_users: 1 } }, name);
      const percentiles = await get(base, compliance('percentiles/latency_ms', asked));
      t.hasStrict(percentiles.body, { system, count: 1, percentiles: { p50: 5 } }, name);
    }
  });

  t.test('is listed as it was sent, page by page', async (t) => {
    const listed: string[] = [];
    for (let cursor: string | null = ''; cursor !== null; ) {
      const path: string = `/api/v1/systems?limit=7${cursor && `&cursor=${cursor}`}`;
      const { body } = await get<{ systems: { system: string }[]; next: string | null }>(base, path);
      for (const { system } of body.systems) listed.push(system);
      cursor = body.next;
    }
    t.strictSame(listed.sort(), [...names].sort());
  });
});

t.test(
  'a hostile user, session, IP and endpoint are counted, listed and found as they were sent',
  async (t) => {
    const system = 'ids';
    const all = ['*', ...names];
    const rows = all.map((name) =>
      event({ system, user_id: name, session_id: name, timestamp, metadata: { ip: name, endpoint: name } }),
    );
    t.equal((await postRows(base, rows)).body.accepted, all.length);
    for (const metric of ['active_users', 'active_ips', 'endpoints']) {
      const path = compliance(`top/${metric}`, { system, timestamp, k: 1_000 });
      const { body } = await get<{ items: { item: string; count: number }[] }>(base, path);
      t.strictSame(body.items.map(({ item }) => item).sort(), [...all].sort(), metric);
      t.ok(
        body.items.every(({ count }) => count === 1),
        'none is taken for another',
      );
    }
    const sessions = await get(base, compliance('distinct/sessions', { system, timestamp }));
    t.hasStrict(sessions.body, { count: all.length });
    for (const name of all) {
      for (const field of ['user_id', 'ip']) {
        const check = await get(base, compliance('activity/check', { system, timestamp, [field]: name }));
        t.hasStrict(check.body, { [field]: name, accessed: true }, encodeURIComponent(name));
      }
    }
    const other = await get(base, compliance('activity/check', { system, timestamp, user_id: 'a}:x{' }));
    t.hasStrict(other.body, { accessed: false });
  },
);

t.test('a hostile metadata key is measured under its own name', async (t) => {
  const keys = ['{', '}', ':', '*', '%', '\0', '\r\n', '__proto__', 'constructor', 'a}:x{b', 'a', '.', '😀'];
  const system = 'keys';
  const metadata = Object.fromEntries(keys.map((key, index) => [key, index + 1]));
  t.equal((await postRows(base, [event({ system, timestamp, metadata })])).status, 201);
  for (const [index, key] of keys.entries()) {
    const path = compliance(`percentiles/${encodeURIComponent(key)}`, { system, timestamp });
    const { body } = await get(base, path);
    t.hasStrict(body, { metric: key, count: 1, percentiles: { p50: index + 1 } }, encodeURIComponent(key));
  }
});

t.test('a name without a byte form is refused in every body, and named', async (t) => {
  const lone = '\\ud800';
  for (const [path, body, pointer] of [
    ['compliance/summaries', `{"systems":["${lone}"]}`, '/systems/0'],
    ['compliance/resolve', `{"users":["a${lone}"]}`, '/users/0'],
    ['admin/cache/invalidate', `{"systems":["${lone}"]}`, '/systems/0'],
    ['admin/purge', `{"system":"${lone}"}`, '/system'],
    ['admin/purge', `{"pattern":"*${lone}"}`, '/pattern'],
    ['admin/purge', `{"confirm":"${lone}"}`, '/confirm'],
  ]) {
    const answer = await post<{ errors: { pointer: string }[] }>(base, body, json, `/api/v1/${path}`);
    t.equal(answer.status, 400, path);
    t.match(answer.body.errors, [{ pointer }], path);
  }
});
