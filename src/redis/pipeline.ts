/**
 * Pipelines: one round trip to Redis for a list of commands, with a reply or an error for each.
 *
 * Contract, the same for reads and writes: a command is sent at most once. Nothing is sent again after a cut
 * connection, because the first try may have been executed; the caller is told and decides. The one exception
 * is a script that Redis does not know (NOSCRIPT, after a restart or SCRIPT FLUSH): it has not run, so it is
 * loaded and sent again, and so nothing in a pipeline may rely on what a script earlier in it wrote.
 *
 * A pipeline that is not answered in time takes its connection with it: replies that came late would
 * otherwise be matched to nothing. What was under way then has an unknown outcome.
 *
 * A pipeline may wait for replicas: WAIT is its last command, on its own connection, since it speaks of what this
 * connection wrote. Too few in time, and every call has an error although it has run: it may be lost by a failover.
 *
 * While the breaker of the connection is open nothing is sent. A Redis that says it is not the one to ask
 * (faults.ts) is left for a new connection.
 */
import { tracingChannel } from 'node:diagnostics_channel';
import type { Redis } from 'ioredis';
import { Problem } from '../errors.js';
import { BreakerOpenError, breakers } from './breaker.js';
import { startDeadline } from './deadline.js';
import { faultOf } from './faults.js';
import { type Script, scriptBySha } from './scripts.js';

export type Argument = string | number | Buffer;
export interface Call {
  name: string;
  args: Argument[];
  /** Replies as Buffers, for blobs. */
  binary?: boolean;
}
export type Outcome = { error: Error } | { error?: undefined; reply: unknown };

/** How many replicas are to have what was written, and how long that may take. */
export interface ReplicaWait {
  replicas: number;
  timeoutMs: number;
}

/** What ends a call that has run, but is not known to enough replicas. */
export class TooFewReplicasError extends Error {
  override name = 'TooFewReplicasError';
}

export const call = (name: string, ...args: Argument[]): Call => ({ name, args });
export const callScript = (script: Script, keys: string[], args: Argument[], binary = false): Call => ({
  name: 'EVALSHA',
  args: [script.sha, keys.length, ...keys, ...args],
  binary,
});

/** The masters of a cluster as one place to send calls to (cluster/cluster.ts). */
export interface Cluster {
  readonly isCluster: true;
  /** `ready` where calls can be sent to at least one master. */
  readonly status: 'connecting' | 'ready';
  readonly masters: readonly Redis[];
  /** The master that serves a slot; undefined where none is known to. */
  masterOf(slot: number): Redis | undefined;
  /** Told at every (re)connect to a master. */
  on(event: 'ready', listener: () => void): void;
  disconnect(): void;
  /** The master that serves the slot of a key, if there is one. */
  masterOfKey(key: string): Redis | undefined;
  /** As `runPipeline`; each call goes to the node of its key. */
  run(calls: readonly Call[], timeoutMs: number, wait: ReplicaWait): Promise<Outcome[]>;
}

/** Where calls are sent to. */
export type Store = Redis | Cluster;

/** Sends calls, and resolves with an outcome for each, in order. */
export type Send = (calls: readonly Call[]) => Promise<Outcome[]>;

export const isCluster = (store: Store): store is Cluster => store.isCluster;

/** An error that Redis answered with; what it answered it to had no effect. */
export class ReplyError extends Error {
  override name = 'ReplyError';
}

/** Whether an error says that Redis does not answer, or not now or not here, and nothing about the question. */
export function isUnavailable(error: Error): boolean {
  return error.name !== 'ReplyError' || faultOf(error)?.problem === 'redis_unavailable';
}

/** What a request ends with whose error this is: a 503 where Redis does not answer, else the error as it is. */
export function toProblem(error: Error): Error {
  if (!isUnavailable(error) || error instanceof Problem) return error;
  return new Problem('redis_unavailable', 'Redis cannot be reached or is too slow', {}, { cause: error });
}

/** How ioredis begins to say so. */
const UNSENT = "Stream isn't writeable";

/** Whether the command certainly was not executed because it was never written to a socket. */
export function isUnsent(error: Error): boolean {
  return error instanceof BreakerOpenError || error.message.startsWith(UNSENT);
}

/** Whether a command would be sent now; on a cluster to one master at least. */
export function isReachable(redis: Store): boolean {
  if (isCluster(redis)) return redis.status === 'ready' && redis.masters.some(isReachable);
  return redis.status === 'ready' && breakers.get(redis)?.refuses() !== true;
}

/** Sockets that are being left; one that nothing gets through may take a while to close. */
const left = new WeakSet<object>();

/** Makes a connection anew: once, however many calls find it wanting. */
function renew(server: Redis): void {
  if (left.has(server.stream)) return;
  left.add(server.stream);
  server.disconnect(true);
}

/** Leaves a server that has said that another connection may lead to a better one. */
function leave(server: Redis, error: Error): void {
  if (faultOf(error)?.reconnect && server.status === 'ready') renew(server);
}

/** The same for what was said within a reply; on a cluster the master of the key that it was about is left. */
export function leaveIfAsked(redis: Store, error: Error, key: string): void {
  const server = isCluster(redis) ? redis.masterOfKey(key) : redis;
  if (server) leave(server, error);
}

/** An error of a command that was not sent. */
export const unsent = (why: string): Error => new Error(`${UNSENT}: ${why}`);

/** Errors of ioredis carry the arguments of their command, ids among them, which must not reach a log. */
function withoutArguments(error: Error & { command?: unknown }): Error {
  delete error.command;
  return error;
}

/** One call by itself: a pipeline of one would cost the process twice as much. */
const exchangeOne = (redis: Redis, { name, args, binary }: Call): Promise<Outcome[]> =>
  (binary ? redis.callBuffer(name, args) : redis.call(name, args)).then(
    (reply) => [{ reply }],
    (error: Error) => [{ error: withoutArguments(error) }],
  );

async function exchangeAll(redis: Redis, calls: readonly Call[]): Promise<Outcome[]> {
  const pipeline = redis.pipeline();
  for (const { name, args, binary } of calls) {
    if (binary) pipeline.callBuffer(name, args);
    else pipeline.call(name, args);
  }
  const results = await pipeline.exec();
  return (results ?? []).map(([error, reply]) => (error ? { error: withoutArguments(error) } : { reply }));
}

async function exchange(redis: Redis, calls: readonly Call[], timeoutMs: number): Promise<Outcome[]> {
  const endDeadline = startDeadline(timeoutMs, () => renew(redis));
  const outcomes = await (calls.length === 1 ? exchangeOne(redis, calls[0]) : exchangeAll(redis, calls));
  endDeadline();
  return outcomes;
}

const isAnswered = ({ error }: Outcome) => error === undefined || error.name === 'ReplyError';

/** Sends calls if the breaker lets them through. `timeoutMs` begins when they are sent. */
async function send(
  redis: Redis,
  calls: readonly Call[],
  timeoutMs: number,
  wait: ReplicaWait,
): Promise<Outcome[]> {
  const breaker = breakers.get(redis);
  const entered = breaker?.enter();
  if (breaker && entered === undefined) return calls.map(() => ({ error: new BreakerOpenError() }));
  const isWaiting = wait.replicas > 0;
  const sent = isWaiting ? [...calls, call('WAIT', wait.replicas, wait.timeoutMs)] : calls;
  const outcomes = await exchange(redis, sent, timeoutMs);
  if (entered !== undefined) breaker?.leave(entered, outcomes.every(isAnswered));
  for (const { error } of outcomes) if (error) leave(redis, error);
  return isWaiting ? replicated(outcomes, wait.replicas) : outcomes;
}

/** The outcomes of the calls before a WAIT, given its own. */
function replicated(outcomes: Outcome[], replicas: number): Outcome[] {
  const waited = outcomes.pop();
  const reached = waited && !waited.error ? Number(waited.reply) : 0;
  if (reached >= replicas) return outcomes;
  const error = new TooFewReplicasError(`${reached} of ${replicas} replicas had it in time`);
  return outcomes.map((outcome) => (outcome.error ? outcome : { error }));
}

/** An outcome of a second attempt: where that was unsent, other calls of the first may have been executed. */
export function sentAgain(outcome: Outcome): Outcome {
  if (!outcome.error || !isUnsent(outcome.error)) return outcome;
  return { error: new Error('cut before it was sent again', { cause: outcome.error }) };
}

const isNoScript = (outcome: Outcome) => outcome.error?.message.startsWith('NOSCRIPT') === true;

/** Sends again the calls whose script was not known, after loading it. */
async function retryUnknownScripts(
  redis: Redis,
  calls: readonly Call[],
  outcomes: Outcome[],
  timeoutMs: number,
  wait: ReplicaWait,
) {
  const again = calls.flatMap((_, i) => (isNoScript(outcomes[i]) ? [i] : []));
  const shas = new Set(again.map((i) => String(calls[i].args[0])));
  const loads = [...shas]
    .flatMap((sha) => scriptBySha.get(sha) ?? [])
    .map((script) => call('SCRIPT', 'LOAD', script.source));
  const sent = await send(redis, [...loads, ...again.map((i) => calls[i])], timeoutMs, wait);
  again.forEach((index, i) => {
    outcomes[index] = sentAgain(sent[loads.length + i]);
  });
}

const noWait: ReplicaWait = { replicas: 0, timeoutMs: 0 };

/** Where each round trip is told of to whoever traces them; nobody listening, it costs nothing. */
export const roundTripChannel = 'papertrail:redis';
const roundTrips = tracingChannel<RoundTrip, RoundTrip>(roundTripChannel);

export interface RoundTrip {
  calls: number;
  /** Calls without a reply of success, once that is known. */
  failed?: number;
}

/**
 * One round trip; on a cluster one to each node that is concerned, all at once.
 * @param wait for replicas, within `timeoutMs`; on a cluster for those of each of these nodes
 * @returns an outcome for each call, in order; never throws for what Redis or the connection does
 */
export async function runPipeline(
  redis: Store,
  calls: readonly Call[],
  timeoutMs: number,
  wait = noWait,
): Promise<Outcome[]> {
  if (calls.length === 0) return [];
  if (isCluster(redis)) return redis.run(calls, timeoutMs, wait);
  if (!roundTrips.start.hasSubscribers) return runCalls(redis, calls, timeoutMs, wait);
  const trip: RoundTrip = { calls: calls.length };
  return roundTrips.tracePromise(async () => {
    const outcomes = await runCalls(redis, calls, timeoutMs, wait);
    trip.failed = outcomes.filter(({ error }) => error).length;
    return outcomes;
  }, trip);
}

async function runCalls(
  redis: Redis,
  calls: readonly Call[],
  timeoutMs: number,
  wait: ReplicaWait,
): Promise<Outcome[]> {
  const outcomes = await send(redis, calls, timeoutMs, wait);
  if (outcomes.some(isNoScript)) await retryUnknownScripts(redis, calls, outcomes, timeoutMs, wait);
  return outcomes;
}

/** The replies of a pipeline in which any failure fails the whole. @throws the first error */
export async function readPipeline(
  redis: Store,
  calls: readonly Call[],
  timeoutMs: number,
): Promise<unknown[]> {
  const outcomes = await runPipeline(redis, calls, timeoutMs);
  return outcomes.map((outcome) => {
    if (outcome.error) throw outcome.error;
    return outcome.reply;
  });
}
