/**
 * How many cores this process may use. Node counts those it may be scheduled on, but up to version 20 not what a
 * container is allowed: a quota of CPU time (`docker run --cpus 2`), which the kernel keeps in files of the control
 * group. Without a look at them a container of two cores on a machine of 64 would start 63 workers.
 *
 *   version 2   cpu.max of the group of the process and of all above it: `<quota> <period>`, or `max <period>`
 *   version 1   cpu.cfs_quota_us and cpu.cfs_period_us of the group that a container sees as its root; -1: none
 *
 * Parts of a core are dropped, as libuv does where it looks at quotas itself.
 *
 * Source: https://docs.kernel.org/admin-guide/cgroup-v2.html#cpu-interface-files
 */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';

const groups = '/sys/fs/cgroup';

/** The text of a file, '' where there is none. */
function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
}

/** Cores of `<quota> <period>`; Infinity where that is no quota. */
function coresOf(text: string): number {
  const [quota, period] = text.split(' ').map(Number);
  return quota / period > 0 ? quota / period : Number.POSITIVE_INFINITY;
}

/** @param read the text of a file, '' where there is none */
export function usableCores(scheduled = availableParallelism(), read = readText): number {
  const version1 = ['cpu.cfs_quota_us', 'cpu.cfs_period_us'].map((name) => read(join(groups, 'cpu', name)));
  let cores = Math.min(scheduled, coresOf(version1.join(' ')));
  const [, own = '/'] = /^0::(\/.*)$/m.exec(read('/proc/self/cgroup')) ?? [];
  for (let group = own; ; group = dirname(group)) {
    cores = Math.min(cores, coresOf(read(join(groups, group, 'cpu.max'))));
    if (group === '/') return Math.max(1, Math.floor(cores));
  }
}

/** How many workers there are to be: as set, or the cores less one for Redis, and never none. */
export const workersOf = (setting: number, cores = usableCores()): number =>
  setting || Math.max(1, cores - 1);
