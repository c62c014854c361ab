/** Names of shards, and the setting that says how many: nobody can send such a name, and they lie all over a cluster. */
import fc from 'fast-check';
import t from 'tap';
import { slotOf } from '../../../src/redis/cluster/slots.js';
import { parseKey, suffixOf, systemKey, systemOfShard } from '../../../src/redis/keys.js';
import { shardNames, shardsMax } from '../../../src/redis/shard-names.js';
import { readSpread, spreadText } from '../../../src/redis/spread.js';

const name = fc.oneof(
  fc.string({ unit: 'binary', minLength: 1, maxLength: 12 }),
  fc
    .array(fc.constantFrom(...'{}:#*%?.,=1é😀'), { minLength: 1, maxLength: 6 })
    .map((parts) => parts.join('')),
);
const options = { seed: 1, numRuns: 300 };

t.test('a key of a shard tells its system and its shard', async () => {
  fc.assert(
    fc.property(name, fc.integer({ min: 2, max: 9 }), (system, shards) =>
      shardNames(system, shards).every((shard) => {
        const parsed = parseKey(`${systemKey(shard)}:hll:users:day:2026-01-31`);
        return (
          parsed?.system === system &&
          parsed.shard === shard &&
          systemOfShard(shard) === system &&
          suffixOf(shard, `${systemKey(shard)}:a`) === 'a'
        );
      }),
    ),
    options,
  );
});

t.test(
  'the name of a shard has no byte form, so nobody can send it, and no name of a system is one',
  async () => {
    fc.assert(
      fc.property(name, (system) => {
        const [first, ...others] = shardNames(system, 3);
        return (
          first === system &&
          others.every((shard) => !shard.isWellFormed()) &&
          parseKey(systemKey(system))?.shard === system &&
          systemOfShard(system) === system
        );
      }),
      options,
    );
  },
);

t.test('no two shards of any systems share a key', async (t) => {
  const systems = ['a', 'a#1', 'a#1.1', 'a%231', '#', '1', 'b'];
  const keys = systems.flatMap((system) => shardNames(system, 8).map(systemKey));
  t.equal(new Set(keys).size, keys.length);
});

t.test('another number of shards moves none', async (t) => {
  const most = shardNames('crm', shardsMax);
  for (let shards = 1; shards < shardsMax; shards++)
    t.strictSame(shardNames('crm', shards), most.slice(0, shards));
});

t.test('a power of two is spread evenly over masters that divide the slots evenly', async (t) => {
  for (const [shards, masters] of [
    [4, 3],
    [8, 3],
    [8, 6],
    [16, 8],
    [64, 12],
  ]) {
    for (let i = 0; i < 50; i++) {
      const homes = new Map<number, number>();
      for (const shard of shardNames(`system ${i}`, shards)) {
        const home = Math.floor((slotOf(systemKey(shard)) * masters) / 16_384);
        homes.set(home, (homes.get(home) ?? 0) + 1);
      }
      const loads = [...homes.values()];
      t.equal(loads.length, masters, `${shards} on ${masters}`);
      t.ok(Math.max(...loads) <= Math.ceil(shards / masters) + 1, loads.join());
    }
  }
});

t.test('the setting is read as it is written, and anything else is refused by name', async (t) => {
  t.strictSame([...readSpread('')], []);
  t.strictSame(
    [...readSpread('a=2, b%3D%2C=64')],
    [
      ['a', 2],
      ['b=,', 64],
    ],
  );
  for (const text of ['a', 'a=', 'a=1', 'a=65', 'a=2.5', 'a=2,a=3', 'a=2,', '=2', 'a%=2', 'a=2;b=3']) {
    t.throws(() => readSpread(text), /SYSTEM_SHARDS/, text);
  }
  const many = Array.from({ length: 51 }, (_, i) => `${i}=2`).join();
  t.throws(() => readSpread(many), /more than 50/);
  fc.assert(
    fc.property(fc.dictionary(name, fc.integer({ min: 2, max: shardsMax }), { maxKeys: 5 }), (record) => {
      const text = spreadText(new Map(Object.entries(record)));
      return !text.includes(':') && spreadText(readSpread(text)) === text;
    }),
    options,
  );
});
