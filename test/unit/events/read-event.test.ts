/** Reading rows: what it keeps in memory does not depend on what senders send. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import t from 'tap';
import { createEventReader, eventLimits } from '../../../src/events/read-event.js';
import { numericKeysMax, reservedNumericKey } from '../../../src/sketches/registry.js';
import { now } from '../../support/write-path.js';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;
const heapBytes = () => {
  // The first collection still finds the names of properties that only it has set free.
  collectGarbage();
  collectGarbage();
  return process.memoryUsage().heapUsed;
};

t.test('metadata keys that are refused for their length are not kept', async (t) => {
  const reader = createEventReader(0);
  const keyBytes = 1024 ** 2;
  const before = heapBytes();
  for (let i = 0; i < 50; i++) {
    const metadata = { [`${i}${'x'.repeat(keyBytes)}`.split('').reverse().join('')]: 1 };
    const problem = reader.read({ event_type: 'custom', system: 's', metadata }, now);
    t.equal(problem?.code, 'too_long');
  }
  const grown = heapBytes() - before;
  t.ok(grown < 5 * keyBytes, `50 refused keys of 1 MiB left ${Math.round(grown / keyBytes)} MiB behind`);
});

t.test('a long byte string in metadata costs no more than a short one', async (t) => {
  const reader = createEventReader(0);
  const read = (bytes: number) => {
    const metadata = { blob: new Uint8Array(bytes) };
    const start = process.memoryUsage().heapUsed;
    t.equal(reader.read({ event_type: 'custom', system: 's', metadata }, now), undefined);
    return process.memoryUsage().heapUsed - start;
  };
  read(10);
  collectGarbage();
  const used = read(8 * 1024 ** 2);
  t.ok(used < 8 * 1024 ** 2, `8 MiB of bytes took ${Math.round(used / 1024 ** 2)} MiB more to look at`);
});

t.test('one reader reads row after row without a trace of the one before', async (t) => {
  const reader = createEventReader(0, true);
  const full = {
    event_type: 'user_login',
    system: 'a',
    event_id: 'id',
    user_id: 'u',
    session_id: 's',
    metadata: { ip: 'i', endpoint: 'e', status: 'failed', status_code: 500, latency_ms: 1, size: 2 },
  };
  t.equal(reader.read(full, now), undefined);
  const numbers = { numberKeys: ['latency_ms', 'size'], numberValues: [1, 2] };
  t.match(reader.event, { id: 'id', user: 'u', isFailedLogin: true, ...numbers });
  t.equal(reader.read({ event_type: 'custom', system: 'b' }, now + 1), undefined);
  t.strictSame(
    { ...reader.event },
    {
      type: 8,
      system: 'b',
      id: undefined,
      at: now + 1,
      user: undefined,
      session: undefined,
      ip: undefined,
      endpoint: undefined,
      isFailedLogin: false,
      numberKeys: [],
      numberValues: [],
      numbersDropped: 0,
      isTimeDefaulted: true,
      ignored: { names: [], more: 0 },
    },
  );
});

t.test('an id is read where ids mean anything, and else ignored, whatever it is', async (t) => {
  const row = { event_type: 'custom', system: 's', event_id: 7 };
  const [reader, ignoring] = [createEventReader(0, true), createEventReader(0)];
  t.match(reader.read(row, now), { code: 'type_invalid', pointer: '/event_id' });
  for (const event_id of ['same', 7, '', {}]) t.equal(ignoring.read({ ...row, event_id }, now), undefined);
  t.equal(ignoring.event.id, undefined);
});

t.test(
  'of the numbers of an event as many are read as a system keeps, and always the reserved one',
  async (t) => {
    const reader = createEventReader(0);
    const keys = Array.from({ length: numericKeysMax + 8 }, (_, i) => `k${i}`);
    const metadata = Object.fromEntries([...keys, reservedNumericKey].map((key, i) => [key, i]));
    t.equal(reader.read({ event_type: 'custom', system: 's', metadata }, now), undefined);
    t.strictSame(reader.event.numberKeys, [...keys.slice(0, numericKeysMax), reservedNumericKey]);
    t.equal(reader.event.numbersDropped, 8);
    t.strictSame(
      reader.event.ignored.names,
      keys.slice(numericKeysMax).map((key) => `metadata.${key}`),
    );
  },
);

t.test('limits are in bytes and hold exactly', async (t) => {
  const reader = createEventReader(0, true);
  const codeOf = (row: object) => reader.read({ event_type: 'custom', system: 's', ...row }, now)?.code;
  const cases: [field: string, bytesMax: number, row: (text: string) => object][] = [
    ['system', eventLimits.systemBytesMax, (system) => ({ system })],
    ['event_id', eventLimits.idBytesMax, (event_id) => ({ event_id })],
    ['user_id', eventLimits.idBytesMax, (user_id) => ({ user_id })],
    ['session_id', eventLimits.idBytesMax, (session_id) => ({ session_id })],
    ['ip', eventLimits.idBytesMax, (ip) => ({ metadata: { ip } })],
    ['endpoint', eventLimits.endpointBytesMax, (endpoint) => ({ metadata: { endpoint } })],
    ['numeric key', eventLimits.numericKeyBytesMax, (key) => ({ metadata: { [key]: 1 } })],
  ];
  for (const [field, bytesMax, row] of cases) {
    for (const unit of ['x', 'é', '€', '😀']) {
      const bytes = Buffer.byteLength(unit);
      const fits = unit
        .repeat(Math.floor(bytesMax / bytes))
        .padEnd(Math.floor(bytesMax / bytes) * unit.length + (bytesMax % bytes), 'x');
      t.equal(codeOf(row(fits)), undefined, `${field} of ${bytesMax} bytes`);
      t.equal(codeOf(row(`${fits}x`)), 'too_long', `${field} of one more`);
    }
    t.equal(codeOf(row('')), field === 'system' ? 'empty' : undefined, `${field} of none`);
    t.equal(codeOf(row('\ud800')), 'not_unicode', `${field} with a lone surrogate`);
  }
});
