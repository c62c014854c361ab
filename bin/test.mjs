/**
 * `npm test`: the same preparation as `npm start`, which includes the compiler's checks, then the linter and
 * every test. What follows `--` goes to tap: `npm test -- build/test/unit/bucket.test.js`.
 *
 * Of tap's output a file that passes leaves one line, and a file that fails leaves everything. The last line
 * counts assertions.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { ensureProgram, main, prepare, root, run, say } from './prepare.mjs';

await main(async () => {
  process.chdir(root);
  prepare();
  await ensureProgram('redis');
  await ensureProgram('chromium');
  say('checking style (biome)');
  const clean = run([process.execPath, 'node_modules/@biomejs/biome/bin/biome', 'check', '.']);
  const passed = await runTests(process.argv.slice(2));
  if (!clean) say('biome found something; `npm run format` mends most of it.');
  process.exit(clean && passed ? 0 : 1);
});

async function runTests(values) {
  const command = ['node_modules/tap/dist/esm/run.mjs', '--reporter=tap', ...values];
  const tap = spawn(process.execPath, command, { stdio: ['inherit', 'pipe', 'inherit'] });
  const closed = once(tap, 'close');
  const summary = await printBriefly(createInterface({ input: tap.stdout }));
  const [code] = await closed;
  if (summary !== '') console.log(summary);
  return code === 0;
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
