/**
 * `npm run dev`: the service, compiled again and restarted on every change of its sources.
 */
import { spawn } from 'node:child_process';
import { watch } from 'node:fs';
import { join } from 'node:path';
import { ensureProgram, main, prepare, root, run } from './prepare.mjs';

const node = process.execPath;

await main(async () => {
  process.chdir(root);
  prepare();
  if (!process.env.REDIS_URL) await ensureProgram('redis');
});

const children = [
  ['node_modules/typescript/bin/tsc', '--watch', '--preserveWatchOutput'],
  ['--watch', '--watch-path=build/src', '--watch-preserve-output', 'build/src/server.js'],
].map((values) => spawn(node, values, { stdio: 'inherit' }));

watch(join(root, 'src'), { recursive: true }, (_event, name) => {
  if (!name?.endsWith('.ts')) run([node, 'bin/copy-assets.mjs']);
});

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    for (const child of children) child.kill(signal);
  });
}
await Promise.all(children.map((child) => new Promise((resolve) => child.once('exit', resolve))));
process.exit();
