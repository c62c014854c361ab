/** `papertrail import --dry-run`: rows as they would be read, and nothing that stays. */
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import t from 'tap';
import { commandLine, temporaryFolder } from '../support/command-line.js';

/** Nobody listens there. */
const nowhere = 'http://127.0.0.1:1';
const login = {
  event_type: 'user_login',
  system: 'billing',
  user_id: 'alice',
  session_id: 's-1',
  timestamp: '2026-01-31T13:37:00Z',
  metadata: { ip: '192.0.2.1', status: 'failed', latency_ms: 84 },
};
const access = {
  event_type: 'api_access',
  system: 'billing',
  ip: '192.0.2.7',
  metadata: { endpoint: '/invoices', bytes: 5, latency_ms: 1.5 },
};
const content = `\ufeff${[login, access, { ...login, event_type: 'coffee' }]
  .map((row) => JSON.stringify(row))
  .join('\n')}\n{bad\n`;

t.test('three rows are shown as they would be read, and what would be refused is named', async (t) => {
  const stateDir = temporaryFolder(t);
  const folder = temporaryFolder(t);
  const { run } = commandLine(t, nowhere);
  for (const [name, pack] of [
    ['plain', Buffer.from],
    ['gzip', gzipSync],
  ] as const) {
    const file = join(folder, name);
    writeFileSync(file, pack(content));
    const command = ['import', '--dry-run', '--now', file, '--state-dir', stateDir];
    const { status, stdout } = await run([...command, '--json']);
    t.equal(status, 1, name);
    const report = JSON.parse(stdout);
    t.match(report, { dry_run: true, rows: 4, accepted: 2, rejected: 2, bytes: Buffer.byteLength(content) });
    t.same(report.reasons, { value_unknown: 1, line_malformed: 1 });
    t.same(
      report.examples.map(({ line }: { line: number }) => line),
      [3, 4],
    );
    t.same([report.defaulted, report.ignored], [{ timestamp: 1 }, { ip: 1 }]);
    const [first, second] = report.samples;
    t.same(first, {
      line: 1,
      event_type: 'user_login',
      system: 'billing',
      user_id: 'alice',
      session_id: 's-1',
      ip: '192.0.2.1',
      endpoint: null,
      time: '2026-01-31T13:37:00.000Z',
      failed_login: true,
      numbers: { latency_ms: 84 },
      defaulted: [],
      ignored: [],
    });
    t.match(second, { line: 2, user_id: null, ip: null, endpoint: '/invoices', ignored: ['ip'] });
    t.match(second, { numbers: { bytes: 5, latency_ms: 1.5 }, defaulted: ['timestamp'] });
    t.equal(report.samples.length, 2);

    const asText = await run(command);
    t.match(asText.stdout, /^dry run: nothing was sent; /);
    t.match(asText.stdout, /line +1\n {2}event_type +user_login\n[\s\S]*numbers +latency_ms 84\n/);
    t.match(asText.stdout, /rows +4\nbytes +\d+\n/);
  }
  t.same(readdirSync(stateDir), [], 'nothing is noted');
});

t.test('rows without a time are refused as by an import', async (t) => {
  const { run } = commandLine(t, nowhere);
  const rows = Array.from({ length: 1_500 }, () => JSON.stringify({ ...login, timestamp: null })).join('\n');
  const { status, stdout } = await run(['import', '--dry-run', '-', '--json'], rows);
  t.equal(status, 1);
  t.match(JSON.parse(stdout), { rows: 1_500, reasons: { timestamp_missing: 1_500 }, samples: [] });
  const good = Array.from({ length: 1_500 }, () => JSON.stringify(login)).join('\n');
  const fine = await run(['import', '--dry-run', '-', '--json'], good);
  t.match(
    { status: fine.status, report: JSON.parse(fine.stdout) },
    { status: 0, report: { accepted: 1_500 } },
  );
  t.equal(JSON.parse(fine.stdout).samples.length, 3);
});

t.test('an input that is cut short or another format ends it with status 2', async (t) => {
  const { run } = commandLine(t, nowhere);
  const cut = await run(['import', '--dry-run', '-', '--json'], gzipSync(content).subarray(0, -6));
  t.match(cut, { status: 2, stderr: /^papertrail: stdin is cut short: its gzip data have no end\n$/ });
  const list = await run(['import', '--dry-run', '-'], `[\n${JSON.stringify(login)}\n]`);
  t.match(list, { status: 2, stderr: /one JSON value over several lines/ });
});
