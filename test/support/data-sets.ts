/**
 * The data sets on which every sketch law is tested. Each is a maker of numbers, one call a number, from a
 * seeded source; sketches of strings take the numbers as names.
 */
import { normal, type Random, seededRandom } from './random.js';

type Maker = (random: Random) => (index: number) => number;

const makers = {
  constant: () => () => 42.5,
  increasing: () => (index) => index,
  decreasing: () => (index) => -index,
  uniform: (random) => () => random(),
  negative: (random) => () => -50 + 100 * normal(random),
  zipf: (random) => () => Math.floor(1 / (1 - random())),
  lognormal: (random) => () => Math.exp(2 * normal(random)),
  /** Infinite mean and variance. */
  'heavy tail': (random) => () => 1 / (1 - random()) ** 2,
  'eight decades': (random) => () => 10 ** (8 * random() - 4),
  duplicates: (random) => () => Math.floor(5 * random()),
  'half zeros': (random) => () => (random() < 0.5 ? 0 : random()),
  'alternating extremes': () => (index) => (index % 2 ? 1e308 : -1e308),
  'alternating and growing': () => (index) => (index % 2 ? index : -index),
  'tiny and huge': (random) => () => (random() < 0.5 ? 5e-324 : 1.7e308) * (random() < 0.5 ? -1 : 1),
  /** The same thousand numbers again and again. */
  repeating: () => (index) => Math.sin(index % 1000),
} as const satisfies Record<string, Maker>;

export type DataSet = keyof typeof makers;
export const dataSets = Object.keys(makers) as DataSet[];

/** `length` numbers of a data set, the same for the same seed. */
export function numbersOf(name: DataSet, length: number, seed: number): number[] {
  const next = makers[name](seededRandom(seed));
  return Array.from({ length }, (_, index) => next(index));
}

/** The same as names of users. */
export function namesOf(name: DataSet, length: number, seed: number): string[] {
  return numbersOf(name, length, seed).map((number) => `user-${number}`);
}
