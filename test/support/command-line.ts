/** The command line as a process of its own, as people run it, with its notes in a folder of the test. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import './watch.js';

const program = fileURLToPath(new URL('../../../bin/papertrail.mjs', import.meta.url));

export interface Ended {
  /** Exit status, or the name of the signal that ended it. */
  status: number | string;
  stdout: string;
  stderr: string;
}

export interface Running {
  process: ChildProcess;
  /** What it has printed until now. */
  texts: { stdout: string; stderr: string };
  ended: Promise<Ended>;
}

/** A folder that is gone after the test. */
export function temporaryFolder(test: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'papertrail-cli-'));
  test.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A way to run commands against the service at `base`, all with the same notes. `env`: variables besides. */
export function commandLine(test: Test, base: string, env: Record<string, string> = {}) {
  const stateHome = temporaryFolder(test);

  function start(values: readonly string[], input: string | Buffer = ''): Running {
    const child = spawn(process.execPath, [program, ...values], {
      env: { ...process.env, PAPERTRAIL_URL: base, XDG_STATE_HOME: stateHome, ...env },
    });
    test.teardown(() => child.kill('SIGKILL'));
    const texts = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8').on('data', (text: string) => {
        texts[name] += text;
      });
    }
    child.stdin.on('error', () => {}); // it may end without reading all
    child.stdin.end(input);
    const ended = once(child, 'close').then(([code, signal]) => ({ status: code ?? signal, ...texts }));
    return { process: child, texts, ended };
  }

  return { start, run: (values: readonly string[], input?: string | Buffer) => start(values, input).ended };
}
