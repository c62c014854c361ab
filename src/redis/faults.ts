/**
 * Faults: every error that Redis answers with because of its own state, and not because of the question. One row
 * each: what it means, what it is to whoever sent the command, and whether another connection may lead to a server
 * that is better off. Redis checks all of these before it runs a command, or a script's first write, so what was
 * answered with one of them has not run.
 *
 * NOSCRIPT is not here: pipeline.ts loads the script and sends the call again. What is said about slots is followed
 * first (cluster/cluster.ts) and gets here only where that takes too long, or where a single Redis was expected.
 *
 * An error that a script met begins with its code since Redis 7; 6.2 puts the place in the script before it. What a
 * script is told about a key that is on its way to another node has no code, so it is known by its words.
 */
import type { ProblemCode } from '../errors.js';

interface Fault {
  /** Ends the sentence "nothing was stored: ...". */
  meaning: string;
  /** What a request ends with of which nothing was stored. */
  problem: ProblemCode;
  reconnect: boolean;
}

const elsewhere =
  'another node of the cluster serves the keys (REDIS_URL of a cluster is redis+cluster://...)';
const moving = 'the keys are being moved to another node';
/** It serves nobody, or somebody else does: as good as away. */
const away = { problem: 'redis_unavailable', reconnect: false } as const;
const leave = { problem: 'redis_unavailable', reconnect: true } as const;
/** Writes alone are refused. */
const refused = { problem: 'ingest_failed', reconnect: false } as const;

const faultTable = {
  READONLY: { ...leave, meaning: 'this Redis is a replica' },
  MASTERDOWN: { ...leave, meaning: 'this Redis is a replica that has lost its master' },
  LOADING: { ...away, meaning: 'Redis is still loading its data' },
  BUSY: { ...away, meaning: 'Redis is busy with a script' },
  CLUSTERDOWN: { ...away, meaning: 'the cluster is not whole' },
  TRYAGAIN: { ...away, meaning: moving },
  'access a non local key': { ...away, meaning: moving },
  'undeclared keys were accessed': { ...away, meaning: moving },
  ASK: { ...away, meaning: moving },
  MOVED: { ...away, meaning: elsewhere },
  OOM: { ...refused, meaning: 'Redis has reached maxmemory' },
  MISCONF: { ...refused, meaning: 'Redis cannot write to its disk' },
  NOREPLICAS: { ...refused, meaning: 'Redis has fewer replicas than its min-replicas-to-write' },
} as const satisfies Record<string, Fault>;

export type FaultCode = keyof typeof faultTable;
export const faults: Record<FaultCode, Fault> = faultTable;

const isCode = (name: string) => /^[A-Z]+$/.test(name);
const names = Object.keys(faultTable);
const [codes, words] = [names.filter(isCode), names.filter((name) => !isCode(name))].map((some) =>
  some.join('|'),
);
const pattern = new RegExp(`(?:^|: -)(${codes})\\b|(${words})`);

/** The fault that an error which Redis answered with tells of, or undefined where it tells of none. */
export function faultOf(error: Error): Fault | undefined {
  if (error.name !== 'ReplyError') return undefined;
  const [, code, said] = pattern.exec(error.message) ?? [];
  const name = code ?? said;
  return name === undefined ? undefined : faults[name as FaultCode];
}
