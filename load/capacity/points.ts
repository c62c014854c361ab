/**
 * What is measured for the model of capacity: each point is a stream and a way to send it. Most are there to fit the
 * costs, each of them to tell one cost from the others; the rest are compared with what the fitted model says of them.
 */
import type { Shape } from '../../src/capacity/work.js';

export interface Point {
  name: string;
  batch: number;
  connections: number;
  shape: Shape;
  /** Requests a second at an even pace; as fast as they are answered where absent. */
  pace?: number;
  /** Whether the repeat filter is on. */
  isKnown: boolean;
  /** On three masters, else on one Redis. */
  isCluster: boolean;
  /** Whether the costs are fitted to it. */
  isFitted: boolean;
}

interface Options extends Partial<Omit<Point, 'shape' | 'name' | 'batch'>> {
  systems?: number;
  users?: number;
  numericKeys?: number;
}

function pointOf(batch: number, options: Options = {}): Point {
  const { systems = 20, users = 1_000, numericKeys = 2, connections = 50, pace, ...rest } = options;
  const shape = { systems, users, sessions: users, ips: users, endpoints: 200, numericKeys };
  const traits = [
    `${batch} a batch`,
    `${systems} systems`,
    `${users} users`,
    `${numericKeys} numbers`,
    ...(pace === undefined ? [`${connections} connections`] : [`${pace} requests/s`]),
    ...(rest.isKnown === false ? ['no repeat filter'] : []),
    ...(rest.isCluster ? ['3 masters'] : []),
  ];
  return {
    name: traits.join(', '),
    batch,
    connections,
    shape,
    isKnown: true,
    isCluster: false,
    isFitted: true,
    ...(pace === undefined ? {} : { pace }),
    ...rest,
  };
}

const isFitted = false;

export const points: readonly Point[] = [
  pointOf(1),
  pointOf(1, { systems: 1 }),
  pointOf(1, { systems: 200 }),
  pointOf(10),
  pointOf(100),
  pointOf(100, { systems: 200 }),
  pointOf(100, { connections: 2 }),
  pointOf(100, { isKnown: false }),
  pointOf(1_000),
  pointOf(1_000, { systems: 1 }),
  pointOf(1_000, { systems: 200 }),
  pointOf(1_000, { connections: 2 }),
  pointOf(1_000, { users: 100_000 }),
  pointOf(1_000, { systems: 1, users: 10_000 }),
  pointOf(1_000, { numericKeys: 1 }),
  pointOf(1_000, { numericKeys: 8 }),
  pointOf(1_000, { isKnown: false }),
  pointOf(100, { isCluster: true }),
  pointOf(1_000, { isCluster: true }),
  pointOf(1, { pace: 1_000 }),
  pointOf(10, { pace: 500 }),
  pointOf(100, { pace: 100 }),
  pointOf(1_000, { pace: 40 }),
  pointOf(300, { systems: 60, users: 10_000, numericKeys: 4, isFitted }),
  pointOf(30, { systems: 5, users: 300, isFitted }),
  pointOf(1_000, { systems: 100, users: 50_000, numericKeys: 1, isKnown: false, isFitted }),
  pointOf(300, { systems: 60, isCluster: true, isFitted }),
  pointOf(1, { pace: 2_000, isFitted }),
  pointOf(100, { pace: 200, isFitted }),
  pointOf(1_000, { pace: 30, systems: 100, users: 10_000, isFitted }),
];
