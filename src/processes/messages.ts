/** What the primary and its workers tell each other. */
import type { LocalConnection } from '../redis/local/connection.js';
/** The metrics of a process as they stand, as prom-client tells them. */
export type Figures = { name: string; help: string; type: string; aggregator: string; values: object[] }[];

export type FromWorker =
  | { kind: 'metrics-asked'; id: number }
  | { kind: 'metrics-of-one'; round: number; figures: Figures };

export type FromPrimary =
  | { kind: 'metrics-wanted'; round: number }
  | { kind: 'metrics-of-all'; id: number; text: string };

/** What a worker is told when it is started. */
export interface Seat {
  /** From 1; its successor has the same. */
  number: number;
  workers: number;
  /** Of the own Redis, where there is one. */
  address: LocalConnection | undefined;
}
