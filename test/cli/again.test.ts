/** Files that are imported more than once: what is recognised, what is refused, and what counts again. */
import { appendFileSync, copyFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import t, { type Test } from 'tap';
import { startApp } from '../support/app.js';
import { clock, countEvents, eventLines } from '../support/cli-events.js';
import { commandLine, temporaryFolder } from '../support/command-line.js';
import { startFront } from '../support/front.js';
import { environmentOf, makeKey } from '../support/keys.js';
import { until } from '../support/until.js';

const { base, stop } = await startApp({ clock });
t.teardown(stop);

const text = (lines: readonly string[]) => `${lines.join('\n')}\n`;

function write(test: Test, content: string | Buffer, name = 'events.ndjson'): string {
  const file = join(temporaryFolder(test), name);
  writeFileSync(file, content);
  return file;
}

/** Runs an import and returns its report. */
async function reportOf(running: Promise<{ status: unknown; stdout: string; stderr: string }>) {
  const { status, stdout, stderr } = await running;
  return { status, stderr, ...JSON.parse(stdout) };
}

t.test('a file that is imported again counts nothing twice, and the report says so', async (t) => {
  const content = text(eventLines('twice', 2_500));
  const file = write(t, content);
  const { run } = commandLine(t, base);
  t.match(await reportOf(run(['import', file, '--json'])), { accepted: 2_500, already_imported: 0 });
  const known = { status: 0, rows: 2_500, accepted: 0, already_imported: 2_500, rejected: 0 };

  t.test('by the same command', async (t) => {
    const { status, stdout, stderr } = await run(['import', file]);
    t.equal(status, 0);
    t.match(stdout, /rows +2,500\nbytes +\d{3},\d{3}\naccepted +0\nalready imported +2,500\nrejected +0\n/);
    t.match(stderr, `${file} was already imported; --again imports it again`);
    t.match(await reportOf(run(['import', file, '--json'])), { files: [{ file, already_imported: 2_500 }] });
  });
  t.test('with another number of requests under way', async (t) => {
    const options = ['--parallel', '5', '--batch', '10000', '--restart', '--json'];
    t.match(await reportOf(run(['import', file, ...options])), known);
  });
  t.test('as a copy, compressed, by standard input', async (t) => {
    const copy = join(temporaryFolder(t), 'copy');
    copyFileSync(file, copy);
    t.match(await reportOf(run(['import', copy, '--json'])), known);
    t.match(await reportOf(run(['import', write(t, gzipSync(content)), '--json'])), known);
    t.match(await reportOf(run(['import', '-', '--json'], content)), known);
  });
  t.test('from another machine', async (t) => {
    t.match(await reportOf(commandLine(t, base).run(['import', file, '--json'])), known);
  });
  t.equal(await countEvents(base, 'twice'), 2_500);
});

t.test('a file that begins differently is another one, and equal parts of one count each', async (t) => {
  const [line = ''] = eventLines('parts', 1);
  const { run } = commandLine(t, base);
  const content = `${line}\n`.repeat(3_000);
  t.match(await reportOf(run(['import', write(t, content), '--json'])), { accepted: 3_000 });
  const other = write(t, `${line.replace('user-0', 'user-1')}\n${content}`);
  t.match(await reportOf(run(['import', other, '--json'])), { accepted: 3_001, already_imported: 0 });
  t.equal(await countEvents(base, 'parts'), 6_001);
});

t.test('of a file that has grown only what is new is imported', async (t) => {
  const lines = eventLines('grown', 2_600);
  const file = write(t, text(lines.slice(0, 2_200)));
  const { run } = commandLine(t, base);
  await run(['import', file]);
  appendFileSync(file, text(lines.slice(2_200, 2_500)));
  const grown = await reportOf(run(['import', file, '--json']));
  t.match(grown, { rows: 300, accepted: 300, files: [{ from_line: 2_200, to_line: 2_500 }] });
  t.match(grown.stderr, /was imported up to line 2,200 at 20.*; --again imports it from its start/);
  const content = gzipSync(text(lines));
  t.match(await reportOf(run(['import', write(t, content), '--json'])), { accepted: 100 }, 'compressed too');
  const whole = write(t, content);
  t.match(await reportOf(run(['import', whole, '--json'])), { rows: 0, files: [{ from_line: 2_600 }] });
  const restarted = await run(['import', whole, '--restart']);
  t.match(restarted, { status: 2, stderr: /and may not be recognised; --again imports it/ });
  t.equal(await countEvents(base, 'grown'), 2_600);

  t.test('also where its last line was still being written', async (t) => {
    const whole = text(eventLines('written', 12));
    const end = whole.length - 150;
    t.not(whole[end - 1], '\n');
    const file = write(t, whole.slice(0, end));
    const half = await reportOf(run(['import', file, '--json']));
    t.match(half, { status: 1, accepted: 10, rejected: 1, examples: [{ line: 11, code: 'line_malformed' }] });
    writeFileSync(file, whole);
    t.match(await reportOf(run(['import', file, '--json'])), { status: 0, accepted: 2, rejected: 0 });
    t.equal(await countEvents(base, 'written'), 12);
  });

  t.test('and a line end more at its end changes nothing', async (t) => {
    const content = text(eventLines('end', 3));
    await run(['import', write(t, content.trimEnd())]);
    t.match(await reportOf(run(['import', write(t, content), '--json'])), {
      accepted: 0,
      already_imported: 3,
    });
    const other = commandLine(t, base);
    t.match(await reportOf(other.run(['import', '-', '--json'], content)), { already_imported: 3 });
  });

  t.test('from another machine its whole batches are recognised', async (t) => {
    const lines = eventLines('elsewhere', 2_500);
    await run(['import', write(t, text(lines.slice(0, 2_200)))]);
    const other = commandLine(t, base);
    const report = await reportOf(other.run(['import', write(t, text(lines)), '--json']));
    t.match(report, { rows: 2_500, already_imported: 2_000, accepted: 500 });
  });
});

t.test('--again counts it again, once, also over a break', async (t) => {
  const rows = 8_000;
  const file = write(t, text(eventLines('again', rows)));
  let isOpen = true;
  let forwarded = 0;
  const front = await startFront(t, base, () => (isOpen || ++forwarded <= 3 ? 'forward' : 'mute'));
  const { run, start } = commandLine(t, front.base);
  await run(['import', file]);
  t.equal(await countEvents(base, 'again'), rows);

  isOpen = false;
  const broken = start(['import', file, '--again']);
  await until(() => forwarded === 5, 'two requests under way');
  broken.process.kill('SIGKILL');
  await broken.ended;
  await until(async () => (await countEvents(base, 'again')) === rows + 5_000, 'what was under way');
  isOpen = true;
  const report = await reportOf(run(['import', file, '--again', '--json']));
  t.match(report, { accepted: 3_000, already_imported: 2_000, files: [{ from_line: 3_000 }] });
  t.equal(await countEvents(base, 'again'), 2 * rows);
  t.match(await reportOf(run(['import', file, '--again', '--json'])), {
    accepted: rows,
    already_imported: 0,
  });
  t.match(await reportOf(run(['import', file, '--json'])), { accepted: 0, already_imported: rows });
  t.equal(await countEvents(base, 'again'), 3 * rows);
});

t.test('a file that the service would not recognise is refused without --again', async (t) => {
  const refused = (why: RegExp) => ({ status: 2, stderr: why, accepted: 0, rows: 0 });

  t.test('with other options', async (t) => {
    const file = write(t, text(eventLines('options', 10)));
    const { run } = commandLine(t, base);
    await run(['import', file]);
    const why =
      /was imported up to line 10 at 20\S+ without --now; .*; --again imports it from its start; nothing of .* was sent/;
    t.match(await reportOf(run(['import', file, '--now', '--json'])), refused(why));
    t.equal(await countEvents(base, 'options'), 10);
    t.match(await reportOf(run(['import', file, '--now', '--again', '--json'])), { accepted: 10 });
    t.match(
      await reportOf(run(['import', file, '--json'])),
      refused(/at 20\S+ with --now, without it rows may count again/),
    );
    t.equal(await countEvents(base, 'options'), 20);
  });

  t.test('unless nothing of it was stored then', async (t) => {
    const rows = ['a', 'b'].map((user_id) =>
      JSON.stringify({ event_type: 'custom', system: 'mark', user_id }),
    );
    const file = write(t, `\ufeff${rows.join('\n')}\n`);
    const { run } = commandLine(t, base);
    t.match(await reportOf(run(['import', file, '--json'])), { status: 1, rejected: 2 });
    t.match(await reportOf(run(['import', file, '--now', '--json'])), { status: 0, accepted: 2 });
    t.match(await reportOf(run(['import', file, '--now', '--json'])), { already_imported: 2 });
  });

  t.test('in the middle of its import', async (t) => {
    const file = write(t, text(eventLines('middle', 6_000)));
    const front = await startFront(t, base, (number) => (number <= 2 ? 'forward' : 'hold'));
    const { run, start } = commandLine(t, front.base);
    const broken = start(['import', file]);
    await until(() => front.bodies.length === 4, 'two requests on hold');
    broken.process.kill('SIGKILL');
    await broken.ended;
    for (const options of [[], ['--restart']]) {
      const why = /was begun without --now, and goes on only like that; --again begins anew/;
      t.match(await run(['import', file, '--now', ...options]), { status: 2, stderr: why });
    }
  });

  t.test('with another API key', async (t) => {
    const [one, other] = [makeKey(), makeKey()];
    const service = await startApp({ clock, config: { API_KEYS: environmentOf(one, other) } });
    t.teardown(service.stop);
    const file = write(t, text(eventLines('keys', 10)));
    const keyFile = write(t, one.key, 'key');
    const stateDir = temporaryFolder(t);
    const { run } = commandLine(t, service.base, { PAPERTRAIL_API_KEY: other.key });
    const asOther = ['import', file, '--state-dir', stateDir, '--json'];
    const asOne = [...asOther, '--key-file', keyFile];
    t.match(await reportOf(run(asOne)), { accepted: 10 });
    t.match(await reportOf(run(asOne)), { already_imported: 10 });
    t.match(await reportOf(run(asOther)), refused(/at 20\S+ with another API key, under this one it would/));
    const [name = ''] = readdirSync(join(stateDir, 'finished'));
    t.notMatch(readFileSync(join(stateDir, 'finished', name), 'utf8'), one.key);
  });

  t.test('and is passed over where an import went on with another API key', async (t) => {
    const [one, other] = [makeKey(), makeKey()];
    const service = await startApp({ clock, config: { API_KEYS: environmentOf(one, other) } });
    t.teardown(service.stop);
    const file = write(t, text(eventLines('changed', 2_000)));
    const keyFile = write(t, one.key, 'key');
    const front = await startFront(t, service.base, (number) => (number === 2 ? { status: 503 } : 'forward'));
    const { run } = commandLine(t, front.base, { PAPERTRAIL_API_KEY: other.key });
    const asOther = ['import', file, '--state-dir', temporaryFolder(t), '--json'];
    const once = ['--parallel', '1', '--retry-seconds', '0'];
    const broken = await reportOf(run([...asOther, '--key-file', keyFile, ...once]));
    t.match(broken, { accepted: 1_000, files: [{ to_line: 1_000, finished: false }] });
    t.match(await reportOf(run(asOther)), { accepted: 1_000, files: [{ from_line: 1_000 }] });
    t.match(await reportOf(run(asOther)), { status: 0, rows: 0, accepted: 0 }, 'as it would count again');
    t.match(await reportOf(run([...asOther, '--restart'])), refused(/and may not be recognised/));
  });
});

t.test('a file from longer ago than the service remembers is passed over', async (t) => {
  const day = 86_400_000;
  const content = text(eventLines('old', 10));
  const file = write(t, content);
  const stateDir = temporaryFolder(t);
  const { run } = commandLine(t, base);
  const command = ['import', file, '--state-dir', stateDir, '--json'];
  await run(command);
  const [name = ''] = readdirSync(join(stateDir, 'finished'));
  const path = join(stateDir, 'finished', name);
  const record = JSON.parse(readFileSync(path, 'utf8'));
  for (const beganAt of [record.beganAt - day, record.beganAt + day]) {
    writeFileSync(path, JSON.stringify({ ...record, beganAt }));
    const { stderr, ...report } = await reportOf(run(command));
    t.match(report, { status: 0, rows: 0, files: [{ from_line: 10, finished: true }] });
    t.match(stderr, /was imported up to line 10 at 20.*--again/);
    const restarted = await reportOf(run([...command, '--restart']));
    t.match(restarted, { status: 2, stderr: /and may not be recognised; --again imports it/ });
  }
  writeFileSync(path, '{');
  t.match(await run(command), { status: 2, stderr: /tells of an earlier import, is damaged/ });
  t.equal(await countEvents(base, 'old'), 10);
});
