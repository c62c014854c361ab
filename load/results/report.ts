/** What a run leaves: a table on the screen, and JSON, Markdown and pictures in a folder. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatFigure, formatTable, whole } from './format.js';
import type { Origin } from './machine.js';
import { drawTimeline } from './picture.js';
import type { Result } from './result.js';
import type { Sample } from './timeline.js';

/** What came of one scenario. */
export interface Outcome {
  scenario: string;
  about: string;
  options: Record<string, number | string>;
  seconds: number;
  results: Result[];
  details: string[];
  timelines: { name: string; samples: readonly Sample[] }[];
}

const verdictOf = ({ isMet }: Result) => (isMet === undefined ? '' : isMet ? 'PASS' : 'FAIL');

/** Whether no target is missed. */
export const isPassed = (outcomes: readonly Outcome[]): boolean =>
  outcomes.every(({ results }) => results.every(({ isMet }) => isMet !== false));

/** All rows, the scenario named in its first one. */
export function formatResults(outcomes: readonly Outcome[]): string {
  const rows = outcomes.flatMap(({ scenario, results }) =>
    results.map((result, i) => {
      const name = i === 0 ? scenario : '';
      return [name, result.what, result.target, formatFigure(result.figure, result.unit), verdictOf(result)];
    }),
  );
  return formatTable(['scenario', 'what', 'target', 'figure', ''], rows);
}

const pictureName = (scenario: string, name: string) =>
  `${scenario}-${name.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-')}.svg`;

function formatOrigin({ machine, versions, commit, command, date }: Origin): string {
  const named = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return [
    `- ${date}, commit ${commit}, \`${command}\``,
    `- ${machine.cores} x ${machine.cpu}, ${whole(machine.memoryMb)} MB, ${machine.system}`,
    `- ${named.join(', ')}`,
  ].join('\n');
}

function formatOutcome({ scenario, about, options, seconds, details, timelines }: Outcome): string {
  const given = Object.entries(options).map(([name, value]) => `${name} ${value}`);
  const pictures = timelines.map(({ name }) => `![${name}](${pictureName(scenario, name)})`);
  return [
    `## ${scenario}`,
    `${about} Took ${whole(seconds)} s with ${given.join('; ')}.`,
    ...details,
    ...pictures,
  ].join('\n\n');
}

/** Writes results.json, results.md and a picture for each timeline. */
export function writeReport(folder: string, origin: Origin, outcomes: readonly Outcome[]): void {
  mkdirSync(folder, { recursive: true });
  const isMet = isPassed(outcomes);
  writeFileSync(join(folder, 'results.json'), `${JSON.stringify({ ...origin, isMet, outcomes }, null, 2)}\n`);
  const sections = [
    '# Benchmarks',
    formatOrigin(origin),
    formatResults(outcomes),
    ...outcomes.map(formatOutcome),
  ];
  writeFileSync(join(folder, 'results.md'), `${sections.join('\n\n')}\n`);
  for (const { scenario, timelines } of outcomes) {
    for (const { name, samples } of timelines) {
      writeFileSync(join(folder, pictureName(scenario, name)), drawTimeline(`${scenario}: ${name}`, samples));
    }
  }
}
