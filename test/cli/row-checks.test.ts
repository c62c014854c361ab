/** What an import refuses without sending it, what it says of files that are no events, and what it passes on of the answers. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import t from 'tap';
import { startApp } from '../support/app.js';
import { clock, countEvents, eventLines } from '../support/cli-events.js';
import { commandLine } from '../support/command-line.js';
import { startFront } from '../support/front.js';

const { base, stop } = await startApp({ clock });
t.teardown(stop);

const text = (lines: readonly string[]) => `${lines.join('\n')}\n`;
const mark = '\ufeff';
/** Two rows without a time. */
const timeless = (system: string) =>
  ['a', 'b'].map((user_id) => JSON.stringify({ event_type: 'user_login', system, user_id }));

t.test('a row without a time is refused by its number unless --now is given', async (t) => {
  const [good = ''] = eventLines('times', 1);
  const ofNull = good.replace(/"timestamp":"[^"]+"/, '"timestamp":null');
  const otherName = good.replace('"timestamp"', '"ts"');
  const inside = good
    .replace(/"timestamp":"[^"]+",/, '')
    .replace('"latency_ms"', '"timestamp":1,"latency_ms"');
  const content = text([good, ofNull, otherName, '', inside, good]);
  const front = await startFront(t, base, () => 'forward');
  const { run } = commandLine(t, front.base);
  const without = await run(['import', '-', '--json'], content);
  t.equal(without.status, 1);
  const report = JSON.parse(without.stdout);
  t.match(report, { rows: 5, accepted: 2, rejected: 3, reasons: { timestamp_missing: 3 } });
  t.same(
    report.examples.map(({ line, pointer }: { line: number; pointer: string }) => [line, pointer]),
    [2, 3, 5].map((line) => [line, '/timestamp']),
  );
  t.same(front.bodies.map(String), [text([good, good])], 'they are not sent');

  const again = await run(['import', '-', '--json'], content);
  t.match(JSON.parse(again.stdout), { already_imported: 2, rejected: 3 }, 'the others keep their place');
  const now = await run(['import', '-', '--now', '--json'], text([ofNull, otherName, inside]));
  t.match({ status: now.status, report: JSON.parse(now.stdout) }, { status: 0, report: { accepted: 3 } });
  t.equal(await countEvents(base, 'times'), 5);
});

t.test('a row whose time has another name is refused with that name', async (t) => {
  const { run } = commandLine(t, base);
  const rows: [fields: object, name: string | undefined][] = [
    [{ time: '2026-01-31T13:37:00Z' }, 'time'],
    [{ '@timestamp': '2026-01-31T13:37:00Z' }, '@timestamp'],
    [{ ts: 1_769_866_800 }, 'ts'],
    [{ metadata: { response_time: 84, created_at: '2026-01-31 13:37' } }, 'metadata.created_at'],
    [{ metadata: { response_time: 84 } }, undefined],
  ];
  for (const [fields, name] of rows) {
    const row = JSON.stringify({ event_type: 'user_login', system: 'other names', ...fields });
    const { status, stdout } = await run(['import', '-', '--json'], text([row]));
    t.equal(status, 1);
    const [{ detail }] = JSON.parse(stdout).examples;
    if (name === undefined) t.notMatch(detail, /Is its time/);
    else t.match(detail, `Is its time in "${name}"?`);
  }
});

t.test('a byte order mark costs no row, wherever a line begins with it', async (t) => {
  const { run } = commandLine(t, base);
  for (const [name, pack] of [
    ['plain', Buffer.from],
    ['gzip', gzipSync],
  ] as const) {
    const lines = eventLines(`mark ${name}`, 3);
    const content = pack(`${mark}${lines[0]}\n${lines[1]}\r\n${mark}${mark}${lines[2]}\n${mark}`);
    const { status, stdout } = await run(['import', '-', '--json'], content);
    t.match(
      { status, report: JSON.parse(stdout) },
      { status: 0, report: { accepted: 3, rejected: 0 } },
      name,
    );
    t.equal(await countEvents(base, `mark ${name}`), 3);
  }
  const content = `${mark}${text(timeless('mark'))}`;
  const without = await run(['import', '-', '--json'], content);
  t.match(JSON.parse(without.stdout), { accepted: 0, reasons: { timestamp_missing: 2 } });
  const now = await run(['import', '-', '--now', '--json'], content);
  t.match(JSON.parse(now.stdout), { accepted: 2, rejected: 0 });
});

t.test('a file of another format is said to look like it', async (t) => {
  const { run } = commandLine(t, base);
  const access = '192.0.2.1 - - [31/Jan/2026:13:37:00 +0000] "GET / HTTP/1.1" 200 2 "-" "curl"\n';

  t.test('its lines are refused, of which the first one says it', async (t) => {
    const { status, stdout } = await run(['import', '-'], access.repeat(3));
    t.equal(status, 1);
    t.match(stdout, /rejected +3\n {2}line_malformed +3\n/);
    t.match(
      stdout,
      /stdin:1 +line_malformed +The line is not valid JSON in UTF-8. It looks like an nginx access log/,
    );
    t.notMatch(stdout, /stdin:2 .*looks like/);
  });

  t.test('and it is not imported where no line can be meant as an event', async (t) => {
    const [a = '', b = ''] = eventLines('no lines', 2);
    const cases: [content: string | Buffer, looks: RegExp][] = [
      [
        `[\n${a},\n${b}\n]\n`,
        /one JSON value over several lines; one event a line is read, as jq -c writes them/,
      ],
      [Buffer.from(`${mark}${a}\n${b}\n`, 'utf16le'), /UTF-16 text/],
      [gzipSync(gzipSync(text([a, b]))), /gzip data/],
      ['ElfFile\0\0\0', /a Windows event log/],
    ];
    for (const [content, looks] of cases) {
      const { status, stdout, stderr } = await run(['import', '-', '--json'], content);
      t.equal(status, 2);
      t.match(stderr, /stdin is not NDJSON: it looks like .*; nothing of stdin is acknowledged/);
      t.match(stderr, looks);
      t.match(JSON.parse(stdout), { rows: 0, accepted: 0 });
    }
    t.equal(await countEvents(base, 'no lines'), 0);
  });
});

/** A service that answers every batch as if its rows were accepted, with some members more. */
async function startStub(members: object): Promise<string> {
  const server = createServer((request, response) => {
    let rows = 0;
    request.on('data', (piece: Buffer) => {
      rows += piece.toString().split('\n').length - 1;
    });
    request.on('end', () => {
      response.writeHead(request.url === '/api/v1/events/batch' ? 201 : 200);
      response.end(JSON.stringify({ accepted: rows, rejected: 0, ...members }));
    });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  t.teardown(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

t.test('fields that were defaulted or ignored are summed over all answers', async (t) => {
  const lines = text(eventLines('fields', 2_500));
  const stub = await startStub({
    defaulted: { timestamp: 2 },
    ignored: { ip: 3, 'a\u001b[2J': 1, odd: 'no' },
  });
  const { run } = commandLine(t, stub);
  const { stdout } = await run(['import', '-', '--json'], lines);
  t.match(JSON.parse(stdout), { defaulted: { timestamp: 6 }, ignored: { ip: 9, 'a\u001b[2J': 3 } });
  t.notOk('odd' in JSON.parse(stdout).ignored, 'what is no count is none');
  const asText = await run(['import', '-'], lines);
  t.match(asText.stdout, /defaulted +6\n {2}timestamp +6\nignored +12\n {2}ip +9\n {2}a\\u001b\[2J +3\n/);

  t.test('names beyond the first hundred together', async (t) => {
    const names = Array.from({ length: 150 }, (_, i) => [`field-${i}`, 1]);
    const other = commandLine(t, await startStub({ ignored: Object.fromEntries(names) }));
    const { ignored } = JSON.parse((await other.run(['import', '-', '--json'], lines)).stdout);
    t.equal(Object.keys(ignored).length, 101);
    t.equal(ignored['...'], 150);
  });

  t.test('as the service says it', async (t) => {
    const [plain = '', empty = ''] = eventLines('said', 2);
    const misplaced = plain.replace('"metadata"', '"ip":"192.0.2.1","metadata"');
    const noTime = empty.replace(/"timestamp":"[^"]+",/, '').replace(/"user-\d+"/, '""');
    const { run } = commandLine(t, base);
    const { stdout } = await run(['import', '-', '--now', '--json'], text([misplaced, misplaced, noTime]));
    const report = JSON.parse(stdout);
    t.same(report.defaulted, { timestamp: 1 });
    t.same(report.ignored, { ip: 2, user_id: 1 });
  });

  t.test('and left out where there are none', async (t) => {
    const { stdout } = await commandLine(t, base).run(['import', '-'], text(eventLines('none', 1)));
    t.notMatch(stdout, /defaulted|ignored/);
  });
});
