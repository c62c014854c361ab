/** Cores that may be used, by what the kernel says of the control group. */
import t from 'tap';
import { usableCores, workersOf } from '../../../src/processes/cores.js';

const reading = (files: Record<string, string>) => (path: string) => files[path] ?? '';

t.test('without a quota they are those that Node counts', async (t) => {
  t.equal(usableCores(8, reading({})), 8);
  t.equal(usableCores(8, reading({ '/sys/fs/cgroup/cpu.max': 'max 100000' })), 8);
  const unlimited = {
    '/sys/fs/cgroup/cpu/cpu.cfs_quota_us': '-1',
    '/sys/fs/cgroup/cpu/cpu.cfs_period_us': '100000',
  };
  t.equal(usableCores(8, reading(unlimited)), 8);
  t.ok(usableCores() >= 1, 'on this machine');
});

t.test('a quota of the group, or of one above it, bounds them', async (t) => {
  const group = { '/proc/self/cgroup': '0::/a.slice/b.service' };
  const quotas: [files: Record<string, string>, cores: number][] = [
    [{ '/sys/fs/cgroup/cpu.max': '250000 100000' }, 2],
    [{ ...group, '/sys/fs/cgroup/a.slice/b.service/cpu.max': '400000 100000' }, 4],
    [
      {
        ...group,
        '/sys/fs/cgroup/a.slice/cpu.max': '300000 100000',
        '/sys/fs/cgroup/a.slice/b.service/cpu.max': 'max 100000',
      },
      3,
    ],
    [{ '/sys/fs/cgroup/cpu/cpu.cfs_quota_us': '150000', '/sys/fs/cgroup/cpu/cpu.cfs_period_us': '50000' }, 3],
    [{ '/sys/fs/cgroup/cpu.max': '50000 100000' }, 1],
    [{ '/sys/fs/cgroup/cpu.max': '6400000 100000' }, 8],
  ];
  for (const [files, cores] of quotas) t.equal(usableCores(8, reading(files)), cores, JSON.stringify(files));
});

t.test('one core is left to Redis, unless the setting says otherwise', async (t) => {
  t.strictSame(
    [1, 2, 3, 16].map((cores) => workersOf(0, cores)),
    [1, 1, 2, 15],
  );
  t.equal(workersOf(4, 2), 4);
});
