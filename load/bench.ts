/**
 * The instrument: how fast the service is, what it costs, when it breaks.
 *
 *   npm run bench                                  the short form of every scenario
 *   npm run bench -- ingest queries --seconds 10   some, with options
 *   npm run bench -- --list                        which there are, and their options
 *
 * Every scenario starts its own service and its own Redis, so nothing that runs on the machine is touched. Ends with 1
 * where a target is missed, 2 where it was not told what to do. docs/benchmarks.md says how to read what comes out.
 */
import { describe, readCommand, UsageError } from './command-line.js';
import { originOf } from './results/machine.js';
import { formatResults, isPassed, type Outcome, writeReport } from './results/report.js';
import { createProgressLine, runScenario } from './run.js';
import { scenarios } from './scenarios/all.js';

const USAGE_STATUS = 2;
const words = process.argv.slice(2);

async function bench(): Promise<number> {
  const { chosen, out, isList } = readCommand(words, scenarios);
  if (isList) {
    console.log(describe(scenarios));
    return 0;
  }
  const origin = originOf(['npm run bench --', ...words].join(' '), new Date());
  const progress = createProgressLine(process.stderr);
  const outcomes: Outcome[] = [];
  for (const [i, { scenario, options }] of chosen.entries()) {
    const outcome = await runScenario(scenario, options, progress, `${i + 1}/${chosen.length}`);
    outcomes.push(outcome);
    progress.clear();
    console.log([`\n${outcome.scenario}: ${outcome.about}`, ...outcome.details].join('\n\n'));
    writeReport(out, origin, outcomes); // also where a later one is broken off
  }
  console.log(`\n${formatResults(outcomes)}\n\nWritten to ${out}/results.md and results.json.`);
  return isPassed(outcomes) ? 0 : 1;
}

// What runs below this process ends with it, also on Ctrl-C.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
bench().then(
  (status) => process.exit(status),
  (error: Error) => {
    console.error(error instanceof UsageError ? `bench: ${error.message}` : error);
    process.exit(error instanceof UsageError ? USAGE_STATUS : 1);
  },
);
