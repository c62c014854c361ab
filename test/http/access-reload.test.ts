/** The key file of a running service: what changes in it holds within moments, and never opens by accident. */
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import t, { type Test } from 'tap';
import { changeKeyFile, readKeyFile } from '../../src/access/key-file.js';
import { openKeys } from '../../src/access/keys.js';
import type { KeyRecord } from '../../src/access/records.js';
import { systemClock } from '../../src/clock.js';
import type { Config } from '../../src/config.js';
import { startApp } from '../support/app.js';
import { compliance, event, postRows, send } from '../support/http.js';
import { bearer, environmentOf, makeKey } from '../support/keys.js';
import { startRedis } from '../support/redis-server.js';
import { until } from '../support/until.js';

const redis = await startRedis();
t.teardown(redis.stop);
const writer = await startApp({ redis });
await postRows(writer.base, [event({ system: 'crm' })]);
await writer.stop();

const path = compliance('distinct/users', { system: 'crm' });
const one = makeKey();
const two = makeKey();

function temporaryFolder(test: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'papertrail-keys-'));
  test.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A service with its key file; `set` replaces what it holds. */
async function startWith(
  test: Test,
  records: readonly KeyRecord[] | undefined,
  config: Partial<Config> = {},
) {
  const file = join(temporaryFolder(test), 'keys.json');
  const set = (list: readonly KeyRecord[]) => changeKeyFile(file, () => list);
  if (records) await set(records);
  const app = await startApp({ redis, config: { API_KEYS_FILE: file, ...config } });
  test.teardown(app.stop);
  const statusOf = async (headers: Record<string, string> = {}) =>
    (await send(app.base, { path, headers })).status;
  /** Who is refused often gets 429. */
  const refused = [401, 429];
  const becomes = (headers: Record<string, string>, status: number) =>
    until(async () => {
      const found = await statusOf(headers);
      return found === status || (status === 401 && refused.includes(found));
    }, `a ${status}`);
  return { set, statusOf, becomes };
}

t.test('a key that is added enters, and one that is revoked does not, without a restart', async (t) => {
  const { set, statusOf, becomes } = await startWith(t, [one.record]);
  t.equal(await statusOf(bearer(one)), 200);
  t.equal(await statusOf(bearer(two)), 401);
  await set([one.record, two.record]);
  await becomes(bearer(two), 200);
  t.equal(await statusOf(bearer(one)), 200);
  await set([two.record]);
  await becomes(bearer(one), 401);
  t.equal(await statusOf(bearer(two)), 200);
});

t.test('what a key may do changes with its record', async (t) => {
  const { set, statusOf, becomes } = await startWith(t, [one.record]);
  t.equal(await statusOf(bearer(one)), 200);
  await set([{ ...one.record, scopes: ['query'], systems: ['erp'] }]);
  await becomes(bearer(one), 403);
});

t.test('a file that breaks or goes leaves the keys of before, and says so once', async (t) => {
  const file = join(temporaryFolder(t), 'keys.json');
  await changeKeyFile(file, () => [one.record]);
  const lines: { level: number; err?: { message: string } }[] = [];
  const log = pino({ level: 'info' }, { write: (line: string) => void lines.push(JSON.parse(line)) });
  const keys = await openKeys({ file, isFileNamed: false, environment: '', clock: systemClock, log });
  for (const [harm, message] of [
    [() => writeFileSync(file, '{'), /it is not JSON/],
    [
      () => writeFileSync(file, JSON.stringify({ version: 1, keys: [{ ...one.record, system: 'x' }] })),
      /system/,
    ],
    [() => rmSync(file), /is gone/],
  ] as const) {
    harm();
    lines.length = 0;
    for (const _ of ['seen', 'and not told again']) await keys.look();
    t.match(lines, [{ level: 50, err: { message } }]);
    t.equal(lines.length, 1);
    t.ok(keys.isOn);
    t.match(keys.find(one.key), { name: one.record.name });
  }
  await changeKeyFile(file, () => [two.record]);
  await keys.look();
  t.equal(keys.find(one.key), 'key_unknown', 'once it is mended, it counts');
  t.match(keys.find(two.key), { name: two.record.name });
});

t.test('a file without keys lets nobody in, and neither does one that is named and not there', async (t) => {
  for (const records of [[], undefined]) {
    const { set, statusOf, becomes } = await startWith(t, records);
    t.equal(await statusOf(), 401);
    t.equal(await statusOf(bearer(one)), 401);
    await set([one.record]);
    await becomes(bearer(one), 200);
  }
});

t.test('the file of the data folder that appears begins access control', async (t) => {
  const DATA_DIR = temporaryFolder(t);
  const { statusOf, becomes } = await startWith(t, undefined, { API_KEYS_FILE: '', DATA_DIR });
  t.equal(await statusOf(), 200);
  await changeKeyFile(join(DATA_DIR, 'keys.json'), () => [one.record]);
  await becomes({}, 401);
  t.equal(await statusOf(bearer(one)), 200);
});

t.test('keys of the environment count beside those of the file', async (t) => {
  const { statusOf } = await startWith(t, [one.record], { API_KEYS: environmentOf(two) });
  for (const key of [one, two]) t.equal(await statusOf(bearer(key)), 200);
});

t.test('keys that cannot be used end the start, with a message that names them', async (t) => {
  const file = join(temporaryFolder(t), 'keys.json');
  const wrong: [config: Partial<Config>, text: string, message: RegExp][] = [
    [{}, '{', /key file .*keys\.json cannot be used: it is not JSON/],
    [{}, JSON.stringify({ version: 1, keys: [{ name: 'x' }] }), /keys\.json cannot be used: key 1 \("x"\)/],
    [{ API_KEYS: '{' }, '', /API_KEYS is not JSON/],
    [{ API_KEYS: '[{}]' }, '', /API_KEYS cannot be used: key 1: /],
    [
      { API_KEYS: environmentOf(one) },
      JSON.stringify({ version: 1, keys: [one.record] }),
      /have the same name/,
    ],
  ];
  for (const [config, text, message] of wrong) {
    rmSync(file, { force: true });
    if (text) writeFileSync(file, text);
    await t.rejects(startApp({ redis, config: { API_KEYS_FILE: file, ...config } }), { message });
  }
});

t.test('a key file is readable by its owner only, and never half written', async (t) => {
  const file = join(temporaryFolder(t), 'below', 'keys.json');
  await changeKeyFile(file, () => [one.record]);
  t.equal(statSync(file).mode & 0o777, 0o600);
  t.equal(statSync(join(file, '..')).mode & 0o777, 0o700);
  const failing = () => {
    throw new Error('changed my mind');
  };
  await t.rejects(changeKeyFile(file, failing), { message: 'changed my mind' });
  await t.rejects(
    changeKeyFile(file, () => [one.record, one.record]),
    { message: /same name/ },
  );
  t.strictSame(await readKeyFile(file), [one.record]);
  await changeKeyFile(file, (records) => [...records, two.record]);
  t.strictSame(await readKeyFile(file), [one.record, two.record], 'nothing was left in the way');
});

t.test('two changes at a time do not undo each other: one of them is told', async (t) => {
  const file = join(temporaryFolder(t), 'keys.json');
  mkdirSync(`${file}.next`);
  await t.rejects(
    changeKeyFile(file, () => [one.record]),
    { message: /another change is under way.*\.next/ },
  );
  t.equal(await readKeyFile(file), undefined);
});
