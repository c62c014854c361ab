/** The memory of a process: bounded by bytes, least recently used first to go, compressed once. */
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import t from 'tap';
import { createEntry } from '../../../src/cache/entry.js';
import { createMemory } from '../../../src/cache/memory.js';
import { openPolicies } from '../../../src/cache/policies.js';
import { createMetrics } from '../../../src/metrics.js';
import { seededRandom } from '../../support/random.js';

const [times] = openPolicies;
const entry = (text: string) => createEntry(text, { asOf: 0, at: 0 }, times);

function create(bytesMax: number) {
  const metrics = createMetrics();
  const memory = createMemory(bytesMax, metrics);
  const read = async (metric: 'cacheBytes' | 'cacheEvictions') =>
    (await metrics[metric].get()).values[0].value;
  return { memory, read };
}

t.test('it never holds more bytes than allowed, whatever comes', async (t) => {
  const bytesMax = 50_000;
  const { memory, read } = create(bytesMax);
  const random = seededRandom(1);
  let most = 0;
  for (let i = 0; i < 5_000; i++) {
    const key = `key ${Math.floor(random() * 100)}`;
    const size = Math.floor(random() * 5_000);
    if (random() < 0.1) memory.drop(key);
    else if (random() < 0.5) memory.set(key, entry('x'.repeat(size)));
    else memory.get(key);
    const held = memory.peek(key);
    if (held && random() < 0.02) await memory.encoded(key, held, random() < 0.5 ? 'br' : 'gzip');
    most = Math.max(most, memory.bytes);
  }
  t.ok(most <= bytesMax && most > bytesMax * 0.9, `${most} bytes`);
  t.equal(await read('cacheBytes'), memory.bytes);
  t.ok((await read('cacheEvictions')) > 100);
  for (let i = 0; i < 100; i++) memory.set(`key ${i}`, entry('x'.repeat(2 * bytesMax)));
  t.strictSame([memory.size, memory.bytes], [0, 0], 'the count is exact');
});

t.test('what was not used for longest goes first', async (t) => {
  const { memory } = create(12_000);
  for (const key of ['a', 'b', 'c']) memory.set(key, entry('x'.repeat(2_000)));
  memory.get('a');
  memory.peek('b');
  memory.set('d', entry('x'.repeat(2_000)));
  t.strictSame(
    ['a', 'b', 'c', 'd'].map((key) => memory.peek(key) !== undefined),
    [true, false, true, true],
  );
});

t.test('what is larger than the whole memory is not kept, and the rest stays', async (t) => {
  const { memory } = create(10_000);
  memory.set('a', entry('x'));
  memory.set('b', entry('x'.repeat(20_000)));
  t.ok(memory.peek('a'));
  t.notOk(memory.peek('b'));
});

t.test('a compressed form is made once for all who ask, kept and counted', async (t) => {
  const { memory } = create(100_000);
  const text = JSON.stringify(Array.from({ length: 1_000 }, (_, i) => i));
  const held = entry(text);
  memory.set('a', held);
  const before = memory.bytes;
  const forms = await Promise.all(
    ['br', 'br', 'gzip'].map((one) => memory.encoded('a', held, one as 'br' | 'gzip')),
  );
  t.equal(forms[0], forms[1]);
  t.equal(brotliDecompressSync(forms[0]).toString(), text);
  t.equal(gunzipSync(forms[2]).toString(), text);
  t.equal(memory.encoded('a', held, 'br'), forms[0], 'at once, the second time');
  t.equal(memory.bytes, before + forms[0].length + forms[2].length);
});

t.test('a form of what has been replaced meanwhile is handed out and not counted', async (t) => {
  const { memory } = create(100_000);
  const held = entry('x'.repeat(5_000));
  memory.set('a', held);
  const asked = memory.encoded('a', held, 'gzip');
  memory.set('a', entry('y'));
  const bytes = memory.bytes;
  t.equal(gunzipSync(await asked).length, 5_000);
  t.equal(memory.bytes, bytes);
});
