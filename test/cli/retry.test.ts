/** What an import makes of a service that refuses, is away, or answers half of a body. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { performance } from 'node:perf_hooks';
import t from 'tap';
import { startApp } from '../support/app.js';
import { clock, countEvents, eventLines } from '../support/cli-events.js';
import { commandLine } from '../support/command-line.js';
import { type Action, startFront } from '../support/front.js';

const { base, stop } = await startApp({ clock });
t.teardown(stop);
const text = (lines: readonly string[]) => `${lines.join('\n')}\n`;
const refusal = (status: number, headers: Record<string, string> = {}): Action => ({ status, headers });

t.test('a batch that is refused is sent again until it is taken, and counted once', async (t) => {
  const answers = [408, 429, 502, 503].map((status) => refusal(status));
  const front = await startFront(t, base, (number) => answers[number - 1] ?? 'forward');
  const { status, stdout, stderr } = await commandLine(t, front.base).run(
    ['import', '-', '--json'],
    text(eventLines('refused', 10)),
  );
  t.equal(status, 0, stderr);
  t.match(JSON.parse(stdout), { accepted: 10, rejected: 0 });
  t.equal(front.bodies.length, answers.length + 1);
  t.equal(await countEvents(base, 'refused'), 10);
  t.match(stderr, /^papertrail: waiting for the service, up to 60 s: 408[\s\S]*takes events again\n$/);
});

t.test('Retry-After is waited for', async (t) => {
  const front = await startFront(t, base, (number) =>
    number === 1 ? refusal(503, { 'retry-after': '1' }) : 'forward',
  );
  const before = performance.now();
  const { status } = await commandLine(t, front.base).run(['import', '-'], text(eventLines('asked', 1)));
  t.equal(status, 0);
  t.ok(performance.now() - before >= 1_000);
});

t.test(
  'a date in Retry-After counts by the clock of the service, however far apart the two are',
  async (t) => {
    const date = 'Mon, 01 Jan 2001 00:00:00 GMT';
    const later = 'Mon, 01 Jan 2001 00:00:01 GMT';
    const front = await startFront(t, base, (number) =>
      number === 1 ? refusal(503, { 'retry-after': later, date }) : 'forward',
    );
    const before = performance.now();
    const { status } = await commandLine(t, front.base).run(['import', '-'], text(eventLines('dated', 1)));
    t.equal(status, 0);
    t.ok(performance.now() - before >= 1_000);
  },
);

t.test('it gives up, with status 3 and a message,', async (t) => {
  t.test('after --retry-seconds', async (t) => {
    const front = await startFront(t, base, () => refusal(503));
    const { status, stderr } = await commandLine(t, front.base).run(
      ['import', '-', '--retry-seconds', '1'],
      text(eventLines('late', 1)),
    );
    t.equal(status, 3);
    t.match(stderr, /does not take events: 503.*; nothing of stdin is acknowledged/);
    t.ok(front.bodies.length > 1, 'it has tried more than once');
  });

  t.test('at once where Retry-After is longer than that', async (t) => {
    const front = await startFront(t, base, () => refusal(503, { 'retry-after': '100' }));
    const { run } = commandLine(t, front.base);
    t.match(await run(['import', '-'], text(eventLines('long', 1))), { status: 3, stderr: /503/ });
    t.equal(front.bodies.length, 1);
  });

  t.test('where nobody listens', async (t) => {
    const server = createServer();
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    const { port } = server.address() as AddressInfo;
    await new Promise((done) => server.close(done));
    const { run } = commandLine(t, `http://127.0.0.1:${port}`);
    const refused = await run(['import', '-', '--retry-seconds', '0'], text(eventLines('away', 1)));
    t.match(refused, { status: 3, stderr: /does not take events: connection refused/ });
  });

  t.test('at once where an answer says that trying again is of no use', async (t) => {
    const front = await startFront(t, base, () => refusal(404));
    const { run } = commandLine(t, front.base);
    t.match(await run(['import', '-'], text(eventLines('none', 1))), { status: 3, stderr: /answered 404/ });
    t.equal(front.bodies.length, 1);
  });
});

t.test('a batch whose answer gets lost is sent again and counted once', async (t) => {
  const front = await startFront(t, base, (number) => (number % 2 === 0 ? 'lose' : 'forward'));
  const { status, stdout } = await commandLine(t, front.base).run(
    ['import', '-', '--json', '--parallel', '1'],
    text(eventLines('lost', 3_000)),
  );
  t.equal(status, 0);
  t.match(JSON.parse(stdout), { rows: 3_000, accepted: 3_000, already_imported: 0 });
  t.equal(front.bodies.length, 5);
  t.equal(await countEvents(base, 'lost'), 3_000);
});

t.test('equal parts of an input count each; the whole again only where that is asked for', async (t) => {
  const [line = ''] = eventLines('same', 1);
  const { run } = commandLine(t, base);
  for (const [options, counted] of [
    [[], 3_000],
    [[], 3_000],
    [['--again'], 6_000],
    [['--again'], 9_000],
  ] as const) {
    await run(['import', '-', ...options], `${line}\n`.repeat(3_000));
    t.equal(await countEvents(base, 'same'), counted);
  }
});

t.test('one that is in flight already is waited for', async (t) => {
  const body = { code: 'request_in_flight' };
  const front = await startFront(t, base, (number) => (number === 1 ? { status: 409, body } : 'forward'));
  const { run } = commandLine(t, front.base);
  t.equal((await run(['import', '-'], text(eventLines('flying', 5)))).status, 0);
  t.equal(front.bodies.length, 2);
  t.equal(await countEvents(base, 'flying'), 5);
});

t.test(
  'a body whose first rows are said to be dealt with is sent again whole, and counted once',
  async (t) => {
    const lines = eventLines('halved', 30);
    for (const index of [3, 20]) lines[index] = lines[index]?.replace('api_access', 'nonsense') ?? '';
    const body = { committed_rows: 10, accepted: 9, rejected: 1, errors: [{ index: 3, code: 'x' }] };
    const front = await startFront(t, base, (number) => (number === 1 ? { status: 503, body } : 'forward'));
    const { status, stdout } = await commandLine(t, front.base).run(['import', '-', '--json'], text(lines));
    t.equal(status, 1);
    const report = JSON.parse(stdout);
    t.match(report, { rows: 30, accepted: 28, rejected: 2 });
    t.same(
      report.examples.map(({ line }: { line: number }) => line),
      [4, 21],
    );
    t.same(front.bodies.map(String), [text(lines), text(lines)]);
    t.equal(await countEvents(base, 'halved'), 28);
  },
);

t.test('an account that does not add up is none', async (t) => {
  const body = { accepted: 3, rejected: 1 };
  const front = await startFront(t, base, () => ({ status: 201, body }));
  const { run } = commandLine(t, front.base);
  t.match(await run(['import', '-'], text(eventLines('odd', 30))), { status: 3, stderr: /answered 201/ });
});
