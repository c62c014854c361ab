#!/usr/bin/env node
/** The command line, `papertrail --help`. It is compiled code; this file only finds it. */
import { existsSync } from 'node:fs';

const cli = new URL('../build/src/cli/main.js', import.meta.url);
if (existsSync(cli)) {
  await import(cli.href);
} else {
  console.error('papertrail: not built yet. Run `npm start` or `npm run build` in the project folder first.');
  process.exitCode = 1;
}
