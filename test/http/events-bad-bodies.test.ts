/** POST /api/v1/events*: bodies that cannot be read. Each gets its 4xx, and nothing of it is stored. */
import { deflateSync, gzipSync } from 'node:zlib';
import { encode } from '@msgpack/msgpack';
import t, { type Test } from 'tap';
import { startApp } from '../support/app.js';
import { event, get, json, msgpack, ndjson, post } from '../support/http.js';
import { stateOf } from '../support/redis-state.js';

const { base, redis, stop } = await startApp({ config: { BODY_BYTES_MAX: 1024 ** 2 } });
t.teardown(stop);

type Headers = Record<string, string>;
type Case = [name: string, headers: Headers, body: string | Buffer];

const good = JSON.stringify(event());
const packed = Buffer.from(encode(event()));
const gzip = { 'content-encoding': 'gzip' };
const cut = (bytes: Buffer) => bytes.subarray(0, bytes.length - 12);
const fewLines = `${good}\n${good}\n`;

/** Sends each case to both paths and looks at all of Redis before and after. */
function refuses(t: Test, status: number, code: string, cases: readonly Case[]): void {
  for (const [name, headers, body] of cases) {
    t.test(name, async (t) => {
      const before = await stateOf(redis);
      for (const path of ['/api/v1/events', '/api/v1/events/batch']) {
        const answer = await post(base, body, headers, path);
        t.equal(answer.status, status);
        t.equal(answer.headers['content-type'], 'application/problem+json');
        t.hasStrict(answer.body, { code, status });
      }
      t.same(await stateOf(redis), before, 'nothing is stored');
      t.equal((await get(base, '/livez')).status, 200);
    });
  }
}

const u32 = (value: number) => [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];
const bytes = (...values: number[]) => Buffer.from(values);
const invalidUtf8 = Buffer.from(good.replace('alice', 'al\xff'), 'latin1');

t.test('POST /api/v1/events*', async (t) => {
  t.equal((await post(base, good)).status, 201, 'there is something to compare with');

  t.test('400 body_malformed', async (t) => {
    refuses(t, 400, 'body_malformed', [
      ['JSON that ends too soon', json, good.slice(0, -1)],
      ['JSON that goes on', json, `${good}x`],
      ['no JSON at all', json, 'hello'],
      ['NaN in JSON text', json, '{"event_type":"custom","system":"s","metadata":{"x":NaN}}'],
      ['a single quote', json, "{'event_type':'custom'}"],
      ['events that is no list', json, JSON.stringify({ events: { 0: event() } })],
      ['events that is null', json, '{"events":null}'],
      ['gzip that is cut short', { ...json, ...gzip }, cut(gzipSync(good))],
      ['gzip in name only', { ...json, ...gzip }, good],
      ['deflate that is cut short', { ...json, 'content-encoding': 'deflate' }, cut(deflateSync(good))],
      ['br in name only', { ...json, 'content-encoding': 'br' }, good],
      ['NDJSON in gzip that is cut short', { ...ndjson, ...gzip }, cut(gzipSync(fewLines))],
      ['msgpack that ends too soon', msgpack, packed.subarray(0, -1)],
      ['msgpack that goes on', msgpack, Buffer.concat([packed, packed])],
      ['msgpack with a byte that begins nothing', msgpack, bytes(0xc1)],
      ['msgpack that claims 4 thousand million elements', msgpack, bytes(0xdd, ...u32(0xffffffff))],
      ['msgpack that claims as many keys', msgpack, bytes(0xdf, ...u32(0xffffffff))],
      ['msgpack that claims a text of 4 GiB', msgpack, bytes(0xdb, ...u32(0xffffffff))],
      ['msgpack that claims bytes of 4 GiB', msgpack, bytes(0xc6, ...u32(0xffffffff))],
      ['msgpack that claims an ext of 4 GiB', msgpack, bytes(0xc9, ...u32(0xffffffff), 1)],
      ['msgpack in 100,000 levels', msgpack, Buffer.concat([Buffer.alloc(100_000, 0x91), bytes(1)])],
      ['msgpack maps in 100,000 levels', msgpack, Buffer.alloc(200_000, bytes(0x81, 0xa0))],
      ['msgpack with a list as a key', msgpack, bytes(0x81, 0x90, 0x01)],
      ['a msgpack timestamp of an odd length', msgpack, bytes(0xc7, 3, 0xff, 1, 2, 3)],
    ]);
  });

  t.test('400 body_not_utf8', async (t) => {
    const text = Buffer.concat([bytes(0x81, 0xa7), Buffer.from('user_id'), bytes(0xa2, 0xc3, 0x28)]);
    const surrogate = Buffer.concat([bytes(0x81, 0xa1, 0x61, 0xa3), bytes(0xed, 0xa0, 0x80)]);
    refuses(t, 400, 'body_not_utf8', [
      ['JSON with a byte that is not UTF-8', json, invalidUtf8],
      ['a msgpack text that is not UTF-8', msgpack, text],
      ['a msgpack text that is a lone surrogate', msgpack, surrogate],
    ]);
  });

  t.test('400 batch_empty', async (t) => {
    refuses(t, 400, 'batch_empty', [
      ['no body and no type', {}, ''],
      ['an empty array', json, '[]'],
      ['an empty list of events', json, '{"events":[]}'],
      ['an empty msgpack array', msgpack, bytes(0x90)],
      ['JSON without a byte', json, ''],
      ['JSON of blanks', json, ' \r\n\t'],
      ['JSON of a byte order mark', json, '\ufeff'],
      ['msgpack without a byte', msgpack, ''],
      ['nothing, said to be gzip', { ...json, ...gzip }, ''],
      ['nothing in gzip', { ...json, ...gzip }, gzipSync('')],
      ['NDJSON without a byte', ndjson, ''],
      ['NDJSON without a byte, said to be gzip', { ...ndjson, ...gzip }, ''],
      ['NDJSON of a byte order mark', ndjson, '\ufeff\n'],
      ['NDJSON of blank lines', ndjson, '\n\r\n  \n'],
    ]);
  });

  t.test('400 events_invalid where no row is usable', async (t) => {
    refuses(t, 400, 'events_invalid', [
      ['a JSON number', json, '1'],
      ['JSON null', json, 'null'],
      ['a JSON string', json, '"hello"'],
      ['an array of arrays', json, '[[],[[]]]'],
      ['JSON in 100,000 levels', json, '['.repeat(100_000) + ']'.repeat(100_000)],
      ['a msgpack ext of an unknown type', msgpack, bytes(0xd4, 5, 1)],
      ['a msgpack timestamp', msgpack, bytes(0xd6, 0xff, ...u32(1_700_000_000))],
      ['msgpack bytes', msgpack, bytes(0xc4, 1, 1)],
      ['an NDJSON line that is not JSON', ndjson, good.slice(1)],
      ['an NDJSON line that is not UTF-8', ndjson, invalidUtf8],
      ['two objects on a line', ndjson, good + good],
    ]);
  });

  t.test('413', async (t) => {
    const tooLong = Buffer.alloc(1024 ** 2 + 1, ' ');
    refuses(t, 413, 'body_too_large', [
      ['JSON over BODY_BYTES_MAX', json, tooLong],
      ['msgpack over BODY_BYTES_MAX', msgpack, tooLong],
      ['a small gzip that unpacks to 200 MB', { ...json, ...gzip }, gzipSync(Buffer.alloc(2e8, ' '))],
    ]);
    const many = Array.from({ length: 10_001 }, () => ({}));
    refuses(t, 413, 'batch_too_large', [
      ['10,001 events as JSON', json, JSON.stringify(many)],
      ['10,001 events as msgpack', msgpack, Buffer.from(encode(many))],
    ]);
  });

  t.test('415', async (t) => {
    refuses(t, 415, 'content_type_unsupported', [
      ['a body without a type', {}, good],
      ['a type nobody reads', { 'content-type': 'text/plain' }, good],
      ['a form', { 'content-type': 'application/x-www-form-urlencoded' }, 'a=1'],
      ['a type that only begins like one', { 'content-type': 'application/jsonfoo' }, good],
      ['a type that is no type', { 'content-type': ';;' }, good],
    ]);
    refuses(t, 415, 'content_encoding_unsupported', [
      ['an encoding nobody reads', { ...json, 'content-encoding': 'snappy' }, good],
      ['one nobody reads beside one that is read', { ...json, 'content-encoding': 'gzip, compress' }, good],
      ['four of them', { ...json, 'content-encoding': 'gzip,gzip,gzip,gzip' }, good],
    ]);
  });
});
