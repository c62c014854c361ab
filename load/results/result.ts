/** Rows of results: a figure, and where there is a target whether it is met. */
import { formatFigure } from './format.js';

export interface Result {
  what: string;
  /** As people read it; '' where there is none. */
  target: string;
  figure: number;
  unit: string;
  /** Undefined where there is no target. */
  isMet: boolean | undefined;
}

export const figureOf = (what: string, figure: number, unit: string): Result => ({
  what,
  target: '',
  figure,
  unit,
  isMet: undefined,
});

export const atLeast = (what: string, figure: number, unit: string, least: number): Result => ({
  what,
  target: `at least ${formatFigure(least, unit)}`,
  figure,
  unit,
  isMet: figure >= least,
});

export const atMost = (what: string, figure: number, unit: string, most: number): Result => ({
  what,
  target: most === 0 ? 'none' : `at most ${formatFigure(most, unit)}`,
  figure,
  unit,
  isMet: figure <= most,
});
