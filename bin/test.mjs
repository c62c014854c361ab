/**
 * `npm test`: the same preparation as `npm start`, which includes the compiler's checks, then the linter and
 * every test. What follows `--` goes to tap: `npm test -- build/test/unit/bucket.test.js`.
 *
 * Of tap's output a file that passes leaves one line, and a file that fails leaves everything. The last line
 * counts assertions. What the tests left running is named, ended, and a failure.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { ensureProgram, main, prepare, root, run, say } from './prepare.mjs';

await main(async () => {
  process.chdir(root);
  prepare();
  await ensureProgram('redis');
  await ensureProgram('chromium');
  const { endLeftRunning } = await import('../build/test/support/left-running.js');
  say('checking style (biome)');
  const clean = run([process.execPath, 'node_modules/@biomejs/biome/bin/biome', 'check', '.']);
  const folder = mkdtempSync(join(realpathSync(tmpdir()), 'pt-'));
  const passed = await runTests(process.argv.slice(2), folder);
  const left = await endLeftRunning(folder, leftovers(folder));
  for (const line of left) say(`the tests left a process running: ${line}`);
  rmSync(folder, { recursive: true, force: true });
  if (!clean) say('biome found something; `npm run format` mends most of it.');
  process.exit(clean && passed && left.length === 0 ? 0 : 1);
});

/** @param folder for the temporary files of all tests, which tells what they have started */
async function runTests(values, folder) {
  const command = ['node_modules/tap/dist/esm/run.mjs', '--reporter=tap', ...values];
  const env = { ...process.env, TMPDIR: folder, PAPERTRAIL_TEST_LEFTOVERS: leftovers(folder) };
  const tap = spawn(process.execPath, command, { env, stdio: ['inherit', 'pipe', 'inherit'] });
  const closed = once(tap, 'close');
  const summary = await printBriefly(createInterface({ input: tap.stdout }));
  const [code] = await closed;
  if (summary !== '') console.log(summary);
  return code === 0;
}

/** Where the watchers of the tests note what they had to end (test/support/watch.ts). */
function leftovers(folder) {
  return join(folder, 'left-running.txt');
}

/** Prints a TAP stream as described above; the counts of its summary, or '' where it has none. */
async function printBriefly(lines) {
  let held = [];
  let failing = false;
  let summary = '';
  for await (const line of lines) {
    if (/^(# |\d)/.test(line)) failing = false;
    if (/^(not )?ok /.test(line)) {
      failing = line.startsWith('not');
      console.log([...(failing ? held : []), line].join('\n'));
      held = [];
    } else if (failing) console.log(line);
    else held.push(line);
    const [, counts] = /^# \{ (total: .*) \}$/.exec(line) ?? [];
    if (counts !== undefined) summary = summarise(counts);
  }
  if (summary === '') console.log(held.join('\n'));
  return summary;
}

function summarise(counts) {
  const count = (name) => Number(new RegExp(`\\b${name}: (\\d+)`).exec(counts)?.[1] ?? 0);
  return `${count('pass')} passed, ${count('fail')} failed${count('skip') ? `, ${count('skip')} skipped` : ''}`;
}
