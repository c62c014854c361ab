/** What processes use: from /proc where there is one, else from `ps`. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import type { Usage } from '../results/timeline.js';
import type { Watched } from '../scenario.js';

/** Of all Linux systems as programs see them (sysconf(_SC_CLK_TCK)), whatever the kernel counts by. */
const TICKS_PER_SECOND = 100;
const PAGE_BYTES = 4_096;

/** The line of /proc/<pid>/stat; the name in it may hold anything, a bracket too. */
export function parseProcStat(stat: string): Usage {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const cpuTicks = Number(fields[11]) + Number(fields[12]);
  return { cpuSeconds: cpuTicks / TICKS_PER_SECOND, memoryBytes: Number(fields[21]) * PAGE_BYTES };
}

/** A line of `ps -o rss=,time=`: kibibytes and [[days-]hours:]minutes:seconds. */
export function parsePs(line: string): Usage {
  const [kibibytes = '', time = ''] = line.trim().split(/\s+/);
  const [clock, days = '0'] = time.split('-').reverse();
  const seconds = clock.split(':').reduce((sum, part) => sum * 60 + Number(part), 0);
  return { cpuSeconds: Number(days) * 86_400 + seconds, memoryBytes: Number(kibibytes) * 1_024 };
}

const hasProc = existsSync('/proc/self/stat');

function usageOf(pid: number): Usage | undefined {
  if (hasProc) {
    try {
      return parseProcStat(readFileSync(`/proc/${pid}/stat`, 'utf8'));
    } catch {
      return undefined; // it has ended
    }
  }
  const { stdout, status } = spawnSync('ps', ['-o', 'rss=,time=', '-p', String(pid)], { encoding: 'utf8' });
  return status === 0 ? parsePs(stdout) : undefined;
}

/** What each uses now, without those that are away. */
export function readUsages(watched: Watched): Record<string, Usage> {
  const usages: Record<string, Usage> = {};
  for (const [name, pid] of Object.entries(watched)) {
    const usage = pid === undefined ? undefined : usageOf(pid);
    if (usage) usages[name] = usage;
  }
  return usages;
}
