/**
 * Measured: what each kind of work costs, as `npm run bench -- capacity` prints it. Costs of events are those of `work.ts`,
 * in microseconds of CPU (node, redis) and in bytes (sent to Redis, appended to its file); those of questions are in microseconds.
 * To measure another machine run it there and put what it prints here.
 *
 * A cost of 0 was not told apart from others by the fit: what always comes together has one of them carry all of it.
 */
import type { Work } from './work.js';

interface QuestionCost {
  node: number;
  redis: number;
}

interface Costs {
  machine: string;
  date: string;
  /** Largest RSS of a process. */
  processBytes: number;
  events: Record<'node' | 'redis' | 'sent' | 'appended', Work>;
  questions: {
    /** From the memory of a process. */
    memory: QuestionCost;
    /** From Redis, where another process has put it. */
    shared: QuestionCost;
    /** Computed, besides the sketches it merges. */
    computed: QuestionCost;
    sketch: QuestionCost;
  };
}

export const measured: Costs = {
  machine: 'AMD EPYC, 2 cores, Node 20.20.2, Redis 7.0.15',
  date: '2026-11-22',
  processBytes: 501000000,
  events: {
    node: {
      requests: 103,
      events: 1.74,
      samples: 0.371,
      pipelines: 507,
      commands: 0,
      parts: 64.1,
      lists: 0,
      counts: 0.835,
      evictions: 0,
      adds: 0.0899,
    },
    redis: {
      requests: 4.3,
      events: 0,
      samples: 0,
      pipelines: 78.4,
      commands: 54.9,
      parts: 54.1,
      lists: 5.88,
      counts: 1.19,
      evictions: 0.52,
      adds: 0.624,
    },
    sent: {
      requests: 2.17,
      events: 0,
      samples: 0,
      pipelines: 0,
      commands: 689,
      parts: 0,
      lists: 127,
      counts: 17,
      evictions: 0,
      adds: 8.18,
    },
    appended: {
      requests: 6.28,
      events: 0,
      samples: 0,
      pipelines: 150,
      commands: 0,
      parts: 0,
      lists: 344,
      counts: 30.9,
      evictions: 53.8,
      adds: 0.459,
    },
  },
  questions: {
    memory: {
      node: 43.4,
      redis: 0.214,
    },
    shared: {
      node: 409,
      redis: 34.5,
    },
    computed: {
      node: 220,
      redis: 9.48,
    },
    sketch: {
      node: 3.51,
      redis: 4.22,
    },
  },
};
