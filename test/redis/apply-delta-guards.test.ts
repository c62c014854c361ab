/** apply-delta on a real Redis: a system's part is stored whole or not at all. */
import { Redis } from 'ioredis';
import t from 'tap';
import { systemKey } from '../../src/redis/keys.js';
import { encodePayload } from '../../src/redis/payload.js';
import { callScript, readPipeline, runPipeline } from '../../src/redis/pipeline.js';
import { digestElementsMax, scripts } from '../../src/redis/scripts.js';
import { reservedNumericKey } from '../../src/sketches/registry.js';
import {
  apply,
  applyCall,
  bloomKeys,
  contentOf,
  type Delta,
  payloadOf,
  replyDeadlineMs,
} from '../support/apply-delta.js';
import { everything, fullTop, more, rootKey, sketchKeys } from '../support/deltas.js';
import { startRedis } from '../support/redis-server.js';

const server = await startRedis();
const redis = new Redis(server.url, { protocol: 2 });
t.teardown(async () => {
  redis.disconnect();
  await server.stop();
});
t.beforeEach(async () => {
  await redis.config('SET', 'maxmemory', '0');
  await redis.flushall();
});

/** The error that a call ends with, or undefined. */
const errorOf = (delta: Delta | Buffer, terms = {}) =>
  apply(redis, delta, terms).then(
    () => undefined,
    (error: Error) => error.message,
  );

t.test('a key of the wrong type fails the call before anything is written', async (t) => {
  for (const key of [rootKey, ...sketchKeys]) {
    for (const state of ['fresh', 'filled']) {
      await redis.flushall();
      if (state === 'filled') {
        await apply(redis, everything);
        await apply(redis, fullTop);
      }
      await redis.del(key);
      const isString = /hll|bloom|cm$/.test(key);
      if (isString) await redis.hset(key, 'field', 'value');
      else await redis.set(key, 'text');
      const before = await contentOf(redis);
      t.match(await errorOf(more), /WRONGTYPE/, `${state}, ${key}: an error`);
      t.strictSame(await contentOf(redis), before, `${state}, ${key}: nothing written`);
    }
  }
});

t.test('a string that is no sketch of its kind fails the call before anything is written', async (t) => {
  const header = (layers: number, bytes: number) => {
    const blob = Buffer.alloc(bytes);
    Buffer.from(['P'.charCodeAt(0), 'T'.charCodeAt(0), 'B'.charCodeAt(0), 1, layers]).copy(blob);
    return blob;
  };
  const strangers: [suffix: string, name: string, value: Buffer][] = [
    ['hll-coarse', 'other text', Buffer.from('text')],
    ['hll-coarse', 'the magic of a HyperLogLog alone', Buffer.from('HYLL')],
    ['bloom', 'other text', Buffer.from('text')],
    ['bloom', 'an unknown format version', Buffer.from('PTB\x02'.padEnd(552, '\0'))],
    ['bloom', 'an envelope alone', header(1, 4)],
    ['bloom', 'a header of no layers', header(0, 552)],
    ['bloom', 'a header of too many layers', header(9, 552)],
    ['cm', 'other text', Buffer.from('text')],
    ['cm', 'an unknown format version', Buffer.from('PTC\x02\x01'.padEnd(1_080, '\0'))],
    ['cm', 'an envelope alone', Buffer.from('PTC\x01')],
    ['cm', 'a header of no layers', Buffer.from('PTC\x01\x00'.padEnd(1_080, '\0'))],
    ['cm', 'a header of too many layers', Buffer.from('PTC\x01\x05'.padEnd(100_000, '\0'))],
    ['cm', 'fewer counters than its layers have', Buffer.from('PTC\x01\x02'.padEnd(1_080, '\0'))],
    ['cm', 'a record cut', Buffer.from('PTC\x01\x01'.padEnd(1_081, '\0'))],
  ];
  for (const [suffix, name, value] of strangers) {
    await redis.flushall();
    await apply(redis, everything);
    await redis.set(`${rootKey}:${suffix}`, value);
    const before = await contentOf(redis);
    t.type(await errorOf(more), 'string', `${suffix}, ${name}: an error`);
    t.strictSame(await contentOf(redis), before, `${suffix}, ${name}: nothing written`);
  }
});

t.test('a number that is none fails the call before anything is written', async (t) => {
  const fields: [suffix: string, field: string][] = [
    ['over', ''],
    ['count', '630:0'],
  ];
  for (const [suffix, field] of fields) {
    for (const value of ['abc', 'nan', '-1', 'inf']) {
      await redis.flushall();
      await apply(redis, everything);
      await apply(redis, fullTop);
      await redis.hset(`${rootKey}:${suffix}`, field, value);
      const before = await contentOf(redis);
      t.match(await errorOf(more), /WRONGTYPE/, `${suffix} ${value}: an error`);
      t.strictSame(await contentOf(redis), before, `${suffix} ${value}: nothing written`);
    }
  }
});

t.test('a payload that is cut short fails the call before anything is written', async (t) => {
  const payload = payloadOf(everything);
  await apply(redis, everything);
  const before = await contentOf(redis);
  for (let bytes = 0; bytes < payload.length; bytes++) {
    const error = await errorOf(payload.subarray(0, bytes));
    if (error === undefined) t.fail(`${bytes} of ${payload.length} bytes were accepted`);
  }
  t.strictSame(await contentOf(redis), before);
});

t.test('operations of the wrong shape fail the call before anything is written', async (t) => {
  const wrong: [name: string, delta: Delta][] = [
    ['bloom keys of 11 bytes', { membership: [['bloom', 903, Buffer.alloc(11)]] }],
    ['records of 11 bytes', { frequency: [['cm', 908, Buffer.alloc(11)]] }],
    ['no records', { frequency: [['cm', 908, Buffer.alloc(0)]] }],
    ['records that are a number', { frequency: [['cm', 908, 12]] }],
    ['an item without a count', { tops: [['top', 'over', 904, 'ada', 1, 'bob']] }],
    ['a counter without a count', { counters: [['count', 906, '630:0', 3, '631:0']] }],
    ['a count that is no number', { counters: [['count', 906, '630:0', 'many']] }],
    ['a lifetime that is no number', { membership: [['new-bloom', 'soon', bloomKeys(['ada'])]] }],
    ['a digest without a blob', { digests: [[reservedNumericKey, 'digest', 905, 3]] }],
    ['values that are lists', { distinct: [[['hll-fine', 901], ['ada']]] }],
  ];
  for (const [name, delta] of wrong) {
    await redis.flushall();
    await apply(redis, everything);
    const before = await contentOf(redis);
    t.type(await errorOf({ ...more, ...delta }), 'string', `${name}: an error`);
    t.strictSame(await contentOf(redis), before, `${name}: nothing written`);
  }
});

t.test('without memory a call is stored whole or not at all', async (t) => {
  const { written: _, ...withoutWritten } = everything;
  for (const [name, delta] of Object.entries({ everything, withoutWritten })) {
    for (const state of ['fresh', 'filled']) {
      await redis.config('SET', 'maxmemory', '0');
      await redis.flushall();
      if (state === 'filled') await apply(redis, fullTop);
      const before = await contentOf(redis);
      await redis.config('SET', 'maxmemory', '1');
      const error = await errorOf(delta);
      const counted = await redis.hget(`${rootKey}:count`, '630:0');
      if (error === undefined) t.equal(counted, '3', `${name}, ${state}: stored`);
      else {
        t.match(error, /OOM/, `${name}, ${state}: refused`);
        t.strictSame(await contentOf(redis), before, `${name}, ${state}: nothing written`);
      }
    }
  }
});

t.test('two operations on one list in one part are refused, since each is checked for itself', async (t) => {
  const { tops = [], digests = [], counters = [], frequency = [] } = everything;
  for (const delta of [
    { tops: [...tops, ...tops] },
    { counters: [...counters, ...counters] },
    { frequency: [...frequency, ...frequency] },
  ]) {
    t.match(await errorOf(delta), /twice/);
  }
  const key = `${rootKey}:digest`;
  for (let length = 2; length < digestElementsMax; length++) await apply(redis, { digests });
  t.equal(await redis.llen(key), digestElementsMax - 1);
  t.match(await errorOf({ digests: [...digests, ...digests] }), /twice/);
  t.equal(await redis.llen(key), digestElementsMax - 1);
});

t.test('of several systems in one call, one that fails leaves the others stored', async (t) => {
  await redis.set('pt:{b}', 'text');
  const [{ args }] = [applyCall(everything)];
  const part = ['', 'e1', [], [], [], [], [[1, ['630:0'], [3]]], [], []];
  const payload = encodePayload([[['count', 906]], [part, part, part]]);
  const keys = ['a', 'b', 'c'].map(systemKey);
  const apply3 = callScript(scripts['apply-delta-n'], keys, [...args.slice(-3, -1), payload]);
  const [replies] = (await readPipeline(redis, [apply3], replyDeadlineMs)) as [unknown[][]];
  t.strictSame(
    replies.map(([state]) => state),
    ['ok', 'error', 'ok'],
  );
  t.match(replies[1][1], /WRONGTYPE/);
  t.strictSame((await redis.keys('*')).sort(), [
    'pt:{a}',
    'pt:{a}:count',
    'pt:{b}',
    'pt:{c}',
    'pt:{c}:count',
  ]);
});

t.test('an error of Redis does not carry the values', async (t) => {
  const broken = callScript(scripts['apply-delta-n'], ['pt:{b}'], [1, 1, 'ada']);
  const [outcome] = await runPipeline(redis, [broken], replyDeadlineMs);
  t.equal(outcome.error?.name, 'ReplyError');
  t.notOk(JSON.stringify(outcome.error).includes('ada'));
});
