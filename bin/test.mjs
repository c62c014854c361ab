/**
 * `npm test`: the same preparation as `npm start`, then the linter, the compiler and every test. What follows
 * `--` goes to tap: `npm test -- build/test/unit/bucket.test.js`.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ensureProgram, main, prepare, root, run, Stop, say } from './prepare.mjs';

await main(async () => {
  process.chdir(root);
  prepare();
  await ensureProgram('redis');
  await ensureProgram('chromium');
  say('checking style (biome)');
  if (!run([process.execPath, 'node_modules/@biomejs/biome/bin/biome', 'check', '.'])) {
    throw new Stop('biome found something; `npm run format` mends most of it.');
  }
  mkdirSync('.tap', { recursive: true });
  const report = join(root, '.tap', 'last-run.tap');
  const tap = ['node_modules/tap/dist/esm/run.mjs', `--output-file=${report}`, ...process.argv.slice(2)];
  const { status } = spawnSync(process.execPath, tap, { stdio: 'inherit' });
  console.log(summarise(readFileSync(report, 'utf8')));
  process.exit(status ?? 1);
});

/** The numbers of the last summary in a TAP stream, which count assertions. */
function summarise(report) {
  const last = [...report.matchAll(/^# \{ (.*) \}$/gm)].at(-1)?.[1] ?? '';
  const count = (name) => Number(new RegExp(`\\b${name}: (\\d+)`).exec(last)?.[1] ?? 0);
  return `${count('pass')} passed, ${count('fail')} failed${count('skip') ? `, ${count('skip')} skipped` : ''}`;
}
