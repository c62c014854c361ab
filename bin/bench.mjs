/** `npm run bench`: the same preparation as `npm start`, then the load scenarios (load/bench.ts). */
import { ensureProgram, main, prepare, root } from './prepare.mjs';

await main(async () => {
  process.chdir(root);
  prepare();
  await ensureProgram('redis');
});
await import('../build/load/bench.js');
