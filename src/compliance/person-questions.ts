/**
 * Questions about one item that may have been written in several forms (privacy/pseudonyms.ts): each is asked for, in
 * the same round trip, and the answers are put together so that the bound holds for all of them. An item that is
 * nobody's id has one form, and costs what it costs.
 */
import { combineRates } from '../sketches/bloom-rate.js';
import { askFrequency, type Frequency } from './frequency-questions.js';
import { askItemCount, type ItemCount } from './list-questions.js';
import type { Place } from './place.js';
import { all, map, type Question } from './question.js';
import { askMembership, type Membership } from './set-questions.js';

type AskItem<Answer> = (metric: string, item: string, places: readonly Place[]) => Question<Answer>;

const anyForm =
  <Answer>(ask: AskItem<Answer>, merge: (answers: readonly Answer[]) => Answer) =>
  (metric: string, forms: readonly string[], places: readonly Place[]): Question<Answer> =>
    forms.length === 1
      ? ask(metric, forms[0], places)
      : map(all(forms.map((form) => ask(metric, form, places))), merge);

const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0);

/** Whether any form was written: found where one is, and any of them may be found wrongly. */
export const askPersonMembership = anyForm<Membership>(askMembership, (answers) => ({
  ...answers[0],
  found: answers.some(({ found }) => found),
  falsePositiveRate: combineRates(answers.map(({ falsePositiveRate }) => falsePositiveRate)),
}));

/** How often all forms came together; the bound fails where that of any does. */
export const askItemFrequency = anyForm<Frequency>(askFrequency, (answers) => ({
  ...answers[0],
  count: sum(answers.map(({ count }) => count)),
  lower: sum(answers.map(({ lower }) => lower)),
  upper: sum(answers.map(({ upper }) => upper)),
  confidence: Math.max(0, 1 - sum(answers.map(({ confidence }) => 1 - confidence))),
}));

/** How often all forms were counted together. */
export const askItemCounts = anyForm<ItemCount>(askItemCount, (answers) => ({
  ...answers[0],
  count: sum(answers.map(({ count }) => count)),
  lower: sum(answers.map(({ lower }) => lower)),
}));
