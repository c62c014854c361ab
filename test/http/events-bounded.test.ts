/** POST /api/v1/events*: what a hostile body may cost, in time, memory and bytes of the answer. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { gzipSync } from 'node:zlib';
import t from 'tap';
import { startApp } from '../support/app.js';
import { event, get, json, msgpack, ndjson, post, postRows } from '../support/http.js';
import { until } from '../support/until.js';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

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

/** Milliseconds that something takes. */
async function timeOf(run: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await run();
  return performance.now() - started;
}

/** How many times longer a body may take than an accepted one of as many bytes. */
const timesMax = 8;

/** Bytes held once the garbage is gone. */
function heldBytes(): number {
  collectGarbage();
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** So many events of so many bytes in all. */
const eventsOf = (count: number, bytes: number) =>
  Array.from({ length: count }, () => event({ metadata: { text: 'x'.repeat(bytes / count - 90) } }));

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

  t.test(
    'JSON in 8 million levels, 5 million empty objects or a million names cost about what events of their size do',
    async (t) => {
      const bytes = 16 * MB;
      const good = JSON.stringify(eventsOf(100, bytes));
      const usual = await timeOf(async () => t.equal((await post(base, good)).status, 201));
      const bodies = [
        '['.repeat(bytes / 2) + ']'.repeat(bytes / 2),
        `[${'{},'.repeat(bytes / 3 - 1)}{}]`,
        JSON.stringify(event({ metadata: { here: 1 } })).replace('1', `[${'[],'.repeat(bytes / 3 - 100)}1]`),
        `{${Array.from({ length: bytes / 10 }, (_, i) => `"${(i + 1e6).toString(36)}":1`).join()}}`,
      ];
      for (const body of bodies) {
        const took = await timeOf(async () => t.equal((await post(base, body)).status, 400));
        t.ok(took < timesMax * usual, `took ${Math.round(took)} ms, the events ${Math.round(usual)} ms`);
      }
    },
  );

  t.test(
    '20 MB of blank NDJSON lines, 20 KB on the wire, cost about what events of their size do',
    async (t) => {
      const headers = { ...ndjson, 'content-encoding': 'gzip' };
      const bytes = 20 * MB;
      const good = gzipSync(
        eventsOf(10_000, bytes)
          .map((row) => JSON.stringify(row))
          .join('\n'),
      );
      const usual = await timeOf(async () => t.equal((await post(base, good, headers)).status, 201));
      for (const blank of ['\n', '\r\n']) {
        const body = gzipSync(Buffer.alloc(bytes, blank));
        const took = await timeOf(async () => t.equal((await post(base, body, headers)).status, 400));
        t.ok(took < timesMax * usual, `took ${Math.round(took)} ms, the events ${Math.round(usual)} ms`);
      }
    },
  );

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
    const keyBytes = 4 * MB;
    const before = heldBytes();
    for (let i = 0; i < 20; i++) {
      const body = JSON.stringify(event({ metadata: { here: 1 } })).replace(
        'here',
        `${i}${'k'.repeat(keyBytes)}`,
      );
      t.equal((await post(base, body)).status, 400);
    }
    const grown = heldBytes() - before;
    t.ok(grown < 10 * keyBytes, `${Math.round(grown / MB)} MB held of ${(20 * keyBytes) / MB} MB of keys`);
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
      for (let i = 1; i < pieces; i++) socket.write(piece);
      socket.write(piece, () => {
        sent = true;
      });
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
