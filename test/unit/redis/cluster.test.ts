/** What a cluster needs to know of keys without asking: slots. */
import t from 'tap';
import { slotOf, slotOfCall } from '../../../src/redis/cluster/slots.js';
import { cacheKey, cacheLockKey, directoryKeys, leaseKeys, systemKey } from '../../../src/redis/keys.js';
import { call, callScript } from '../../../src/redis/pipeline.js';
import { scripts } from '../../../src/redis/scripts.js';

t.test('a slot is the CRC16 of what stands between the first braces', async (t) => {
  t.equal(slotOf('123456789'), 0x31c3);
  t.equal(slotOf('{123456789}'), 0x31c3);
  t.equal(slotOf('foo{123456789}{bar}'), 0x31c3);
  t.equal(slotOf('foo'), 12_182);
  t.equal(slotOf(''), 0);
  t.not(slotOf('{}123456789'), slotOf('123456789'), 'an empty tag is none');
  t.equal(slotOf('{123456789'), slotOf('{123456789'));
});

t.test('what a script uses together has one slot', async (t) => {
  t.equal(slotOf(directoryKeys.names), slotOf(directoryKeys.last));
  const { holder, token } = leaseKeys('rollups');
  t.equal(slotOf(holder), slotOf(token));
  const key = cacheKey({
    endpoint: 'e',
    systems: ['a'],
    window: '1h',
    bucket: 'b',
    generation: 'g',
    parameters: {},
  });
  t.equal(slotOf(key), slotOf(cacheLockKey(key)));
  t.equal(slotOf(`${systemKey('a}{b')}:hll:users:day:x`), slotOf(systemKey('a}{b')));
});

t.test('a call goes by its first key, and one without a key has no place', async (t) => {
  t.equal(slotOfCall(call('GET', 'foo')), 12_182);
  t.equal(slotOfCall(callScript(scripts['read-top-1'], ['foo'], ['bar'])), 12_182);
  t.equal(slotOfCall(call('MEMORY', 'USAGE', 'foo')), 12_182);
  t.throws(() => slotOfCall(call('DBSIZE')), /DBSIZE has no key/);
  t.throws(() => slotOfCall(call('SCAN', '0', 'COUNT', 10)), /SCAN has no key/);
});
