/**
 * What the system's package manager calls the programs that npm cannot install: the one table that both the
 * preparation (`bin/prepare.mjs`, after the build) and the service's own error messages read.
 *
 * A manager is recognised by being there, in this order; apt-get comes before the others because some
 * distributions ship a second manager beside it. Nothing here runs a program that changes the machine.
 */
import { spawnSync } from 'node:child_process';

export type SystemProgram = 'redis' | 'chromium';

interface PackageManager {
  /** The manager's own name, as found on PATH. */
  name: string;
  /** The command that refreshes its lists, where an install on a fresh machine fails without it. */
  refresh?: readonly string[];
  /** The command that installs; the names of packages follow. */
  install: readonly string[];
  /** Runs as the user, never as root. */
  asUser?: true;
  packages: Readonly<Record<SystemProgram, string>>;
}

export const packageManagers: readonly PackageManager[] = [
  {
    name: 'apt-get',
    refresh: ['apt-get', 'update'],
    install: ['apt-get', 'install', '-y', '--no-install-recommends'],
    packages: { redis: 'redis-server', chromium: 'chromium' },
  },
  {
    name: 'apk',
    install: ['apk', 'add', '--no-cache'],
    packages: { redis: 'redis', chromium: 'chromium' },
  },
  {
    name: 'dnf',
    install: ['dnf', 'install', '-y'],
    packages: { redis: 'redis', chromium: 'chromium' },
  },
  {
    name: 'pacman',
    refresh: ['pacman', '-Sy'],
    install: ['pacman', '-S', '--noconfirm', '--needed'],
    packages: { redis: 'valkey', chromium: 'chromium' },
  },
  {
    name: 'brew',
    install: ['brew', 'install'],
    asUser: true,
    packages: { redis: 'redis', chromium: 'chromium' },
  },
];

/** The programs that serve, best first, by what they are called on different systems. */
export const executables: Readonly<Record<SystemProgram, readonly string[]>> = {
  redis: ['redis-server', 'valkey-server'],
  chromium: ['chromium', 'chromium-browser'],
};

/**
 * The first program of a kind that can be run here.
 * @param path the search path, by default that of this process
 * @returns its name and what it says about its version, or null where there is none
 */
export function findProgram(kind: SystemProgram, path?: string): { name: string; version: string } | null {
  for (const name of executables[kind]) {
    const answer = ask(name, path);
    if (answer !== null) return { name, version: answer };
  }
  return null;
}

/** The manager of this machine, or null where none of those known is there. */
export function findPackageManager(path?: string): PackageManager | null {
  return packageManagers.find((manager) => ask(manager.name, path) !== null) ?? null;
}

/** What a person types to install a program on this machine: a command, or advice where none is known. */
export function installHint(kind: SystemProgram, path?: string): string {
  const manager = findPackageManager(path);
  if (manager === null) return `install ${executables[kind].join(' or ')} and put it on PATH`;
  const words = [...manager.install, manager.packages[kind]];
  return `run: ${manager.asUser ? '' : 'sudo '}${words.join(' ')}`;
}

/** Runs `<name> --version`; null where there is no such program. */
function ask(name: string, path?: string): string | null {
  const env = path === undefined ? undefined : { PATH: path };
  const run = spawnSync(name, ['--version'], { encoding: 'utf8', env, timeout: 20_000 });
  return run.error === undefined ? run.stdout.trim() : null;
}
