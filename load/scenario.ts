/**
 * A scenario: one thing that is measured, under a name. It starts what it needs, each time anew, and hands back
 * rows that say what was measured, what it should be and whether it is. What it takes from the command line are the
 * names of its defaults: a short form that fits into minutes, and `full`, as a release is measured.
 */
import type { Result } from './results/result.js';
import type { Timeline } from './results/timeline.js';

/** Numbers, and words or lists of them with commas between. */
export type Settings = Record<string, number | string>;

/** Processes to watch, by what they are: their ids; none while one is away. */
export type Watched = Record<string, number | undefined>;

export interface Context {
  /** What is being done, for the progress line. */
  say(step: string): void;
  /** Has a thing stopped at the end of the scenario, however it ends; what came last goes first. */
  own<Thing extends { stop(): unknown }>(thing: Thing): Thing;
  /** Begins a sample a second of what is noted and of the processes; it ends with the scenario at the latest. */
  watch(name: string, processes: () => Watched): Timeline;
  /** A paragraph or table beside the results, as Markdown. */
  detail(markdown: string): void;
}

interface Definition<Own extends Settings> {
  name: string;
  /** One sentence. */
  about: string;
  short: Own;
  /** What differs with --full. */
  full?: Partial<Own>;
  run(options: Own, context: Context): Promise<Result[]>;
}

export type Scenario = Definition<Settings>;

/** A scenario whose options are those of its short form; whoever runs it keeps to their types. */
export const scenario = <Own extends Settings>(definition: Definition<Own>): Scenario =>
  definition as unknown as Scenario;

/** The words of a list. */
export const wordsOf = (list: string): string[] => list.split(',').filter((word) => word !== '');

/** The numbers of a list, above 0. @throws Error for a word that is none */
export const numbersOf = (list: string): number[] =>
  wordsOf(list).map((word) => {
    if (!(Number(word) > 0)) throw new Error(`"${word}" is no number above 0`);
    return Number(word);
  });
