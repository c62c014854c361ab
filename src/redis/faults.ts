/**
 * Faults: every error that Redis answers with because of its own state, and not because of the question. One row
 * each: what it means, what it is to whoever sent the command, and whether another connection may lead to a server
 * that is better off. Redis checks all of these before it runs a command, or a script's first write, so what was
 * answered with one of them has not run.
 *
 * NOSCRIPT is not here: pipeline.ts loads the script and sends the call again. On a cluster MOVED, ASK and TRYAGAIN
 * are dealt with before anybody sees them; a server that is spoken to as a single one should never say them.
 *
 * An error that a script met begins with its code since Redis 7; 6.2 puts the place in the script before it.
 */
import type { ProblemCode } from '../errors.js';

interface Fault {
  /** Ends the sentence "nothing was stored: ...". */
  meaning: string;
  /** What a request ends with of which nothing was stored. */
  problem: ProblemCode;
  reconnect: boolean;
}

const clusterNode = 'this is a node of a cluster, and REDIS_URL names a single Redis';
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
  TRYAGAIN: { ...away, meaning: 'the keys are being moved to another node' },
  MOVED: { ...away, meaning: clusterNode },
  ASK: { ...away, meaning: clusterNode },
  OOM: { ...refused, meaning: 'Redis has reached maxmemory' },
  MISCONF: { ...refused, meaning: 'Redis cannot write to its disk' },
  NOREPLICAS: { ...refused, meaning: 'Redis has fewer replicas than its min-replicas-to-write' },
} as const satisfies Record<string, Fault>;

export type FaultCode = keyof typeof faultTable;
export const faults: Record<FaultCode, Fault> = faultTable;

const pattern = new RegExp(`(?:^|: -)(${Object.keys(faultTable).join('|')})\\b`);

/** The fault that an error which Redis answered with tells of, or undefined where it tells of none. */
export function faultOf(error: Error): Fault | undefined {
  if (error.name !== 'ReplyError') return undefined;
  const code = pattern.exec(error.message)?.[1];
  return code === undefined ? undefined : faults[code as FaultCode];
}
