/**
 * What the requests of a group are told that failed. A request may have rows in several systems, and each of them may
 * fail in a way of its own, on a cluster on a node of its own. It is told the gravest, since it sends all of it again:
 *
 *   stored      but too few replicas confirmed it                       outcome_unknown
 *   unsent      nothing of it left                                      redis_unavailable
 *   fault       Redis was in no state to run it (redis/faults.ts)       as the table says
 *   refused     Redis answered with any other error                     ingest_failed
 *   unknown     the connection broke                                    outcome_unknown
 *
 * That nothing was stored is said only where nothing was: where a part of the request is stored, or may be, what was
 * not sent becomes `outcome_unknown` and a fault `ingest_failed`.
 */
import { Problem } from '../errors.js';
import { faultOf } from '../redis/faults.js';
import { isUnsent, TooFewReplicasError } from '../redis/pipeline.js';
import type { SystemDelta } from './delta.js';
import type { Failure } from './system-writes.js';

/** From harmless to grave. */
const kinds = ['stored', 'unsent', 'fault', 'refused', 'unknown'] as const;
type Kind = (typeof kinds)[number];

function kindOf(error: Error): Kind {
  if (error instanceof TooFewReplicasError) return 'stored';
  if (isUnsent(error)) return 'unsent';
  if (error.name !== 'ReplyError') return 'unknown';
  return faultOf(error) ? 'fault' : 'refused';
}

function problemOf(error: Error, isPartial: boolean): Problem {
  const because = { cause: error };
  const kind = kindOf(error);
  if (kind === 'stored') {
    const detail = `the events are stored, but ${error.message}: a failover may lose them`;
    return new Problem('outcome_unknown', detail, {}, because);
  }
  if (kind === 'unknown') {
    const detail = 'the connection to Redis broke before it answered; the events may be stored or not';
    return new Problem('outcome_unknown', detail, {}, because);
  }
  if (kind === 'unsent') {
    if (!isPartial) return new Problem('redis_unavailable', 'Redis cannot be reached; nothing was stored');
    const detail = 'some of the events are stored; Redis could not be reached for the others';
    return new Problem('outcome_unknown', detail, {}, because);
  }
  const fault = faultOf(error);
  if (!fault) return new Problem('ingest_failed', 'Redis refused the write', {}, because);
  if (!isPartial) return new Problem(fault.problem, `nothing was stored: ${fault.meaning}`, {}, because);
  const detail = `some of the events are not stored: ${fault.meaning}`;
  return new Problem('ingest_failed', detail, {}, because);
}

/** The problem of each request that has rows in a system that failed. */
export function problemsOf(
  failures: readonly Failure[],
  stored: Iterable<SystemDelta>,
): Map<number, Problem> {
  const problems = new Map<number, Problem>();
  if (failures.length === 0) return problems;
  const gravest = new Map<number, Error>();
  const partial = new Set<number>();
  for (const { requests } of stored) for (const id of requests) partial.add(id);
  for (const { delta, error, isPartial } of failures) {
    const kind = kindOf(error);
    for (const id of delta.requests) {
      if (isPartial || kind === 'stored') partial.add(id);
      const other = gravest.get(id);
      if (!other || kinds.indexOf(kind) > kinds.indexOf(kindOf(other))) gravest.set(id, error);
    }
  }
  for (const [id, error] of gravest) problems.set(id, problemOf(error, partial.has(id)));
  return problems;
}
