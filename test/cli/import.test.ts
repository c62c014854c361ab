/** What an import counts and what it reports, on a real service. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import t from 'tap';
import { startApp } from '../support/app.js';
import { clock, countEvents, countUsers, eventLines, users } from '../support/cli-events.js';
import { commandLine, temporaryFolder } from '../support/command-line.js';
import { startFront } from '../support/front.js';
import { until } from '../support/until.js';

const { base, stop } = await startApp({ clock });
t.teardown(stop);
const folder = temporaryFolder(t);

function write(name: string, content: string | Buffer): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

/** What comes before the compressed data; all ones are none. */
const gzipHeaderBytes = 10;
const text = (lines: readonly string[]) => `${lines.join('\n')}\n`;

t.test('every event of every input is counted, once, before the command ends', async (t) => {
  const rows = 2_500;
  const lines = (system: string) => text(eventLines(system, rows));

  t.test('of several files, gzip or not', async (t) => {
    const { run } = commandLine(t, base);
    const files = [write('a.ndjson', lines('plain')), write('b', gzipSync(lines('gzip')))];
    const { status, stdout, stderr } = await run(['import', ...files]);
    t.equal(status, 0, stderr);
    for (const system of ['plain', 'gzip']) {
      t.equal(await countEvents(base, system), rows);
      t.equal(await countUsers(base, system), users);
    }
    t.match(stdout, /rows +5,000\nbytes +\d{3},\d{3}\naccepted +5,000\nrejected +0\ntime .* rows\/s\n/);
  });

  for (const [name, pack] of [
    ['plain', Buffer.from],
    ['gzip', gzipSync],
  ] as const) {
    t.test(`of standard input, ${name}`, async (t) => {
      const system = `stdin-${name}`;
      const { status, stdout } = await commandLine(t, base).run(
        ['import', '-', '--json'],
        pack(lines(system)),
      );
      t.equal(status, 0);
      t.match(JSON.parse(stdout), { rows, accepted: rows, rejected: 0, files: [{ file: 'stdin' }] });
      t.equal(await countEvents(base, system), rows);
    });
  }

  t.test('of gzip members one after the other, and with zeros behind the last', async (t) => {
    const [first, second] = [text(eventLines('members', 100)), text(eventLines('members', 50))];
    const file = Buffer.concat([gzipSync(first), gzipSync(second), Buffer.alloc(50_000)]);
    t.equal((await commandLine(t, base).run(['import', write('m.gz', file)])).status, 0);
    t.equal(await countEvents(base, 'members'), 150);
  });

  t.test('of an empty file', async (t) => {
    t.equal((await commandLine(t, base).run(['import', write('empty', '')])).status, 0);
  });
});

t.test('lines arrive byte for byte, 1,000 of them in a request', async (t) => {
  const front = await startFront(t, base, () => 'forward');
  const lines = eventLines('bytes', 2_500).map((line, index) => `${index % 2 ? '  ' : ''}${line}\t\r`);
  const one = ['--parallel', '1'];
  const { status } = await commandLine(t, front.base).run(['import', '-', ...one], lines.join('\n'));
  t.equal(status, 0);
  t.equal(Buffer.concat(front.bodies).toString(), text(lines), 'the last one gets an end');
  t.same(
    front.bodies.map((body) => body.toString().trim().split('\n').length),
    [1_000, 1_000, 500],
  );
});

t.test(
  '--batch says how many rows are under way at once, in whole requests, at most --parallel',
  async (t) => {
    const cases = [
      { options: ['--batch', '1', '--parallel', '4'], requests: 1 },
      { options: ['--batch', '3999', '--parallel', '4'], requests: 3 },
      { options: ['--batch', '10000', '--parallel', '2'], requests: 2 },
      { options: ['--parallel', '4'], requests: 4 },
    ];
    const lines = text(eventLines('under way', 6_000));
    for (const { options, requests } of cases) {
      const front = await startFront(t, base, () => 'hold');
      const importing = commandLine(t, front.base).start(['import', '-', ...options], lines);
      await until(() => front.bodies.length === requests, `${requests} requests`);
      importing.process.kill('SIGKILL');
      await importing.ended;
      t.equal(front.bodies.length, requests, options.join(' '));
    }
  },
);

t.test('rejected rows are named by the number of their line', async (t) => {
  const [good = ''] = eventLines('lines', 1);
  const broken = Buffer.from([0x7b, 0xff, 0x7d, 0x0a]);
  const unknown = good.replace('api_access', 'coffee_break');
  const content = [
    text([good, '', ' \t\r', '{"event_type"', good, good, unknown, '', '']),
    broken,
    text([good]),
  ];
  const file = write('lines.ndjson', Buffer.concat(content.map((part) => Buffer.from(part))));

  t.test('as text', async (t) => {
    const { status, stdout } = await commandLine(t, base).run(['import', file]);
    t.equal(status, 1);
    t.match(
      stdout,
      /rows +7\nbytes +\d+\naccepted +4\nrejected +3\n {2}line_malformed +2\n {2}value_unknown +1\n/,
    );
    t.match(stdout, `${file}:4 `);
    t.match(stdout, /:7 +value_unknown +\/event_type +\S/);
  });

  t.test('as JSON', async (t) => {
    const { status, stdout } = await commandLine(t, base).run(['import', file, '--again', '--json']);
    const report = JSON.parse(stdout);
    t.equal(status, 1);
    t.match(report, { rows: 7, accepted: 4, rejected: 3, reasons: { line_malformed: 2, value_unknown: 1 } });
    const places = report.examples.map(({ code, line }: { code: string; line: number }) => [line, code]);
    t.same(places, [
      [4, 'line_malformed'],
      [7, 'value_unknown'],
      [10, 'line_malformed'],
    ]);
  });

  for (const [name, row, reasons] of [
    ['those that the service does not name are counted', unknown, { value_unknown: 100, not_named: 150 }],
    ['of those that are not sent each is named', 'nonsense', { line_malformed: 250 }],
  ] as const) {
    t.test(`also where a batch holds nothing else; ${name}`, async (t) => {
      const { status, stdout } = await commandLine(t, base).run(
        ['import', '-', '--json'],
        text(Array.from({ length: 250 }, () => row)),
      );
      t.equal(status, 1);
      t.match(JSON.parse(stdout), { rows: 250, accepted: 0, rejected: 250, reasons });
      t.match(JSON.parse(stdout), { examples: [{ line: 1 }, { line: 2 }, { line: 3 }] });
    });
  }

  t.test('also one of more than 16 MiB, which is not sent', async (t) => {
    const front = await startFront(t, base, () => 'forward');
    const long = `{"system":"${'x'.repeat(16 * 1024 ** 2)}"}`;
    const { status, stdout } = await commandLine(t, front.base).run(
      ['import', '-', '--json'],
      text([good, long, good]),
    );
    t.equal(status, 1);
    t.match(JSON.parse(stdout), { accepted: 2, rejected: 1, examples: [{ line: 2, code: 'line_too_long' }] });
    t.same(front.bodies.map(String), [text([good, good])]);
  });
});

t.test('an input that cannot be read ends it with status 2', async (t) => {
  const { run } = commandLine(t, base);
  const good = write('good.ndjson', text(eventLines('unread', 3)));

  t.test('a missing file, before anything is sent', async (t) => {
    const { status, stderr } = await run(['import', good, join(folder, 'missing')]);
    t.equal(status, 2);
    t.match(stderr, /missing cannot be read: there is no such file/);
    t.equal(await countEvents(base, 'unread'), 0);
  });

  t.test('a folder', async (t) => {
    t.match(await run(['import', folder]), { status: 2, stderr: /it is a directory/ });
  });

  t.test('no file, or options that are none', async (t) => {
    t.equal((await run(['import'])).status, 2);
    t.equal((await run(['import', good, '--batch', '10001'])).status, 2);
    t.equal((await run(['import', good, '--base', 'example.org'])).status, 2);
    t.equal(await countEvents(base, 'unread'), 0);
  });

  t.test('gzip data that are cut short or damaged, after the rows before', async (t) => {
    const packed = gzipSync(text(eventLines('cut', 20_000)));
    const cut = await run(['import', write('cut.gz', packed.subarray(0, -4)), good, '--json']);
    t.match(cut, { status: 2, stderr: /cut.gz is cut short: .* imported up to line 20,000/ });
    t.match(JSON.parse(cut.stdout), { accepted: 20_003, failures: [String] });
    t.equal(await countEvents(base, 'cut'), 20_000);
    t.equal(await countEvents(base, 'unread'), 3, 'the other file is imported');
    const other = gzipSync(text(eventLines('half', 20_000)));
    const half = await run(['import', write('half.gz', other.subarray(0, other.length / 2))]);
    t.match(half, { status: 2, stdout: /accepted +\d,\d+\nrejected +0\n/ });
    const sound = gzipSync(text(eventLines('damaged', 20_000)));
    const damaged = Buffer.concat([sound, sound.subarray(0, gzipHeaderBytes), Buffer.alloc(1_000, 0xff)]);
    const { status, stdout, stderr } = await run(['import', write('damaged.gz', damaged), '--json']);
    t.equal(status, 2);
    t.match(stderr, /the gzip data of .*damaged.gz are damaged: .* imported up to line \d/);
    const [{ to_line }] = JSON.parse(stdout).files;
    t.ok(to_line > 19_000, `${to_line} lines`);
    t.equal(await countEvents(base, 'damaged'), to_line, 'what it says is imported');
  });
});

t.test('--quiet shows no progress; else there is nothing but progress on standard error', async (t) => {
  const { run } = commandLine(t, base);
  t.equal((await run(['import', '-', '--quiet'], text(eventLines('quiet', 10)))).stderr, '');
});
