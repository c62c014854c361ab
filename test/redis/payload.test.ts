/** Payloads: what is written is what Redis's own cmsgpack reads. */
import { Decoder } from '@msgpack/msgpack';
import fc from 'fast-check';
import { Redis } from 'ioredis';
import t from 'tap';
import { encodePayload, type PayloadValue } from '../../src/redis/payload.js';
import { startRedis } from '../support/redis-server.js';

const server = await startRedis();
const redis = new Redis(server.url, { protocol: 2 });
t.teardown(async () => {
  redis.disconnect();
  await server.stop();
});

/** Echoes what cmsgpack made of a payload: strings as they are, numbers in full, lists as lists. */
const echoScript = `
local function show(value)
  if type(value) == 'number' then return { 'number', string.format('%.17g', value) } end
  if type(value) == 'string' then return { 'text', value } end
  if type(value) ~= 'table' then return { type(value) } end
  local list = { 'list', tostring(#value) }
  for i = 1, #value do list[i + 2] = show(value[i]) end
  return list
end
return show(cmsgpack.unpack(ARGV[1]))`;

type Shown = [Buffer, Buffer?, ...Shown[]];

/** What Redis reads. */
async function read(list: readonly PayloadValue[]): Promise<unknown> {
  const shown = (await redis.callBuffer('EVAL', echoScript, 0, encodePayload(list))) as unknown as Shown;
  const value = ([type, first, ...rest]: Shown): unknown => {
    if (String(type) === 'number') return Number(first);
    if (String(type) === 'text') return Buffer.from(first as Buffer);
    if (String(type) !== 'list' || rest.length !== Number(first)) return `${type} of ${rest.length}`;
    return rest.map((one) => value(one as Shown));
  };
  return value(shown);
}

const plain = (value: PayloadValue): unknown => {
  if (typeof value === 'string') return Buffer.from(value);
  if (typeof value === 'number' || Buffer.isBuffer(value)) return value;
  return value.map(plain);
};

t.test('strings of every length around each limit, of one to four bytes a character', async (t) => {
  const lengths = [
    0, 1, 2, 30, 31, 32, 63, 64, 84, 85, 86, 127, 128, 254, 255, 256, 257, 65_534, 65_535, 65_536, 65_537,
  ];
  for (const unit of ['a', 'é', '€', '😀']) {
    for (const length of lengths) {
      const texts = [unit.repeat(length), `${'x'.repeat(length)}${unit}`, `${unit}${'x'.repeat(length)}`];
      const read_ = await read(texts);
      if (JSON.stringify(read_) !== JSON.stringify(plain(texts))) t.fail(`${length} times ${unit}`);
    }
  }
});

t.test('every length up to 300, in one list', async (t) => {
  for (const unit of ['a', 'é', '€', '😀']) {
    const texts = Array.from({ length: 300 }, (_, length) => unit.repeat(length));
    t.strictSame(await read(texts), plain(texts), unit);
  }
});

t.test('bytes of any length and value', async (t) => {
  const bytes = [0, 1, 31, 32, 255, 256, 65_535, 65_536, 300_000].map((length) =>
    Buffer.from(Array.from({ length }, (_, i) => (i * 7) % 256)),
  );
  t.strictSame(await read(bytes), bytes);
});

t.test('numbers up to 2^53, below zero and with fractions', async (t) => {
  const numbers = [
    0,
    1,
    127,
    128,
    255,
    256,
    65_535,
    65_536,
    2 ** 31 - 1,
    2 ** 31,
    2 ** 32 - 1,
    2 ** 32,
    2 ** 40,
    2 ** 53 - 1,
    2 ** 53,
    -1,
    -32,
    -33,
    -128,
    -129,
    -(2 ** 31),
    -(2 ** 53),
    0.5,
    -0.5,
    0.1,
    1e-300,
    1.7976931348623157e308,
    5e-324,
    1_785_412_640_123,
  ];
  t.strictSame(await read(numbers), numbers);
});

t.test('lists of every length around each limit, and lists in lists', async (t) => {
  for (const length of [0, 1, 14, 15, 16, 17, 255, 256, 65_535, 65_536, 65_537]) {
    const list = Array.from({ length }, (_, i) => i);
    t.strictSame(await read(list), list, `${length} numbers`);
  }
  const nested = [
    [],
    [[], ['a', [1, [Buffer.from([0, 255])]]]],
    Array.from({ length: 20 }, (_, i) => [i, [String(i)]]),
  ];
  t.strictSame(await read(nested), plain(nested));
});

const value: fc.Arbitrary<PayloadValue> = fc.letrec<{ value: PayloadValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.string({ unit: 'binary' }),
    fc.string({ unit: 'binary', minLength: 60, maxLength: 300 }),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => number + 0),
    fc.integer(),
    fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
    fc.array(tie('value'), { maxLength: 20 }),
  ),
})).value;

t.test('any list at all, in Redis and in the reference implementation', async (t) => {
  const decoder = new Decoder({ rawStrings: true });
  const buffers = (given: unknown): unknown => {
    if (Array.isArray(given)) return given.map(buffers);
    return given instanceof Uint8Array ? Buffer.from(given) : given;
  };
  await fc.assert(
    fc.asyncProperty(fc.array(value, { maxLength: 20 }), async (list) => {
      t.strictSame(await read(list), plain(list));
      t.strictSame(buffers(decoder.decode(encodePayload(list))), plain(list));
    }),
    { seed: 1, numRuns: 200 },
  );
});

t.test('payloads stay as they are when the next one is written, large or small', async (t) => {
  const large = ['x'.repeat(2_000_000)];
  const first = encodePayload(['ada', 1]);
  const copy = Buffer.from(first);
  const second = encodePayload(large);
  encodePayload(['bob', 2]);
  t.strictSame(first, copy);
  t.equal(second.length, 2_000_006);
  t.strictSame(await read(large), plain(large));
});
