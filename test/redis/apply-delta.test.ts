/** apply-delta on a real Redis: epochs, lifetimes, and the bounds of its lists. */
import { Redis } from 'ioredis';
import t from 'tap';
import type { PayloadValue } from '../../src/redis/payload.js';
import { call, runPipeline } from '../../src/redis/pipeline.js';
import { digestElementsMax, digestFoldLength } from '../../src/redis/scripts.js';
import { decodeBloomHeader } from '../../src/sketches/bloom.js';
import { numericKeysMax, reservedNumericKey, topItemsMax } from '../../src/sketches/registry.js';
import { decodeDigest, encodeDigestHeader } from '../../src/sketches/t-digest.js';
import {
  apply,
  applyCall,
  bloomKeys,
  contentOf,
  countRecords,
  type Delta,
  digestBlob,
  namesFrom,
  replyDeadlineMs,
} from '../support/apply-delta.js';
import { everything, fullTop, rootKey, sketchKeys } from '../support/deltas.js';
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

t.test('every key it creates has the lifetime it was given, and keeps it', async (t) => {
  await apply(redis, fullTop);
  await apply(redis, everything);
  t.strictSame((await redis.keys('*')).sort(), [rootKey, ...sketchKeys].sort());
  const lifetimes: Record<string, number> = {
    'hll-fine': 901,
    'hll-coarse': 902,
    bloom: 903,
    top: 904,
    over: 904,
    digest: 905,
    count: 906,
    written: 907,
    cm: 908,
  };
  const stretched = JSON.parse(
    JSON.stringify({ counters: everything.counters, written: everything.written }),
  );
  stretched.counters[0][1] = 9_000;
  stretched.written[0][1] = 9_000;
  await apply(redis, {
    ...stretched,
    distinct: [[['hll-fine', 9_000, 'hll-coarse', 9_000], 'cyd']],
    membership: [['bloom', 9_000, bloomKeys(['cyd'])]],
    tops: [['top', 'over', 9_000, 'cyd', 2_000]],
    digests: [[reservedNumericKey, 'digest', 9_000, 1, digestBlob(1)]],
    frequency: [['cm', 9_000, countRecords(['cyd', 1])]],
  });
  for (const [suffix, seconds] of Object.entries(lifetimes)) {
    const left = await redis.pttl(`${rootKey}:${suffix}`);
    t.ok(left > seconds * 1_000 - 60_000 && left <= seconds * 1_000, `${suffix}: ${left} ms`);
  }
});

t.test('a list and its overcounts expire together, however late the first eviction comes', async (t) => {
  await apply(redis, { tops: [['top', 'over', 2_000, 'ada', 1]] });
  await apply(redis, {
    tops: [['top', 'over', 1_000, ...namesFrom('item', topItemsMax).flatMap((item) => [item, 5])]],
  });
  const [top, over] = [await redis.pttl(`${rootKey}:top`), await redis.pttl(`${rootKey}:over`)];
  t.ok(Math.abs(top - over) < 1_000, `list ${top} ms, overcounts ${over} ms`);
});

t.test('the record of a system lives from its latest written hour on', async (t) => {
  await apply(redis, everything, { recordSeconds: 100 });
  await apply(redis, { counters: everything.counters }, { recordSeconds: 500 });
  t.ok((await redis.pttl(rootKey)) <= 100_000, 'not longer for counts');
  await apply(redis, everything, { recordSeconds: 500 });
  t.ok((await redis.pttl(rootKey)) > 400_000, 'longer for a written hour');
});

t.test('a system without an epoch gets the one offered', async (t) => {
  t.strictSame(await apply(redis, everything, { fresh: 'e7', nowSeconds: 42 }), ['ok', 'e7', 0]);
  t.match(await redis.hgetall(rootKey), { epoch: 'e7', since: '42' });
  t.strictSame(await apply(redis, everything, { fresh: 'e8', nowSeconds: 43 }), ['ok', 'e7', 0]);
  t.match(await redis.hgetall(rootKey), { epoch: 'e7', since: '42' });
});

t.test('under the epoch relied on everything is stored, under another or none nothing', async (t) => {
  t.strictSame(await apply(redis, everything, { epoch: 'e0', fresh: 'e1' }), ['epoch', 'e1']);
  t.strictSame(await redis.keys('*'), [rootKey], 'none: only the record');
  t.ok((await redis.pttl(rootKey)) > 0, 'which has a lifetime');
  t.strictSame(await apply(redis, everything, { epoch: 'e1', fresh: 'e2' }), ['ok', 'e1', 0]);
  const before = await contentOf(redis);
  t.strictSame(await apply(redis, everything, { epoch: 'e0', fresh: 'e3' }), ['epoch', 'e1']);
  t.strictSame(await contentOf(redis), before, 'another: nothing');
});

t.test(
  'a system keeps its first numeric keys and always the reserved one; dropped samples are told',
  async (t) => {
    const digests = namesFrom('k', numericKeysMax + 3).map((key) => [
      key,
      `digest-${key}`,
      900,
      2,
      digestBlob(1, 2),
    ]);
    t.strictSame(await apply(redis, { digests }), ['ok', 'e1', 8], 'four keys of two samples too many');
    const reserved = [reservedNumericKey, 'digest', 900, 1, digestBlob(1)];
    t.strictSame(await apply(redis, { digests: [reserved] }), ['ok', 'e1', 0], 'the reserved key comes last');
    t.equal((await redis.keys('*digest*')).length, numericKeysMax);
    t.strictSame(await apply(redis, { digests }), ['ok', 'e1', 8], 'known keys stay');
    t.equal(await redis.llen(`${rootKey}:digest-k0`), 3);
    const later = [...digests]
      .reverse()
      .map(([key, , ...rest]) => [key, `later-${key}`, ...rest]) as PayloadValue[][];
    await apply(redis, { digests: later });
    t.strictSame(
      (await redis.keys('*later*')).map((key) => key.split('-')[1]).sort(),
      namesFrom('k', numericKeysMax - 1).sort(),
      'the same ones in another hour',
    );
  },
);

t.test('a numeric key that comes twice in one call takes one place', async (t) => {
  const twice = ['a', 'a'].map((key, hour) => [key, `digest-${hour}`, 900, 1, digestBlob(1)]);
  await apply(redis, { digests: twice });
  const others = namesFrom('k', numericKeysMax - 2).map((key) => [key, key, 900, 1, digestBlob(1)]);
  t.strictSame(await apply(redis, { digests: others }), ['ok', 'e1', 0]);
});

t.test('two operations of one call on the same filter keep all values and count them', async (t) => {
  // What a delta of two hours of one day brings.
  for (const [first, second] of [
    [10, 10],
    [150, 150],
    [300, 10],
    [1_000, 1],
  ]) {
    await redis.flushall();
    const [morning, noon] = [namesFrom('morning', first), namesFrom('noon', second)];
    await apply(redis, {
      membership: [
        ['bloom', 903, bloomKeys(morning)],
        ['bloom', 903, bloomKeys(noon)],
      ],
    });
    await apply(redis, { membership: [['once', 903, bloomKeys([...morning, ...noon])]] });
    const twice = (await redis.getBuffer(`${rootKey}:bloom`)) as Buffer;
    const once = (await redis.getBuffer(`${rootKey}:once`)) as Buffer;
    t.strictSame(decodeBloomHeader(twice), decodeBloomHeader(once), `${first} and ${second}: header`);
    t.ok(twice.equals(once), `${first} and ${second}: bytes`);
  }
});

t.test('two operations of one call on the sets of a day add up as two calls do', async (t) => {
  const { distinct, written } = everything;
  const twice = (list: Delta['distinct'] = []) => [...list, ...list];
  await apply(redis, { distinct: twice(distinct), written: twice(written) });
  const inOneCall = await contentOf(redis);
  await redis.flushall();
  for (let calls = 0; calls < 2; calls++) await apply(redis, { distinct, written });
  t.strictSame(await contentOf(redis), inOneCall);
});

t.test('lists of any length are added, also beyond what Lua can unpack', async (t) => {
  const names = namesFrom('name-', 20_000);
  await apply(redis, {
    distinct: [[['hll', 900], ...names]],
    tops: [['top', 'over', 900, ...names.flatMap((name, i) => [name, i + 1])]],
    counters: [['count', 900, ...names.flatMap((name) => [name, 2])]],
  });
  t.ok(Math.abs((await redis.pfcount(`${rootKey}:hll`)) - 20_000) < 600);
  t.equal(await redis.zcard(`${rootKey}:top`), topItemsMax);
  t.strictSame(
    await redis.hgetall(`${rootKey}:over`),
    { '': '19000' },
    'the floor is the largest evicted count',
  );
  t.equal(await redis.hlen(`${rootKey}:count`), 20_000);
});

t.test(
  'digest lists begin with a header, tell when they are long and never exceed their bound',
  async (t) => {
    const delta = { digests: [[reservedNumericKey, 'digest', 900, 1, digestBlob(7)]] };
    const key = `${rootKey}:digest`;
    for (let length = 2; length <= digestElementsMax; length++) {
      const told = length > digestFoldLength ? ['digest', length] : [];
      const reply = await apply(redis, delta);
      if (JSON.stringify(reply) !== JSON.stringify(['ok', 'e1', 0, ...told]))
        t.fail(`at ${length}: ${reply}`);
    }
    t.strictSame(await redis.lindexBuffer(key, 0), encodeDigestHeader(0, 'e1'));
    const before = await contentOf(redis);
    const full = await apply(redis, { ...everything, ...delta });
    t.strictSame(full, ['fold', 'digest'], 'a full list asks for folding');
    t.strictSame(await contentOf(redis), before, 'and nothing is stored');
    t.equal(await redis.llen(key), digestElementsMax);
    t.equal(decodeDigest((await redis.lindexBuffer(key, -1)) as Buffer).count, 1);
  },
);

t.test('SCRIPT FLUSH in the middle loses nothing and counts nothing twice', async (t) => {
  const delta = { counters: [['count', 900, '1:0', 1]] };
  for (let round = 0; round < 5; round++) {
    await redis.script('FLUSH');
    const calls = Array.from({ length: 20 }, (_, i) =>
      i === 10 ? call('SCRIPT', 'FLUSH') : applyCall(delta),
    );
    const outcomes = await runPipeline(redis, calls, replyDeadlineMs);
    t.notOk(
      outcomes.find((outcome) => outcome.error),
      'no error',
    );
  }
  t.equal(await redis.hget(`${rootKey}:count`, '1:0'), String(5 * 19));
});
