/** POST /api/v1/events*: what a hostile body may cost, in time, memory and bytes of the answer. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { gzipSync } from 'node:zlib';
import t from 'tap';
import { startApp } from '../support/app.js';
import { event, get, json, msgpack, ndjson, post, postRows } from '../support/http.js';
import { until } from '../support/until.js';

const MB = 1e6;
const { base, redis, stop } = await startApp({ config: { BATCH_EVENTS_MAX: 100 } });
t.teardown(stop);

/** The most memory held by the process while something runs, above what it held before, in bytes. */
async function growthDuring(run: () => Promise<unknown>): Promise<number> {
  const before = process.memoryUsage().rss;
  let most = before;
  const look = () => {
    most = Math.max(most, process.memoryUsage().rss);
  };
  const timer = setInterval(look, 5);
  await run();
  look();
  clearInterval(timer);
  return most - before;
}

const packedMany = (element: number, count: number) => {
  const head = Buffer.from([0xdd, 0, 0, 0, 0]);
  head.writeUInt32BE(count, 1);
  return Buffer.concat([head, Buffer.alloc(count, element)]);
};

t.test('POST /api/v1/events/batch', async (t) => {
  t.test('one endless NDJSON line of 200 MB is refused and never held', async (t) => {
    const body = gzipSync(Buffer.alloc(200 * MB, 'a'));
    let answer: unknown;
    const grown = await growthDuring(async () => {
      answer = await post(base, body, { ...ndjson, 'content-encoding': 'gzip' });
    });
    t.match(answer, { status: 400, body: { errors: [{ index: 0, code: 'line_too_long' }] } });
    t.ok(grown < 150 * MB, `held ${Math.round(grown / MB)} MB`);
  });

  t.test('a body of 15 million empty msgpack maps costs no more than a few times its size', async (t) => {
    let answer: unknown;
    const grown = await growthDuring(async () => {
      answer = await post(base, packedMany(0x80, 15 * MB), msgpack);
    });
    t.match(answer, { status: 413, body: { code: 'batch_too_large' } });
    t.ok(grown < 400 * MB, `held ${Math.round(grown / MB)} MB`);
  });

  t.test('8 million levels of JSON are refused within a second', async (t) => {
    const started = performance.now();
    const answer = await post(base, '['.repeat(8 * MB) + ']'.repeat(8 * MB));
    t.equal(answer.status, 400);
    t.ok(performance.now() - started < 1_000, `took ${Math.round(performance.now() - started)} ms`);
  });

  t.test('20 MB of blank NDJSON lines, 20 KB on the wire, are passed over within a second', async (t) => {
    const body = gzipSync(Buffer.alloc(20 * MB, '\n'));
    const started = performance.now();
    t.equal((await post(base, body, { ...ndjson, 'content-encoding': 'gzip' })).status, 400);
    t.ok(performance.now() - started < 1_000, `took ${Math.round(performance.now() - started)} ms`);
  });

  t.test('an answer stays under 64 KiB however long the keys it complains about', async (t) => {
    const deep = JSON.parse(`${'['.repeat(40)}${']'.repeat(40)}`);
    const rows = Array.from({ length: 100 }, (_, i) =>
      event({ metadata: { [`${'k'.repeat(10_000)}${i}`]: i % 2 ? deep : 1 } }),
    );
    t.ok((await postRows(base, rows)).text.length < 65_536, 'no row usable');
    t.ok((await postRows(base, rows.with(0, event()))).text.length < 65_536, 'some rows usable');
    const many = Array.from({ length: 100 }, () => event({ event_type: 'nope' }));
    t.ok((await postRows(base, many)).text.length < 65_536, 'short keys');
  });

  t.test('keys of numbers that were refused are not remembered', async (t) => {
    const bodyBytes = 8 * MB;
    const grown = await growthDuring(async () => {
      for (let i = 0; i < 40; i++) {
        const key = `${i}${'k'.repeat(bodyBytes)}`;
        const { status } = await post(base, JSON.stringify(event({ metadata: { [key]: 1 } })));
        if (status !== 400) throw new Error(`answered ${status}`);
      }
    });
    t.ok(grown < 250 * MB, `grown by ${Math.round(grown / MB)} MB for ${(40 * bodyBytes) / MB} MB of keys`);
  });

  t.test('a sender that goes away in the middle of its body does no harm', async (t) => {
    const { hostname, port } = new URL(base);
    for (const type of ['application/json', 'application/x-ndjson', 'application/msgpack']) {
      for (const encoding of ['identity', 'gzip']) {
        const socket = connect(Number(port), hostname);
        await once(socket, 'connect');
        const head = `POST /api/v1/events HTTP/1.1\r\nHost: x\r\nContent-Type: ${type}\r\nContent-Encoding: ${encoding}\r\n`;
        const body = JSON.stringify(event());
        const part = encoding === 'gzip' ? gzipSync(body).subarray(0, 20) : body.slice(0, 20);
        socket.write(`${head}Content-Length: 1000\r\n\r\n`);
        socket.write(part);
        socket.resetAndDestroy();
      }
    }
    t.equal((await get(base, '/livez')).status, 200);
    t.equal((await post(base, JSON.stringify(event()), json)).status, 201);
  });

  // What is refused early must still let a sender that first writes and then reads come to its answer.
  t.test('an upload that is refused in its middle is read to its end, or cut', async (t) => {
    const line = `${JSON.stringify(event())}\n`;
    const piece = Buffer.from(line.repeat(10_000));
    const pieces = 30;

    /** Writes everything before it looks at the answer, as many clients do. */
    async function uploads(headers: string): Promise<boolean> {
      const { hostname, port } = new URL(base);
      const socket = connect(Number(port), hostname);
      let gone = false;
      socket.on('error', () => {});
      socket.on('close', () => {
        gone = true;
      });
      const length = piece.length * pieces;
      socket.write(`POST /api/v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: ${length}\r\n${headers}\r\n`);
      let sent = false;
      for (let i = 1; i <= pieces; i++) socket.write(piece, () => i === pieces && (sent = true));
      const ended = await until(() => sent || gone, 'the end of the upload').then(
        () => true,
        () => false,
      );
      socket.destroy();
      return ended;
    }

    const type = 'Content-Type: application/x-ndjson\r\n';
    t.ok(await uploads(`${type}Prefer: handling=strict\r\n`), 'too much for handling=strict');
    t.ok(await uploads('Content-Type: application/json\r\n'), 'too large for JSON');
    t.ok(await uploads('Content-Type: text/plain\r\n'), 'of a type nobody reads');
    redis.process.kill('SIGKILL');
    await until(async () => (await get(base, '/readyz')).status === 503, 'Redis gone');
    t.ok(await uploads(type), 'while Redis is away');
  });
});
