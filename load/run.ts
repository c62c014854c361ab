/** Runs one scenario: gives it its context, keeps the line of progress, and stops what it started however it ends. */
import { performance } from 'node:perf_hooks';
import { whole } from './results/format.js';
import type { Outcome } from './results/report.js';
import { atMost, type Result } from './results/result.js';
import { createTimeline, type Sample } from './results/timeline.js';
import type { Context, Scenario, Settings } from './scenario.js';
import { readUsages } from './targets/usage.js';

const SAMPLE_MS = 1_000;

export interface ProgressLine {
  /** Shows a line in place of the last. */
  show(line: string): void;
  /** Leaves the screen for other output. */
  clear(): void;
}

/** A terminal sees one line that changes; anything else a line for each step. */
export function createProgressLine(stream: NodeJS.WriteStream): ProgressLine {
  let step = 'starting';
  return {
    show(line) {
      if (stream.isTTY) stream.write(`\r\u001b[K${line.slice(0, stream.columns - 1)}`);
      else {
        const [next] = line.split(' | ');
        if (next !== step) stream.write(`${next}\n`);
        step = next;
      }
    },
    clear() {
      if (stream.isTTY) stream.write('\r\u001b[K');
    },
  };
}

/** What a scenario starts and says. */
function openContext(show: (step: string, rate: number | undefined) => void) {
  const owned: { stop(): unknown }[] = [];
  const details: string[] = [];
  const timelines: Outcome['timelines'] = [];
  let current: readonly Sample[] | undefined;
  let step = 'starting';
  const tell = () => show(step, current?.at(-1)?.rate);
  const ticking = setInterval(tell, SAMPLE_MS);

  const context: Context = {
    say(next) {
      step = next;
      tell();
    },
    own(thing) {
      owned.push(thing);
      return thing;
    },
    watch(name, processes) {
      const readUsage = () => readUsages(processes());
      const { samples, note, sample } = createTimeline({ readUsage, now: () => performance.now() });
      timelines.push({ name, samples });
      current = samples;
      const timer = setInterval(sample, SAMPLE_MS);
      const stop = () => {
        clearInterval(timer);
        if (current === samples) current = undefined;
      };
      return context.own({ samples, note, stop });
    },
    detail: (markdown) => details.push(markdown),
  };

  /** Stops everything, also where some of it cannot be. */
  async function close(): Promise<void> {
    clearInterval(ticking);
    for (const thing of owned.reverse()) {
      try {
        await thing.stop();
      } catch (error) {
        details.push(`Could not be stopped: \`${(error as Error).stack}\``);
      }
    }
  }
  return { context, details, timelines, close };
}

/** @param place which scenario of how many, for the progress line */
export async function runScenario(
  { name, about, run }: Scenario,
  options: Settings,
  progress: ProgressLine,
  place: string,
): Promise<Outcome> {
  const began = performance.now();
  const secondsSoFar = () => (performance.now() - began) / 1_000;
  const { context, details, timelines, close } = openContext((step, rate) => {
    const speed = rate === undefined ? '' : `, ${whole(rate)} a second`;
    progress.show(`${place} ${name}: ${step} | ${whole(secondsSoFar())} s${speed}`);
  });
  let results: Result[];
  try {
    results = await run(options, context);
  } catch (error) {
    details.push(`Broken off: \`${(error as Error).stack}\``);
    results = [atMost(`broken off: ${(error as Error).message}`, 1, '', 0)];
  } finally {
    await close();
  }
  return { scenario: name, about, options, seconds: secondsSoFar(), results, details, timelines };
}
