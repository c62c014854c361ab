/** A timeline as a picture: throughput, latency, CPU and memory over the same seconds. */
import { drawChart, type Line } from './chart.js';
import type { Sample } from './timeline.js';

const lineOf = (name: string, samples: readonly Sample[], of: (sample: Sample) => number): Line => ({
  name,
  points: samples.map((sample) => [sample.second, of(sample)] as const),
});

export function drawTimeline(title: string, samples: readonly Sample[]): string {
  const processes = [...new Set(samples.flatMap(({ cpu }) => Object.keys(cpu)))];
  const byProcess = (of: (sample: Sample) => Record<string, number>) =>
    processes.map((name) => lineOf(name, samples, (sample) => of(sample)[name] ?? Number.NaN));
  const answered = samples.filter(({ rate }) => rate > 0);
  return drawChart({
    title,
    xLabel: 'time, s',
    panels: [
      { label: 'acknowledged a second', lines: [lineOf('throughput', samples, ({ rate }) => rate)] },
      {
        label: 'latency, ms',
        lines: [lineOf('p50', answered, ({ p50 }) => p50), lineOf('p99', answered, ({ p99 }) => p99)],
      },
      { label: 'CPU, % of one core', lines: byProcess(({ cpu }) => cpu) },
      { label: 'memory, MB', lines: byProcess(({ memoryMb }) => memoryMb) },
    ],
  });
}
