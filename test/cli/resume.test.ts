/** Imports that are broken off, and how they go on. */
import { createHash } from 'node:crypto';
import { appendFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import t, { type Test } from 'tap';
import { startApp } from '../support/app.js';
import { clock, countEvents, eventLines } from '../support/cli-events.js';
import { commandLine, temporaryFolder } from '../support/command-line.js';
import { type Action, startFront } from '../support/front.js';
import { until } from '../support/until.js';

const { base, stop } = await startApp({ clock });
t.teardown(stop);

const batchRows = 1_000;
const rows = 10 * batchRows;
const settledBatches = 4;
const json = '--json';
const text = (lines: readonly string[]) => `${lines.join('\n')}\n`;

/** A file of `rows` events, and a front that does not answer what comes after `settledBatches` until it is opened. */
async function setUp(
  test: Test,
  system: string,
  pack: (text: string) => string | Buffer = String,
  first: Action = 'hold',
) {
  const file = join(temporaryFolder(test), 'events.ndjson');
  const content = text(eventLines(system, rows));
  writeFileSync(file, pack(content));
  let later = first;
  const front = await startFront(test, base, (number) => (number <= settledBatches ? 'forward' : later));
  const open = () => {
    later = 'forward';
  };
  return { file, content, front, open, ...commandLine(test, front.base) };
}

for (const [name, pack] of [
  ['a plain file', String],
  ['a gzip file', gzipSync],
] as const) {
  t.test(`${name} goes on at its checkpoint after kill -9`, async (t) => {
    const system = `killed ${name}`;
    const { file, front, open, start, run } = await setUp(t, system, pack, 'mute');
    const first = start(['import', file, json, '--parallel', '2']);
    await until(() => front.bodies.length === settledBatches + 2, 'two requests under way');
    first.process.kill('SIGKILL');
    t.equal((await first.ended).status, 'SIGKILL');
    const acknowledged = settledBatches * batchRows;
    const stored = acknowledged + 2 * batchRows;
    await until(async () => (await countEvents(base, system)) === stored, 'what was under way');

    open();
    const second = await run(['import', file, json, '--parallel', '3', '--batch', '7']);
    t.equal(second.status, 0, second.stderr);
    t.match(second.stderr, 'going on after line 4,000');
    t.match(JSON.parse(second.stdout), {
      rows: rows - acknowledged,
      already_imported: 2 * batchRows,
      accepted: rows - stored,
      files: [{ from_line: acknowledged, to_line: rows }],
    });
    t.equal(
      await countEvents(base, system),
      rows,
      'what was under way is counted once, with another number of requests under way',
    );
    t.match(
      JSON.parse((await run(['import', file, json])).stdout),
      { rows, accepted: 0, already_imported: rows },
      'a finished import leaves no note, and the service knows it',
    );
  });
}

t.test('SIGINT lets what is under way be answered: nothing is lost or counted twice', async (t) => {
  const file = join(temporaryFolder(t), 'events.ndjson');
  writeFileSync(file, text(eventLines('interrupted', 50_000)));
  const front = await startFront(t, base, () => 'forward');
  const { start, run } = commandLine(t, front.base);
  const first = start(['import', file, json]);
  await until(() => front.bodies.length > 2, 'some requests');
  first.process.kill('SIGINT');
  const { status, stdout, stderr } = await first.ended;
  t.equal(status, 130);
  t.match(stderr, /interrupted; .* is imported up to line .* goes on from there/);
  const { accepted } = JSON.parse(stdout);
  t.ok(accepted < 50_000);
  t.equal(await countEvents(base, 'interrupted'), accepted);
  t.equal((await run(['import', file, json])).status, 0);
  t.equal(await countEvents(base, 'interrupted'), 50_000);
});

t.test('what is held does not keep SIGINT from ending an import that waits for the service', async (t) => {
  const front = await startFront(t, base, () => ({ status: 503, headers: { 'retry-after': '50' } }));
  const { start } = commandLine(t, front.base);
  const waiting = start(['import', '-'], text(eventLines('waiting', 5)));
  await until(() => front.bodies.length > 0, 'a request');
  await until(() => waiting.texts.stderr.includes('waiting for the service'), 'the notice');
  waiting.process.kill('SIGINT');
  t.match(await waiting.ended, { status: 130, stderr: /interrupted; nothing of stdin is acknowledged/ });
});

t.test('a file that has changed', async (t) => {
  const { file, content, front, open, start, run } = await setUp(t, 'changed');
  const first = start(['import', file, json]);
  await until(() => front.bodies.length === settledBatches + 2, 'two requests on hold');
  first.process.kill('SIGKILL');
  await first.ended;
  open();

  t.test('is not taken for the same', async (t) => {
    writeFileSync(file, content.replace('user-1"', 'user-2"'));
    t.match(await run(['import', file, json]), { status: 2, stderr: /has changed since .* --restart/ });
    writeFileSync(file, content.slice(0, 100_000));
    t.match(await run(['import', file, json]), { status: 2, stderr: /has changed/ });
  });

  t.test('is the same where it has only grown', async (t) => {
    writeFileSync(file, content);
    appendFileSync(file, text(eventLines('changed', 5)));
    const { stdout } = await run(['import', file, json]);
    t.match(JSON.parse(stdout), { rows: rows + 5 - settledBatches * batchRows });
  });
});

t.test('--restart begins at the first line whatever was noted', async (t) => {
  const { file, front, open, start, run } = await setUp(t, 'restarted');
  const first = start(['import', file, json]);
  await until(() => front.bodies.length === settledBatches + 2, 'two requests on hold');
  first.process.kill('SIGKILL');
  await first.ended;
  open();
  const { stdout } = await run(['import', file, json, '--restart']);
  t.match(JSON.parse(stdout), { rows, files: [{ from_line: 0 }] });
});

t.test('files that were finished before the break are passed over by the same command', async (t) => {
  const folder = temporaryFolder(t);
  const [whole, cut] = [join(folder, 'whole'), join(folder, 'cut')];
  const packed = gzipSync(text(eventLines('second', 500)));
  writeFileSync(whole, text(eventLines('first', 300)));
  writeFileSync(cut, packed.subarray(0, -1));
  const { run } = commandLine(t, base);
  t.equal((await run(['import', whole, cut])).status, 2);
  writeFileSync(cut, packed);
  t.equal((await run(['import', whole, cut])).status, 0);
  t.equal(await countEvents(base, 'first'), 300);
  t.equal(await countEvents(base, 'second'), 500);
});

t.test('notes are kept where --state-dir says; where they cannot be, nothing is sent', async (t) => {
  const { file, content, front, start, run } = await setUp(t, 'noted');
  const stateDir = temporaryFolder(t);
  const first = start(['import', file, json, '--state-dir', stateDir]);
  await until(() => front.bodies.length === settledBatches + 2, 'two requests on hold');
  first.process.kill('SIGKILL');
  await first.ended;
  const [name = ''] = readdirSync(stateDir);
  const note = JSON.parse(readFileSync(join(stateDir, name), 'utf8'));
  t.equal(note.line % batchRows, 0);
  const rowsNoted = text(content.split('\n').slice(0, note.line));
  t.equal(note.digest, createHash('sha256').update(rowsNoted).digest('hex'));

  const sent = front.bodies.length;
  t.match(await run(['import', file, '--state-dir', join(file, 'below')]), {
    status: 2,
    stderr: /--state-dir/,
  });
  writeFileSync(join(stateDir, name), '{"offset":');
  t.match(await run(['import', file, '--state-dir', stateDir]), {
    status: 2,
    stderr: /is damaged or of another version; --restart/,
  });
  t.equal(front.bodies.length, sent);
});
