/** Runs one scenario: gives it its context, keeps the line of progress, and stops what it started however it ends. */
import { performance } from 'node:perf_hooks';
import type { Outcome } from './results/report.js';
import { atMost, type Result } from './results/result.js';
import { createTimeline } from './results/timeline.js';
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

/** @param place which scenario of how many, for the progress line */
export async function runScenario(
  { name, about, run }: Scenario,
  options: Settings,
  progress: ProgressLine,
  place: string,
): Promise<Outcome> {
  const began = performance.now();
  const owned: { stop(): unknown }[] = [];
  const details: string[] = [];
  const timelines: Outcome['timelines'] = [];
  let step = 'starting';

  function show(): void {
    const sample = timelines.at(-1)?.samples.at(-1);
    const rate = sample ? `, ${Math.round(sample.rate).toLocaleString('en')} a second` : '';
    const seconds = Math.round((performance.now() - began) / 1_000);
    progress.show(`${place} ${name}: ${step} | ${seconds} s${rate}`);
  }

  const context: Context = {
    say(next) {
      step = next;
      show();
    },
    own(thing) {
      owned.push(thing);
      return thing;
    },
    watch(what, processes) {
      const readUsage = () => readUsages(processes());
      const timeline = createTimeline({ readUsage, now: () => performance.now() });
      timelines.push({ name: what, samples: timeline.samples });
      const timer = setInterval(timeline.sample, SAMPLE_MS);
      const { samples, note } = timeline;
      return context.own({ samples, note, stop: () => clearInterval(timer) });
    },
    detail: (markdown) => details.push(markdown),
  };

  const ticking = setInterval(show, SAMPLE_MS);
  let results: Result[];
  try {
    results = await run(options, context);
  } catch (error) {
    details.push(`Broken off: \`${(error as Error).stack}\``);
    results = [atMost(`broken off: ${(error as Error).message}`, 1, '', 0)];
  } finally {
    for (const thing of owned.reverse()) {
      try {
        await thing.stop();
      } catch (error) {
        details.push(`Could not be stopped: \`${(error as Error).stack}\``);
      }
    }
    clearInterval(ticking);
  }
  const seconds = (performance.now() - began) / 1_000;
  return { scenario: name, about, options, seconds, results, details, timelines };
}
