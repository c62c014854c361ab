/** Keys: no name leaves its hash tag or reaches another key, whatever is in it. */
import { createRequire } from 'node:module';
import fc from 'fast-check';
import { Redis } from 'ioredis';
import t from 'tap';
import {
  type CacheQuestion,
  cacheKey,
  cacheLockKey,
  claimKey,
  directoryKeys,
  generationsKey,
  parseKey,
  type SketchKind,
  sketchKey,
  sketchKinds,
  sketchSuffix,
  systemKey,
  writtenKey,
} from '../../src/redis/keys.js';
import { bucketAt, grains } from '../../src/windows/bucket.js';
import { startRedis } from '../support/redis-server.js';
import { createWritePath, deltaOf } from '../support/write-path.js';

/** What ioredis itself finds the slot of a key with. */
const calculateSlot: (key: string) => number = createRequire(
  createRequire(import.meta.url).resolve('ioredis'),
)('cluster-key-slot');

const hostile = [
  'a}',
  '{a',
  '}{',
  'a:b',
  'a}:hll:users:hour:1',
  '*',
  '?',
  '[a-z]',
  '\\',
  '\r\n',
  '\0',
  ' ',
  '%',
  '%7D',
  "'();",
];
const name = fc.oneof(
  fc.string({ unit: 'binary', minLength: 1, maxLength: 12 }),
  fc
    .array(fc.constantFrom(...'{}:*%?[]\\ \r\n\0aé😀'), { minLength: 1, maxLength: 6 })
    .map((parts) => parts.join('')),
  fc.constantFrom(...hostile),
);
const kind = fc.constantFrom(...sketchKinds);
const bucket = fc
  .tuple(fc.constantFrom(...grains), fc.integer({ min: 0, max: 4e12 }))
  .map(([grain, at]) => bucketAt(grain, at));
const options = { seed: 1, numRuns: 1_000 };

t.test('a key tells its parts again', async () => {
  fc.assert(
    fc.property(name, kind, name, bucket, (system, sketch, metric, at) => {
      const parsed = parseKey(sketchKey(system, sketch, metric, at));
      return (
        parsed?.system === system &&
        parsed.sketch?.kind === sketch &&
        parsed.sketch.metric === metric &&
        parsed.sketch.grain === at.grain &&
        parsed.sketch.bucket === at.name &&
        parseKey(systemKey(system))?.system === system &&
        parseKey(systemKey(system))?.sketch === undefined
      );
    }),
    options,
  );
});

t.test('different sketches have different keys', async () => {
  const place = fc.tuple(name, kind, name, bucket);
  fc.assert(
    fc.property(place, place, (a, b) => {
      const same = JSON.stringify(a) === JSON.stringify(b);
      const keys = [sketchKey(...a), sketchKey(...b), systemKey(a[0]), systemKey(b[0])];
      return (keys[0] === keys[1]) === same && (keys[2] === keys[3]) === (a[0] === b[0]);
    }),
    options,
  );
  const all = hostile.flatMap((system) => [
    systemKey(system),
    ...hostile.flatMap((metric) =>
      sketchKinds.map((one) => sketchKey(system, one, metric, bucketAt('day', 0))),
    ),
  ]);
  const unique = new Set([...all, ...Object.values(directoryKeys)]);
  t.equal(unique.size, all.length + 4, 'and the directory has keys of its own');
});

t.test('a key has one hash tag, the system, and no character that means something elsewhere', async () => {
  fc.assert(
    fc.property(name, kind, name, bucket, (system, sketch, metric, at) => {
      const key = sketchKey(system, sketch, metric, at);
      const tag = key.slice(key.indexOf('{') + 1, key.indexOf('}'));
      return (
        key.split('{').length === 2 &&
        key.split('}').length === 2 &&
        tag !== '' &&
        decodeURIComponent(tag) === system &&
        key.startsWith(`${systemKey(system)}:`) &&
        // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what must not be there
        !/[*?[\]\\\s\u0000-\u001f\u007f-\uffff]/.test(key)
      );
    }),
    options,
  );
});

t.test('the key of a sketch is the system key, a colon and the suffix, as scripts build it', async () => {
  fc.assert(
    fc.property(name, kind, name, bucket, (system, sketch, metric, at) => {
      return (
        sketchKey(system, sketch, metric, at) === `${systemKey(system)}:${sketchSuffix(sketch, metric, at)}`
      );
    }),
    options,
  );
});

t.test('keys of others are no keys of ours, and looking at them never throws', async (t) => {
  const day = bucketAt('day', 0);
  const foreign = [
    '',
    'pt:',
    'pt:{}',
    'pt:{a',
    'pt:a',
    'pt:{a}:',
    'pt:{a}:hll',
    'pt:{a}:unknown:users:day:1970-01-01',
    'pt:{a}:hll:users:day:1970-01-01:more',
    'pt:{a}{b}',
    'xpt:{a}',
    'pt:{a}\n',
    'pt:{%}',
    'pt:{%zz}',
    'pt:{%ff}',
    'pt:{a}:hll:%:day:1970-01-01',
    ...Object.values(directoryKeys),
  ];
  for (const key of foreign) {
    try {
      t.equal(parseKey(key), undefined, JSON.stringify(key));
    } catch (error) {
      t.fail(`${JSON.stringify(key)}: ${error}`);
    }
  }
  t.ok(parseKey(writtenKey('a', day)));
  fc.assert(
    fc.property(fc.string(), (text) => {
      parseKey(`pt:{a}:${text}`);
    }),
    options,
  );
});

t.test('all keys of one system are in one cluster slot, also those that scripts build', async (t) => {
  const server = await startRedis();
  const redis = new Redis(server.url, { protocol: 2 });
  const path = await createWritePath({ socket: server.socket });
  t.teardown(async () => {
    await path.close();
    redis.disconnect();
    await server.stop();
  });
  const systems = ['plain', ...hostile.filter((system) => system !== '*')];
  for (const system of systems) {
    const row = {
      system,
      user_id: 'ada',
      metadata: { ip: '::1', endpoint: '/', latency_ms: 1, 'a}b:*{\0': 2 },
    };
    t.equal(deltaOf([row]).systems.size, 1);
    await path.store([row]);
  }
  const slots = new Map<string, Set<number>>();
  for (const key of await redis.keys('*')) {
    const parsed = parseKey(key);
    if (!parsed) {
      t.ok(Object.values(directoryKeys).includes(key), `${key} is no other's`);
      continue;
    }
    const found = slots.get(parsed.system) ?? new Set();
    slots.set(parsed.system, found.add(calculateSlot(key)));
  }
  t.strictSame([...slots.keys()].sort(), [...systems].sort());
  for (const [system, found] of slots) t.equal(found.size, 1, JSON.stringify(system));
  const kinds = (await redis.keys('pt:{plain}:*')).map((key) => parseKey(key)?.sketch?.kind as SketchKind);
  t.strictSame(
    [...new Set(kinds)].sort(),
    [...sketchKinds].filter((one) => !['over', 'roll', 'idem', 'ids', 'sealed'].includes(one)).sort(),
  );
  t.equal(
    calculateSlot(directoryKeys.names),
    calculateSlot(directoryKeys.last),
    'the directory in one slot too',
  );
});

const parameter = fc.oneof(name, fc.integer(), fc.boolean(), fc.array(name, { minLength: 2, maxLength: 3 }));
const cacheQuestion = fc.record({
  endpoint: name,
  systems: fc.uniqueArray(name, { maxLength: 4 }),
  window: name,
  bucket: name,
  generation: name,
  parameters: fc.dictionary(name, parameter, { maxKeys: 4 }),
});

t.test('questions that mean the same have one cache key, others never', async (t) => {
  fc.assert(
    fc.property(cacheQuestion, cacheQuestion, (a, b) => {
      const shuffled = {
        ...a,
        systems: [...a.systems].reverse().concat(a.systems),
        parameters: { absent: undefined, ...Object.fromEntries(Object.entries(a.parameters).reverse()) },
      };
      const meaning = ({ systems, parameters, ...rest }: CacheQuestion) =>
        JSON.stringify([
          rest,
          [...systems].sort(),
          Object.entries(parameters)
            .map(([key, value]) => [key, typeof value === 'object' ? value : String(value)])
            .sort(),
        ]);
      return (
        cacheKey(a) === cacheKey(shuffled) && (cacheKey(a) === cacheKey(b)) === (meaning(a) === meaning(b))
      );
    }),
    options,
  );
  const base = {
    endpoint: 'e',
    systems: ['a', 'b'],
    window: 'w',
    bucket: 'b',
    generation: 'g',
    parameters: {},
  };
  const others: Partial<CacheQuestion>[] = [
    {},
    { endpoint: 'f' },
    { systems: ['a,b'] },
    { systems: ['a'] },
    { systems: ['*'] },
    { systems: [] },
    { window: 'w:b' },
    { generation: 'h' },
    { parameters: { k: 1 } },
    { parameters: { k: '1&l=2' } },
    { parameters: { k: 1, l: 2 } },
    { parameters: { k: '' } },
    { parameters: { k: ['a', 'b'] } },
    { parameters: { k: 'a,b' } },
  ];
  t.equal(new Set(others.map((other) => cacheKey({ ...base, ...other }))).size, others.length);
});

t.test('a cache key is bounded, is in the slot of its lock and is no key of a system', async (t) => {
  fc.assert(
    fc.property(cacheQuestion, fc.integer({ min: 1, max: 60 }), (asked, times) => {
      const systems = asked.systems.flatMap((system) => Array.from({ length: times }, (_, i) => system + i));
      const key = cacheKey({ ...asked, systems });
      return (
        key.length <= 512 &&
        key.split(/[{}]/).length === 3 &&
        calculateSlot(key) === calculateSlot(cacheLockKey(key)) &&
        parseKey(key) === undefined &&
        key !== generationsKey &&
        // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what must not be there
        !/[*?[\]\\\s\u0000-\u001f\u007f-\uffff]/.test(key)
      );
    }),
    options,
  );
  const long = { endpoint: 'e', window: 'w', bucket: 'b', generation: 'g', parameters: {} };
  const systems = Array.from({ length: 100 }, (_, i) => `system ${i}`);
  t.equal(
    cacheKey({ ...long, systems }),
    cacheKey({ ...long, systems: systems.toReversed() }),
    'and where it is hashed, still the same for the same question',
  );
  t.not(cacheKey({ ...long, systems }), cacheKey({ ...long, systems: systems.slice(1) }));
});

t.test('a claim is found by its principal and key alone, and is no key of a system', async () => {
  const part = fc.oneof(name, fc.constantFrom('a', 'a:b', 'b', 'a:', ':b'));
  fc.assert(
    fc.property(part, part, part, part, (principal, key, otherPrincipal, otherKey) => {
      const claim = claimKey(principal, key);
      const isSame = principal === otherPrincipal && key === otherKey;
      return (
        (claim === claimKey(otherPrincipal, otherKey)) === isSame &&
        parseKey(claim) === undefined &&
        claim.split(/[{}]/).length === 3
      );
    }),
    options,
  );
});
