/**
 * What a part of the work costs: the service and its Redis are measured at many points, each another stream or another
 * way to send it, and the costs that explain the points best are fitted (`src/capacity/work.ts` says what is counted). Points
 * that were left out of the fit then show how far the model is off.
 *
 * CPU time and bytes are measured, not how fast it went, so that what others do on the machine matters less. What it prints
 * as a module goes to `src/capacity/measured.ts`, its tables to `docs/capacity.md`.
 */
import { costOf, type Work, workKinds } from '../../src/capacity/work.js';
import { fitCosts } from '../capacity/fit.js';
import { type CostKind, costKinds, type Measured, measure } from '../capacity/measure.js';
import { points } from '../capacity/points.js';
import { measureQuestions, type QuestionCost } from '../capacity/questions.js';
import { formatTable } from '../results/format.js';
import { originOf } from '../results/machine.js';
import { figureOf } from '../results/result.js';
import { largestOf, meanOf, sumOf } from '../results/statistics.js';
import { scenario } from '../scenario.js';

type Fitted = Record<CostKind, Work>;
type Questions = Awaited<ReturnType<typeof measureQuestions>>;

/** Masters of the cluster write no file. */
const hasCost = ({ costs }: Measured, kind: CostKind) => costs[kind] > 0;

function fitAll(all: readonly Measured[]): Fitted {
  const fitted = all.filter(({ point }) => point.isFitted);
  const fit = (kind: CostKind) =>
    fitCosts(
      workKinds,
      fitted.filter((one) => hasCost(one, kind)).map(({ work, costs }) => ({ work, used: costs[kind] })),
    );
  return Object.fromEntries(costKinds.map((kind) => [kind, fit(kind)])) as Fitted;
}

const ratioOf = ({ work, costs }: Measured, kind: CostKind, fitted: Fitted) =>
  costOf(work, fitted[kind]) / costs[kind];

/** Measured and predicted per event, for the points that the costs were fitted to or the others. */
function tableOf(all: readonly Measured[], fitted: Fitted, isFitted: boolean): string {
  const cells = (one: Measured, kind: CostKind) => {
    if (!hasCost(one, kind)) return ['', '', ''];
    const each = one.costs[kind] / one.work.events;
    const ratio = ratioOf(one, kind, fitted);
    return [(each * ratio).toFixed(1), each.toFixed(1), ratio.toFixed(2)];
  };
  const shown = ['node', 'redis', 'sent'] as const;
  const names = { node: 'Node us', redis: 'Redis us', sent: 'bytes to Redis' };
  const head = shown.flatMap((kind) => [`${names[kind]}: predicted`, 'measured', 'ratio']);
  const rows = all.filter(({ point }) => point.isFitted === isFitted);
  return formatTable(
    ['stream', 'groups/s', ...head],
    rows.map((one) => [
      one.point.name,
      one.groupsPerSecond.toFixed(0),
      ...shown.flatMap((kind) => cells(one, kind)),
    ]),
  );
}

/** Mean of how far predictions are off, either way, in percent. */
const errorOf = (all: readonly Measured[], kind: CostKind, fitted: Fitted) =>
  100 * meanOf(all, (one) => Math.abs(Math.log(ratioOf(one, kind, fitted))));

const short = (value: number) => Number(value.toPrecision(3));
const shortened = <Name extends string>(values: Record<Name, number>): Record<Name, number> =>
  Object.fromEntries(Object.entries<number>(values).map(([name, value]) => [name, short(value)])) as Record<
    Name,
    number
  >;

/** The module that the service reads, as it is to be stored. */
function moduleOf(fitted: Fitted, questions: Questions, rss: number): string {
  const { machine, versions, date } = originOf('', new Date());
  const all = {
    machine: `${machine.cpu}, ${machine.cores} cores, Node ${versions.node}, Redis ${versions.redis}`,
    date: date.slice(0, 10),
    processBytes: short(rss),
    events: Object.fromEntries(costKinds.map((kind) => [kind, shortened(fitted[kind])])),
    questions: Object.fromEntries(
      Object.entries<QuestionCost>(questions).map(([name, cost]) => [name, shortened(cost)]),
    ),
  };
  const text = JSON.stringify(all, undefined, 2).replaceAll(/"(\w+)":/g, '$1:');
  return `export const measured: Costs = ${text};`;
}

export const capacity = scenario({
  name: 'capacity',
  about: 'What a request, an event, a system in a group, a value and a question cost, for docs/capacity.md.',
  short: { seconds: 3, 'question-seconds': 2 },
  full: { seconds: 10, 'question-seconds': 5 },
  async run({ seconds, 'question-seconds': questionSeconds }, context) {
    context.say('questions');
    const questions = await measureQuestions(questionSeconds, context);
    const all: Measured[] = [];
    for (const [i, point] of points.entries()) {
      context.say(`${i + 1} of ${points.length}: ${point.name}`);
      all.push(await measure(point, seconds, context));
    }
    const fitted = fitAll(all);
    context.detail(`Fitted:\n\n${tableOf(all, fitted, true)}`);
    context.detail(`Not fitted:\n\n${tableOf(all, fitted, false)}`);
    const rss = largestOf(all.map((one) => one.rss));
    context.detail(`\`\`\`ts\n${moduleOf(fitted, questions, rss)}\n\`\`\``);
    const checks = all.filter(({ point }) => !point.isFitted);
    return [
      figureOf('points', all.length, ''),
      figureOf('CPU of Node, mean error of predictions', errorOf(checks, 'node', fitted), '%'),
      figureOf('CPU of Redis, mean error of predictions', errorOf(checks, 'redis', fitted), '%'),
      figureOf('bytes to Redis, mean error of predictions', errorOf(checks, 'sent', fitted), '%'),
      figureOf(
        'requests that failed',
        sumOf(all, ({ failures }) => failures),
        '',
      ),
    ];
  },
});
