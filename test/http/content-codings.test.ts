/** Content-Encoding of requests (RFC 9110, 8.4): lists, names and aliases, the words of refusals, and what a bomb may do. */
import { once } from 'node:events';
import { type AddressInfo, connect } from 'node:net';
import type { Readable } from 'node:stream';
import { brotliCompressSync, constants, deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import Fastify from 'fastify';
import t from 'tap';
import contentCodings from '../../src/plugins/content-codings.js';
import { startApp } from '../support/app.js';
import { compliance, event, get, json, msgpack, ndjson, post, send } from '../support/http.js';

const { base, stop } = await startApp();
t.teardown(stop);

const MB = 1e6;
let names = 0;

/** Sends two events under a Content-Encoding. Returns the status and how many users are counted after it. */
async function store(encoding: string, pack: (body: Buffer) => Buffer) {
  const system = `coded-${names++}`;
  const rows = ['a', 'b'].map((user_id) => event({ system, user_id }));
  const headers = { ...json, 'content-encoding': encoding };
  const { status } = await post(base, pack(Buffer.from(JSON.stringify(rows))), headers);
  const path = compliance('distinct/users', { system, window: '1h' });
  return { status, users: (await get<{ count: number }>(base, path)).body.count };
}

t.test('a list of codings in any case and with aliases is decoded from its last to its first', async (t) => {
  const cases: [encoding: string, pack: (body: Buffer) => Buffer][] = [
    ['x-gzip', gzipSync],
    ['X-GZip', gzipSync],
    ['identity', (body) => body],
    ['', (body) => body],
    ['identity, gzip', gzipSync],
    ['gzip , identity,', gzipSync],
    ['gzip, gzip', (body) => gzipSync(gzipSync(body))],
    ['br,gzip', (body) => gzipSync(brotliCompressSync(body))],
    ['deflate, x-gzip, BR', (body) => brotliCompressSync(gzipSync(deflateSync(body)))],
  ];
  for (const [encoding, pack] of cases)
    t.same(await store(encoding, pack), { status: 201, users: 2 }, encoding);
});

t.test('a body that cannot be decoded is refused in words that fit its coding', async (t) => {
  const text = JSON.stringify(event());
  const cut = (bytes: Buffer) => bytes.subarray(0, -6);
  const cases: [encoding: string, body: string | Buffer, detail: RegExp][] = [
    ['deflate', deflateRawSync(text), /not the zlib format \(RFC 1950; raw deflate, RFC 1951, is not read\)/],
    ['deflate', cut(deflateSync(text)), /cut short: its deflate data have no end/],
    ['gzip', cut(gzipSync(text)), /cut short: its gzip data have no end/],
    ['gzip', text, /not gzip \(RFC 1952\), which Content-Encoding: gzip stands for/],
    ['br', text, /not Brotli/],
    ['deflate, gzip', gzipSync(text), /Content-Encoding: deflate stands for/],
    ['deflate, gzip', cut(gzipSync(deflateSync(text))), /its gzip data have no end/],
  ];
  for (const [encoding, body, detail] of cases) {
    for (const type of [json, ndjson, msgpack]) {
      const answer = await post(base, body, { ...type, 'content-encoding': encoding });
      t.match(answer, { status: 400, body: { code: 'body_malformed', detail } }, `${encoding}: ${detail}`);
    }
  }
  const unknown = await post(base, text, { ...json, 'content-encoding': 'zstd' });
  t.match(unknown, { status: 415, body: { detail: 'must be a list of gzip, br, deflate, identity' } });
});

t.test('a compressed body without the header is refused in those words', async (t) => {
  const packed = gzipSync(JSON.stringify(event()));
  for (const type of [json, ndjson, msgpack]) {
    const { status, body } = await post(base, packed, type);
    t.match({ status, body }, { status: 400, body: { code: 'body_malformed' } }, type['content-type']);
    t.match(body.detail, 'looks gzip-compressed; the header Content-Encoding: gzip is missing');
  }
});

t.test(
  'what a few bytes decode to is bounded, also where codings are nested or nothing is a row',
  async (t) => {
    const brotli = (body: Buffer) =>
      brotliCompressSync(body, { params: { [constants.BROTLI_PARAM_QUALITY]: 5 } });
    const blank = Buffer.alloc(100 * MB, '\n');
    const bombs: [encoding: string, body: Buffer][] = [
      ['br', brotli(blank)],
      ['gzip, gzip', gzipSync(gzipSync(blank))],
      ['br, gzip', gzipSync(brotli(blank))],
      // Members without a byte in them: the inner decoder puts nothing out, however much it is fed.
      ['gzip, br', brotli(Buffer.alloc(100 * MB, gzipSync('')))],
    ];
    for (const [encoding, body] of bombs) {
      t.ok(body.length < 1_000, `${encoding}: ${body.length} bytes`);
      const answer = await post(base, body, { ...ndjson, 'content-encoding': encoding });
      t.match(answer, { status: 413, body: { code: 'body_too_large' } }, encoding);
    }
    t.equal((await get(base, '/livez')).status, 200);
  },
);

t.test('of a body that is refused in its middle the rest is not decoded', async (t) => {
  const app = Fastify({ bodyLimit: MB });
  t.teardown(() => app.close());
  let ended: Promise<boolean> | undefined;
  await app.register(contentCodings);
  app.addHook('preParsing', async (_request, _reply, payload) => {
    const plain = payload as Readable;
    ended = once(plain, 'close').then(() => plain.readableEnded);
    return payload;
  });
  app.post('/', async () => ({}));
  await app.listen();
  const { port } = app.server.address() as AddressInfo;
  const headers = { ...json, 'content-encoding': 'gzip' };
  const body = gzipSync(Buffer.alloc(50 * MB));
  t.equal((await send(`http://127.0.0.1:${port}`, { method: 'POST', path: '/', headers, body })).status, 413);
  t.equal(await ended, false);
});

t.test('a coding of a request without a body is read as well', async (t) => {
  const path = '/livez';
  t.equal((await send(base, { path, headers: { 'content-encoding': 'gzip' } })).status, 200);
  t.equal((await send(base, { path, headers: { 'content-encoding': 'zstd' } })).status, 415);
});

t.test('a sender that goes away in the middle of a compressed body does no harm', async (t) => {
  const { hostname, port } = new URL(base);
  const socket = connect(Number(port), hostname);
  const head = 'POST /api/v1/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n';
  socket.write(`${head}Content-Encoding: gzip, gzip\r\nContent-Length: 1000\r\n\r\n`);
  socket.write(gzipSync(gzipSync(JSON.stringify(event()))).subarray(0, 30), () => socket.destroy());
  await once(socket, 'close');
  t.same(await store('gzip', gzipSync), { status: 201, users: 2 });
});
