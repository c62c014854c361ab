/**
 * Mends the append-only file of the service's own Redis after a crash of the machine.
 *
 * Redis by itself accepts a file that merely ends too early, which is what `kill -9` leaves. After a power cut
 * some disks leave a tail of zeros or of old bytes instead; with that, Redis refuses to start and asks for
 * `redis-check-aof --fix`, which cuts the file at the first byte that makes no sense. We run it, but only for
 * a short tail, and only after that tail was copied aside: a long one means damage in the middle, with good
 * data behind it, and what to do about that is for a person to decide.
 */
import { execFile } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const cutBytesMax = 1024 ** 2;
const outputBytesMax = 16 * 1024 ** 2;

/** What Redis prints as it gives up on such a file. */
export const damagedTail = /Bad file format reading the append only file/;

/**
 * Cuts a damaged tail.
 * @param server the server program, beside which its check program is installed
 * @param dataDir the folder Redis runs in, with no Redis running
 * @returns a sentence that says what was cut, and where the bytes are now
 * @throws Error where the damage is not a short tail
 */
export async function mendAppendOnlyFile(server: string, dataDir: string): Promise<string> {
  const program = server.replace('-server', '-check-aof');
  const parts = join('appendonlydir', 'appendonly.aof.manifest');
  const file = existsSync(join(dataDir, parts)) ? parts : 'appendonly.aof';
  const check = await run(program, [file], dataDir);
  const damage = readReport(check.output, dirname(file));
  if (damage === null || damage.cutBytes > cutBytesMax) {
    throw new Error(
      `The append-only file in ${dataDir} is damaged, and not only in its last ${cutBytesMax} bytes. ` +
        `Copy the folder, then run there: ${program} --fix ${file}\n${check.output}`,
    );
  }
  const aside = join(dataDir, `cut-at-${damage.goodBytes}-${damage.name}`);
  writeFileSync(aside, readFileSync(join(dataDir, damage.path)).subarray(damage.goodBytes));
  const fix = await run(program, ['--fix', file], dataDir, 'y\n');
  if (!fix.ok) throw new Error(`${program} could not mend ${join(dataDir, file)}:\n${fix.output}`);
  return `cut ${damage.cutBytes} unreadable bytes off ${damage.path}; they are kept in ${aside}`;
}

/** The damaged file in the report of a check, or null where there is none. */
function readReport(report: string, folder: string) {
  const lines = report.matchAll(
    /AOF analyzed: (?:filename=(.+), )?size=\d+, ok_up_to=(\d+), .*diff=([1-9]\d*)/g,
  );
  for (const [, name = 'appendonly.aof', good, cut] of lines) {
    return { name, path: join(folder, name), goodBytes: Number(good), cutBytes: Number(cut) };
  }
  return null;
}

function run(
  program: string,
  values: string[],
  cwd: string,
  input = '',
): Promise<{ ok: boolean; output: string }> {
  return new Promise((resolve, reject) => {
    const child = execFile(program, values, { cwd, maxBuffer: outputBytesMax }, (error, stdout, stderr) => {
      if (error !== null && 'code' in error && error.code === 'ENOENT') reject(error);
      else resolve({ ok: error === null, output: `${stdout}${stderr}`.trim() });
    });
    child.stdin?.on('error', () => {}); // it may end without reading
    child.stdin?.end(input);
  });
}
