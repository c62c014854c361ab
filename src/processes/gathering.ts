/**
 * Gathering: the metrics of all workers as one text, in the primary. Whoever scrapes reaches one of the workers by
 * chance, and asked by itself each would tell of its own share.
 *
 *   scrape -> a worker -> the primary -> every worker -> the primary adds up -> the worker -> answer
 *
 * Each metric says how it is added up (`aggregator` in metrics.ts). A worker that does not answer in time is left out
 * of what is now (gauges), but what it had counted when it was last asked stays in the sums, and so does what a worker
 * had that has ended. So the sums never fall: a counter that falls is taken for one that began anew, and its whole
 * value for an increase. What a worker that was killed had counted since the last scrape is lost to them.
 */
import { AggregatorRegistry, type Registry } from 'prom-client';
import type { Figures } from './messages.js';

interface GatheringOptions {
  /** Asks every worker. @returns which were asked */
  ask: (round: number) => number[];
  /** The metrics of the primary itself. */
  own: () => Promise<Figures>;
  /** How long the workers have to answer. */
  timeoutMs: number;
}

interface Round {
  waiting: Set<number>;
  answered: Set<number>;
  finish: () => void;
}

/** Those that only grow. */
const lasting = (figures: Figures): Figures =>
  figures.filter(({ type }) => type === 'counter' || type === 'histogram');

const add = (all: Figures[]) => AggregatorRegistry.aggregate(all);

/** The metrics of a registry as they stand. */
export const figuresOf = async (register: Pick<Registry, 'getMetricsAsJSON'>): Promise<Figures> =>
  (await register.getMetricsAsJSON()) as unknown as Figures; // they say `type` as text, their types as a number

export function createGathering({ ask, own, timeoutMs }: GatheringOptions) {
  const rounds = new Map<number, Round>();
  /** Of those that were asked and have not ended. */
  const latest = new Map<number, Figures>();
  /** What those that have ended had counted. */
  let gone: Promise<Figures> = Promise.resolve([]);
  let next = 0;

  function note(round: Round, worker: number): void {
    if (round.waiting.delete(worker) && round.waiting.size === 0) round.finish();
  }

  async function answersOf(id: number): Promise<Set<number>> {
    const answered = new Set<number>();
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((finish) => {
      const waiting = new Set(ask(id));
      for (const worker of waiting) latest.set(worker, latest.get(worker) ?? []);
      if (waiting.size === 0) return finish();
      timer = setTimeout(finish, timeoutMs);
      rounds.set(id, { waiting, answered, finish });
    });
    clearTimeout(timer);
    rounds.delete(id);
    return answered;
  }

  return {
    /** The metrics of all workers, as text for Prometheus. */
    async gather(): Promise<string> {
      const answered = await answersOf(next++);
      const parts = [...latest].map(([worker, figures]) =>
        answered.has(worker) ? figures : lasting(figures),
      );
      return add([...parts, await gone, await own()]).metrics();
    },

    /** Takes note of what a worker has answered. */
    received(worker: number, id: number, figures: Figures): void {
      if (!latest.has(worker)) return; // it has ended, and its sums are with those that are gone
      latest.set(worker, figures);
      const round = rounds.get(id);
      if (!round) return; // too late for it
      round.answered.add(worker);
      note(round, worker);
    },

    /** Takes note that a worker has ended. */
    ended(worker: number): void {
      const last = lasting(latest.get(worker) ?? []);
      latest.delete(worker);
      gone = gone.then((before) => figuresOf(add([before, last])));
      for (const round of rounds.values()) note(round, worker);
    },
  };
}

export type Gathering = ReturnType<typeof createGathering>;
