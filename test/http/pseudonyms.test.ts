/** Pseudonyms over HTTP: what answers show, how people are asked about, and a key that changes. */
import { join } from 'node:path';
import t from 'tap';
import { type Config, loadConfig } from '../../src/config.js';
import { createKeyedHash } from '../../src/privacy/keyed-hash.js';
import { openPseudonyms } from '../../src/wiring/pseudonyms.js';
import { startApp } from '../support/app.js';
import { compliance, event, get, json, postRows, send } from '../support/http.js';
import { startRedis } from '../support/redis-server.js';

const key = 'the present key, 32 characters..';
const previousKey = 'the key of before, 32 characters';
const hash = createKeyedHash(key);
const previousHash = createKeyedHash(previousKey);
const now = Date.UTC(2026, 0, 31, 13, 37);
const rotatedAt = Date.UTC(2026, 0, 31, 12);
const clock = { now: () => now };

interface Activity {
  user_id?: string;
  ip?: string;
  accessed: boolean;
  probability: number;
  false_positive_rate: number;
}
interface Frequency {
  item: string;
  count: number;
  bound: { lower: number; upper: number; confidence: number };
}
interface Top {
  items: { item: string; count: number }[];
  note?: string;
}
interface Distinct {
  count: number;
  note?: string;
}
interface Series {
  item: string;
  note?: string;
  points: { count: number; lower: number; upper: number }[];
}

const visit = (at: number, fields: object = {}) =>
  event({
    timestamp: at,
    session_id: 's-1',
    metadata: { ip: '192.0.2.1', status: 'failed', endpoint: '/alice' },
    ...fields,
  });
const check = (system: string, subject: object) =>
  compliance('activity/check', { system, ...(subject as Record<string, string>) });

t.test('with a key', async (t) => {
  const { base, stop } = await startApp({ config: { PSEUDONYM_KEY: key }, clock });
  t.teardown(stop);
  await postRows(base, [visit(now), visit(now), visit(now, { user_id: 'bob' })]);

  t.test('top lists show pseudonyms of people, and what is no id as it is', async (t) => {
    const shown = async (metric: string) =>
      (await get<Top>(base, compliance(`top/${metric}`, { system: 'crm' }))).body.items.map(
        ({ item }) => item,
      );
    t.strictSame(await shown('active_users'), [hash('user', 'alice'), hash('user', 'bob')]);
    t.strictSame(await shown('active_ips'), [hash('ip', '192.0.2.1')]);
    t.strictSame(await shown('failed_logins'), [hash('ip', '192.0.2.1')]);
    t.strictSame(await shown('endpoints'), ['/alice']);
    t.strictSame(await shown('event_types'), ['user_login']);
  });

  t.test('somebody is found by his id and by his pseudonym, which the answer shows', async (t) => {
    for (const user_id of ['alice', hash('user', 'alice')]) {
      const { body } = await get<Activity>(base, check('crm', { user_id }));
      t.hasStrict(body, { accessed: true, user_id: hash('user', 'alice') });
    }
    const { body } = await get<Activity>(base, check('crm', { ip: '192.0.2.1' }));
    t.hasStrict(body, { accessed: true, ip: hash('ip', '192.0.2.1') });
    t.hasStrict((await get(base, check('crm', { user_id: 'eve' }))).body, {
      accessed: false,
      probability: 1,
    });
    t.hasStrict((await get(base, check('crm', { ip: 'alice' }))).body, { accessed: false });
  });

  t.test('frequencies and series count a person under either name, and endpoints as they are', async (t) => {
    for (const item of ['alice', hash('user', 'alice')]) {
      const { body } = await get<Frequency>(base, compliance('frequency/users', { system: 'crm', item }));
      t.hasStrict(body, { item: hash('user', 'alice'), count: 2 });
      const series = compliance('timeseries/active_users', { system: 'crm', item, from: now - 1_000 });
      const { body: points } = await get<Series>(base, series);
      t.equal(points.item, hash('user', 'alice'));
      t.hasStrict(points.points, [{ count: 2, lower: 2, upper: 2 }]);
    }
    const endpoint = compliance('frequency/endpoints', { system: 'crm', item: '/alice' });
    t.hasStrict((await get(base, endpoint)).body, { item: '/alice', count: 3 });
  });

  t.test('distinct counts are those of the people, without a note', async (t) => {
    const { body } = await get<Distinct>(base, compliance('distinct/users', { system: 'crm' }));
    t.equal(body.count, 2);
    t.notOk('note' in body);
  });

  t.test('an id that is too long is refused as before', async (t) => {
    const { status, text } = await postRows(base, [event({ user_id: 'a'.repeat(513) })]);
    t.equal(status, 400);
    t.notMatch(text, 'aaaa');
  });

  t.test('POST /api/v1/compliance/resolve tells which pseudonyms ids have, in the order asked', async (t) => {
    const body = JSON.stringify({ users: ['bob', 'alice'], ips: ['::1'], sessions: ['s-1'] });
    const path = '/api/v1/compliance/resolve';
    const answer = await send(base, { method: 'POST', path, headers: json, body });
    t.strictSame(answer.body, {
      users: ['bob', 'alice'].map((id) => ({ id, current: hash('user', id) })),
      sessions: [{ id: 's-1', current: hash('session', 's-1') }],
      ips: [{ id: '::1', current: hash('ip', '::1') }],
      rotated_at: null,
    });
    const many = JSON.stringify({ users: Array.from({ length: 1_001 }, (_, i) => `u${i}`) });
    const refused = await send(base, { method: 'POST', path, headers: json, body: many });
    t.equal(refused.status, 400);
    t.hasStrict(refused.body, { code: 'parameter_invalid' });
  });
});

t.test('without a key ids are kept as they are, and resolve is a 409', async (t) => {
  const { base, stop } = await startApp({ clock });
  t.teardown(stop);
  await postRows(base, [visit(now)]);
  t.hasStrict((await get(base, check('crm', { user_id: 'alice' }))).body, {
    accessed: true,
    user_id: 'alice',
  });
  const path = '/api/v1/compliance/resolve';
  const answer = await send(base, { method: 'POST', path, headers: json, body: '{"users":["alice"]}' });
  t.equal(answer.status, 409);
  t.hasStrict(answer.body, { code: 'pseudonyms_off' });
});

t.test('a key that has changed', async (t) => {
  const redis = await startRedis();
  t.teardown(redis.stop);
  const before = await startApp({ config: { PSEUDONYM_KEY: previousKey }, clock, redis });
  const settings: Partial<Config> = {
    PSEUDONYM_KEY: key,
    PSEUDONYM_KEY_PREVIOUS: previousKey,
    PSEUDONYM_KEY_ROTATED_AT: new Date(rotatedAt).toISOString(),
  };
  const after = await startApp({ config: settings, clock, redis });
  t.teardown(async () => {
    await before.stop();
    await after.stop();
  });
  const { base } = after;
  await postRows(before.base, [visit(rotatedAt - 1_000), visit(rotatedAt - 1_000, { user_id: 'old' })]);
  await postRows(base, [
    visit(rotatedAt),
    visit(rotatedAt),
    visit(rotatedAt - 1),
    visit(now, { user_id: 'new' }),
  ]);

  t.test('membership holds under both keys, with the error of both', async (t) => {
    for (const user_id of ['alice', 'old', 'new']) {
      const { body } = await get<Activity>(base, check('crm', { user_id }));
      t.hasStrict(body, { accessed: true, user_id: hash('user', user_id) });
      const alone = await get<Activity>(before.base, check('crm', { user_id }));
      t.ok(Math.abs(body.false_positive_rate / alone.body.false_positive_rate - 2) < 1e-6);
    }
    t.hasStrict((await get(base, check('crm', { user_id: 'eve' }))).body, {
      accessed: false,
      probability: 1,
    });
    t.hasStrict((await get(before.base, check('crm', { user_id: 'new' }))).body, { accessed: false });
  });

  t.test('frequencies and series are the sums of both', async (t) => {
    const asked = compliance('frequency/users', { system: 'crm', item: 'alice' });
    const { body } = await get<Frequency>(base, asked);
    t.hasStrict(body, { item: hash('user', 'alice'), count: 4 });
    t.ok(body.bound.lower <= 4 && body.bound.upper === 4 && body.bound.confidence > 0.99);
    const series = { system: 'crm', item: 'alice', from: rotatedAt - 3_600_000, to: now };
    const { body: points } = await get<Series>(base, compliance('timeseries/active_users', series));
    t.strictSame(
      points.points.map(({ count }) => count),
      [2, 2, 0],
    );
  });

  t.test('events of before it are written under the previous key, whenever they come', async (t) => {
    const at = new Date(rotatedAt - 1).toISOString();
    const { body } = await get<Top>(base, compliance('top/active_users', { system: 'crm', timestamp: at }));
    t.strictSame(
      body.items.map(({ item, count }) => [item, count]),
      [
        [previousHash('user', 'alice'), 2],
        [previousHash('user', 'old'), 1],
      ],
    );
    t.notOk('note' in body, 'within an hour of one key nobody counts twice');
  });

  t.test('what is about times of both says that people may count twice, and only that', async (t) => {
    const day = { system: 'crm', window: '1d' };
    const distinct = await get<Distinct>(base, compliance('distinct/users', day));
    t.equal(distinct.body.count, 4, 'alice twice');
    t.match(distinct.body.note, /twice/);
    t.match((await get<Top>(base, compliance('top/active_users', day))).body.note, /twice/);
    t.notOk('note' in (await get<Top>(base, compliance('top/endpoints', day))).body, 'endpoints are nobody');
    t.notOk('note' in (await get<Distinct>(base, compliance('distinct/users', { system: 'crm' }))).body);
    t.match((await get<Distinct>(base, '/api/v1/compliance/summary/crm')).body.note, /twice/);
    const range = { system: 'crm', from: rotatedAt - 1_000, to: now };
    t.match((await get<Distinct>(base, compliance('distinct/users', range))).body.note, /twice/);
    const series = { system: 'crm', from: rotatedAt - 1_000, to: now };
    const byHour = await get<Series>(base, compliance('timeseries/users', series));
    t.notOk('note' in byHour.body, 'no hour holds both');
    const byDay = await get<Series>(base, compliance('timeseries/users', { ...series, step: '1d' }));
    t.match(byDay.body.note, /twice/);
  });

  t.test('resolve tells both', async (t) => {
    const message = { method: 'POST', path: '/api/v1/compliance/resolve', headers: json };
    const { body } = await send(base, { ...message, body: '{"users":["alice"]}' });
    t.hasStrict(body, {
      users: [{ id: 'alice', current: hash('user', 'alice'), previous: previousHash('user', 'alice') }],
      rotated_at: '2026-01-31T12:00:00.000Z',
    });
  });
});

t.test('a first key: who came before it, under his id, is still found', async (t) => {
  const redis = await startRedis();
  t.teardown(redis.stop);
  const before = await startApp({ clock, redis });
  const at = new Date(rotatedAt).toISOString();
  const config = { PSEUDONYM_KEY: key, PSEUDONYM_KEY_ROTATED_AT: at };
  const after = await startApp({ config, clock, redis });
  t.teardown(async () => {
    await before.stop();
    await after.stop();
  });
  await postRows(before.base, [visit(rotatedAt - 1_000)]);
  const { body } = await get<Activity>(after.base, check('crm', { user_id: 'alice' }));
  t.hasStrict(body, { accessed: true, user_id: hash('user', 'alice') });
});

t.test('settings that are wrong end the start with their name, and show no key', async (t) => {
  const dir = t.testdir({ short: 'too short', key: `${key}\n` });
  const file = (name: string) => join(dir, name);
  const refused = (config: Partial<Config>, name: RegExp) => {
    try {
      openPseudonyms({ ...loadConfig({}), ...config });
      t.fail(`${name} was let pass`);
    } catch (error) {
      t.match((error as Error).message, name);
      t.notMatch(String((error as Error).message), key);
    }
  };
  refused({ PSEUDONYM_KEY: key.slice(1) }, /^PSEUDONYM_KEY must have at least 32/);
  refused({ PSEUDONYM_KEY: key, PSEUDONYM_KEY_FILE: file('key') }, /PSEUDONYM_KEY_FILE cannot both/);
  refused({ PSEUDONYM_KEY_FILE: file('none') }, /^PSEUDONYM_KEY_FILE cannot be read/);
  refused({ PSEUDONYM_KEY_FILE: file('short') }, /^PSEUDONYM_KEY must have at least 32/);
  refused({ PSEUDONYM_KEY_PREVIOUS: previousKey }, /^PSEUDONYM_KEY must be set/);
  refused(
    { PSEUDONYM_KEY: key, PSEUDONYM_KEY_PREVIOUS: previousKey },
    /^PSEUDONYM_KEY_ROTATED_AT must be set/,
  );
  refused({ PSEUDONYM_KEY: key, PSEUDONYM_KEY_ROTATED_AT: 'soon' }, /^PSEUDONYM_KEY_ROTATED_AT must be RFC/);
  const same = { PSEUDONYM_KEY_PREVIOUS: key, PSEUDONYM_KEY_ROTATED_AT: '2026-01-31T12:00:00Z' };
  refused({ PSEUDONYM_KEY: key, ...same }, /must not be PSEUDONYM_KEY/);
  const opened = openPseudonyms({ ...loadConfig({}), PSEUDONYM_KEY_FILE: file('key') });
  t.strictSame(opened?.formsOf('user', 'alice'), [hash('user', 'alice')], 'a line end is no part of a key');
  t.equal(openPseudonyms(loadConfig({})), undefined);
});
