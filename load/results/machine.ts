/** Where and by what results were made, so that two of them can be compared, or not. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, release, totalmem, type } from 'node:os';

const PACKAGES = ['fastify', 'ioredis', '@msgpack/msgpack', 'xxhash-wasm', 'pino', 'autocannon'];

export interface Origin {
  machine: { cpu: string; cores: number; memoryMb: number; system: string };
  versions: Record<string, string>;
  commit: string;
  command: string;
  date: string;
}

/** What a program prints; '' where it fails or is not there. */
function outputOf(program: string, ...words: string[]): string {
  const { stdout, status } = spawnSync(program, words, { encoding: 'utf8' });
  return status === 0 ? stdout.trim() : '';
}

function versionOf(name: string): string {
  const file = new URL(`../../../node_modules/${name}/package.json`, import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}

function commitOf(): string {
  const commit = outputOf('git', 'rev-parse', '--short=12', 'HEAD');
  if (commit === '') return 'unknown';
  return outputOf('git', 'status', '--porcelain') === '' ? commit : `${commit}, changed`;
}

/** @param command what was typed */
export function originOf(command: string, now: Date): Origin {
  const redis = /v=(\S+)/.exec(outputOf('redis-server', '--version'))?.[1] ?? 'unknown';
  return {
    machine: {
      cpu: cpus()[0]?.model ?? 'unknown',
      cores: availableParallelism(),
      memoryMb: Math.round(totalmem() / 1e6),
      system: `${type()} ${release()}`,
    },
    versions: {
      node: process.versions.node,
      redis,
      ...Object.fromEntries(PACKAGES.map((name) => [name, versionOf(name)])),
    },
    commit: commitOf(),
    command,
    date: now.toISOString(),
  };
}
