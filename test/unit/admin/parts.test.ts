/** Patterns of names, settings as they are shown, the list of slow questions, and walks at once. */
import fc from 'fast-check';
import { pino } from 'pino';
import t from 'tap';
import { shownSettings } from '../../../src/admin/settings.js';
import { createSlowQueries } from '../../../src/admin/slow-queries.js';
import { createTurns } from '../../../src/admin/turns.js';
import { type Config, isSecretSetting, loadConfig } from '../../../src/config.js';
import { createMetrics } from '../../../src/metrics.js';
import { sketchKey, systemKey } from '../../../src/redis/keys.js';
import { acceptKey, matchesPattern, systemFilter } from '../../../src/redis/system-filter.js';
import { bucketAt } from '../../../src/windows/bucket.js';

const alone = (system: string) => [system];

t.test('a pattern means what a regular expression of the same meaning means', async () => {
  const letters = fc.constantFrom('a', 'b', '.', '[', '\\', '{', 'é', '😀');
  const name = fc.array(letters, { maxLength: 8 }).map((parts) => parts.join(''));
  const signs = fc.array(fc.oneof(letters, fc.constantFrom('*', '?')), { maxLength: 8 });
  const meaning = (pattern: readonly string[]) =>
    new RegExp(
      `^${pattern.map((sign) => (sign === '*' ? '.*' : sign === '?' ? '.' : sign.replace(/[.[\\{]/g, '\\$&'))).join('')}$`,
      'su',
    );
  fc.assert(
    fc.property(
      signs,
      name,
      (pattern, text) => matchesPattern(pattern.join(''), text) === meaning(pattern).test(text),
    ),
    { seed: 1, numRuns: 5_000 },
  );
});

t.test('a pattern made to take long does not', async (t) => {
  const stars = '*a'.repeat(120);
  const started = process.hrtime.bigint();
  t.notOk(matchesPattern(`${stars}*b`, 'a'.repeat(256)));
  t.ok(process.hrtime.bigint() - started < 100_000_000n);
});

t.test('a filter lets SCAN find every key that it accepts, and accepts those of systems only', async (t) => {
  const day = bucketAt('day', 0);
  for (const [pattern, system] of [
    ['crm-*', 'crm-a b'],
    ['a}:*', 'a}:hll'],
    ['*?', 'x'],
    ['[é]?', '[é]x'],
  ] as const) {
    const filter = systemFilter(alone, undefined, pattern);
    const key = sketchKey(system, 'hll', 'users', day);
    t.ok(key.startsWith(filter.match.slice(0, -1)), key);
    t.ok(acceptKey(key, filter) && acceptKey(systemKey(system), filter));
    t.notOk(acceptKey(key, filter, new Set(['bloom'])));
    t.notOk(acceptKey(systemKey(`~${system}`), systemFilter(alone, system)));
  }
  t.notOk(acceptKey('pt:cache:{generations}', systemFilter(alone, undefined)));
  t.notOk(acceptKey('somebody else', systemFilter(alone, undefined)));
});

t.test('secrets and passwords are not shown, all else is', async (t) => {
  const secrets = { PSEUDONYM_KEY: 'abc', PSEUDONYM_KEY_PREVIOUS: '', API_KEYS: '[]' };
  const config = {
    ...loadConfig({ REDIS_URL: 'rediss://user:p@ss:word@host:6379/1' }),
    ...secrets,
  } as Config;
  const shown = shownSettings(config);
  t.match(shown, {
    REDIS_URL: 'rediss://***@host:6379/1',
    PSEUDONYM_KEY: '***',
    PSEUDONYM_KEY_PREVIOUS: '',
    API_KEYS: '***',
  });
  t.match(shown, { PORT: 3000, DATA_DIR: '.data', EVICTION_ALLOWED: false });
  t.strictSame(Object.keys(shown).sort(), Object.keys(config).sort());
  t.notMatch(JSON.stringify(shown), /abc|p@ss|word/);
  for (const [address, hidden] of [
    ['redis+cluster://user:a/b@one:1,two:2', 'redis+cluster://***@one:1,two:2'],
    ['redis://host/1?password=a@b&db=2', 'redis://***@b&db=2'],
    ['redis://host/1?db=2&password=ab', 'redis://host/1?db=2&password=***'],
    ['redis+sentinel://a/m?sentinel_password=ab', 'redis+sentinel://a/m?sentinel_password=***'],
  ]) {
    t.equal(shownSettings({ ...config, REDIS_URL: address }).REDIS_URL, hidden);
  }
  t.strictSame(
    ['API_KEYS_FILE', 'ACCESS_WITHOUT_KEYS', 'BATCH_EVENTS_MAX', 'MONKEYS'].filter(isSecretSetting),
    [],
  );
});

const scope = {
  systems: Array.from({ length: 30 }, (_, i) => `system ${i}`),
  isAll: false,
  window: '1h',
  span: { from: 0, to: 3_600_000 },
  work: { buckets: 30, commands: 60 },
};

t.test('slow questions: the latest are kept, the latest first, all are counted', async (t) => {
  const metrics = createMetrics();
  const log = pino({ level: 'silent' });
  const slow = createSlowQueries({ thresholdMs: 100, clock: { now: () => 0 }, metrics, log });
  t.strictSame(slow.list(), { noted: 0, questions: [] });
  for (let ms = 100; ms < 350; ms++) slow.note({ endpoint: 'top', scope, ms, state: 'miss' });
  const { noted, questions } = slow.list();
  t.equal(noted, 250);
  t.strictSame(
    questions.map(({ milliseconds }) => milliseconds),
    Array.from({ length: 200 }, (_, i) => 349 - i),
  );
  t.match(questions[0], { operation: 'top', systems_asked: 30, buckets: 30, commands: 60, window: '1h' });
  t.equal(questions[0].systems.length, 10);
  t.match(await metrics.slowQueries.get(), {
    values: [{ value: 250, labels: { endpoint: 'top', state: 'miss' } }],
  });
});

t.test('no more walks than two at once, and a failed one makes room', async (t) => {
  const turns = createTurns();
  let end = () => {};
  const long = () =>
    new Promise<void>((resolve) => {
      end = resolve;
    });
  const first = turns.take(long);
  const second = turns.take(async () => {
    throw new Error('failed');
  });
  await t.rejects(
    turns.take(async () => 1),
    { code: 'overloaded' },
  );
  await t.rejects(second, { message: 'failed' });
  t.equal(await turns.take(async () => 1), 1);
  end();
  await first;
});
