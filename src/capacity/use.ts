/**
 * Use: what a demand takes of a given number of processes, masters and shards, when it is committed in a given number of
 * groups. `plan.ts` says which numbers those should be.
 *
 * CPU and bytes are sums over the work (`work.ts`), each kind times its measured cost; questions add theirs. Memory does
 * not hang on how fast events come as much as on what is different in them (`memory.ts`).
 */
import type { Retention } from '../windows/retention.js';
import { measured } from './measured.js';
import { type MemoryItem, memoryBytes, memoryItems } from './memory.js';
import { costOf, type Shape, valuesToKnow, type Work, workOf } from './work.js';

export interface Demand {
  eventsPerSecond: number;
  /** Events a request. */
  batch: number;
  shape: Shape;
  /** Bytes of an event in a body. */
  eventBytes: number;
  questionsPerSecond: number;
  /** Shares of the questions that are answered from the memory of a process and from Redis, 0..1; the rest is computed. */
  fromMemory: number;
  fromRedis: number;
  /** Sketches that a computed question reads. */
  sketchesPerQuestion: number;
  retention: Retention;
  /** Days since the first event; Infinity for a system that has run for as long as anything is kept. */
  days: number;
  /** REPEAT_FILTER_VALUES_MAX. */
  repeatFilterValues: number;
  /** Systems that the events of one request are about, at the most. */
  systemsPerRequest: number;
  /** Of a pipeline, between service and Redis. */
  roundTripMs: number;
  /** How long requests may wait for company at full load. */
  waitMs: number;
  /** How much of what can be done is to be asked for, 0..1. */
  utilization: number;
  /** How fast a core is: 2 does what was measured in half the time. */
  speed: number;
  /** Of each master. */
  replicas: number;
  masterBytesMax: number;
  networkBitsPerSecond: number;
}

/** What there is of what does the work. */
export interface Size {
  processes: number;
  masters: number;
  /** Of each system. */
  shards: number;
}

/** Of a request for an answer, of an answer, and of what says that events are stored. */
const QUESTION_BYTES = 250;
const ANSWER_BYTES = 2_500;
const RECEIPT_BYTES = 250;
/** A file that is written anew when it has doubled is written twice in the long run, and is there twice meanwhile. */
const REWRITE_FACTOR = 2;
const FILE_FACTOR = 3;

export interface Use {
  work: Work;
  groupsPerSecond: number;
  /** Cores in all. */
  serviceCores: number;
  redisCores: number;
  /** Of that for questions. */
  questionCores: { service: number; redis: number };
  /** Share of the values sent before that the repeat filters know. */
  known: number;
  memory: MemoryItem[];
  /** Bytes a second. */
  bytes: { eventsIn: number; answersOut: number; toRedis: number; appended: number };
  /** How much of a bound the busiest uses, 0..1; CPU of a core. */
  busiest: { process: number; master: number; memory: number; network: number };
}

/** Users are divided among shards, all else comes to each of them. */
const shardedShape = (shape: Shape, shards: number): Shape => ({
  ...shape,
  systems: shape.systems * shards,
  users: Math.ceil(shape.users / shards),
  sessions: Math.ceil(shape.sessions / shards),
});

function questionCost(demand: Demand) {
  const { questionsPerSecond, fromMemory, fromRedis, sketchesPerQuestion } = demand;
  const { memory, shared, computed, sketch } = measured.questions;
  const isComputed = 1 - fromMemory - fromRedis;
  const cost = (of: 'node' | 'redis') =>
    questionsPerSecond *
    (fromMemory * memory[of] +
      fromRedis * shared[of] +
      isComputed * (computed[of] + sketchesPerQuestion * sketch[of]));
  return { service: cost('node') / 1e6 / demand.speed, redis: cost('redis') / 1e6 / demand.speed };
}

/** What a demand uses of a size that commits so many groups. */
export function useOf(demand: Demand, size: Size, groupsPerSecond: number): Use {
  const { eventsPerSecond, batch, speed, replicas } = demand;
  const { processes, masters, shards } = size;
  const shape = shardedShape(demand.shape, shards);
  const requestsPerSecond = eventsPerSecond / batch;
  const toKnow = valuesToKnow(shape, eventsPerSecond / processes);
  const known = Math.min(1, demand.repeatFilterValues / toKnow);
  const flow = {
    eventsPerSecond,
    requestsPerSecond,
    systemsPerRequest: demand.systemsPerRequest * shards,
    groupsPerSecond,
    processes,
    masters,
    known,
    isNew: true,
  };
  const work = workOf(shape, flow);
  const { node, redis, sent, appended } = measured.events;
  const questionCores = questionCost(demand);
  const serviceCores = costOf(work, node) / 1e6 / speed + questionCores.service;
  const redisCores = costOf(work, redis) / 1e6 / speed + questionCores.redis;
  const { retention, days, questionsPerSecond } = demand;
  const memory = memoryItems(shape, { eventsPerSecond, partsPerSecond: work.parts, retention, days });
  const bytes = {
    eventsIn: eventsPerSecond * demand.eventBytes + questionsPerSecond * QUESTION_BYTES,
    answersOut: requestsPerSecond * RECEIPT_BYTES + questionsPerSecond * ANSWER_BYTES,
    toRedis: costOf(work, sent),
    appended: costOf(work, appended),
  };
  // No master has fewer than its share of the systems, rounded up for the busiest.
  const shareOfMaster = Math.ceil(shape.systems / masters) / shape.systems;
  const ofMaster = (bytes.toRedis + bytes.appended * replicas) * 8 * shareOfMaster;
  return {
    work,
    groupsPerSecond,
    serviceCores,
    redisCores,
    questionCores,
    known,
    memory,
    bytes,
    busiest: {
      process: serviceCores / processes,
      master: redisCores * shareOfMaster,
      memory: (memoryBytes(memory) * shareOfMaster) / demand.masterBytesMax,
      network: ofMaster / demand.networkBitsPerSecond,
    },
  };
}

/** Bytes of the append-only file of all masters: written a second, and on disk at the most. */
export const fileBytes = ({ bytes, memory }: Use) => ({
  writtenPerSecond: bytes.appended * REWRITE_FACTOR,
  onDisk: memoryBytes(memory) * FILE_FACTOR,
});
