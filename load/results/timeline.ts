/**
 * What happened second by second: how much was acknowledged, how long it took, and what the processes needed for it.
 * A scenario notes every answer; a timer cuts what was noted into seconds and looks at the processes.
 */
import { ranksOf } from './statistics.js';

/** What a process has used so far, and holds now. */
export interface Usage {
  cpuSeconds: number;
  memoryBytes: number;
}

export interface Sample {
  /** Since the beginning, at the end of what is sampled. */
  second: number;
  /** Noted a second: events, or questions. */
  rate: number;
  /** Milliseconds; 0 where nothing was answered. */
  p50: number;
  p99: number;
  /** Percent of one core, by process. */
  cpu: Record<string, number>;
  memoryMb: Record<string, number>;
}

interface TimelineOptions {
  /** By process; without those that are away. */
  readUsage: () => Record<string, Usage>;
  /** Milliseconds. */
  now: () => number;
}

/** Samples when it is told to. `note` counts an answer that took so many milliseconds and stands for so many units. */
export function createTimeline({ readUsage, now }: TimelineOptions) {
  const samples: Sample[] = [];
  const began = now();
  let times: number[] = [];
  let units = 0;
  let last = { at: began, usage: readUsage() };

  function sample(): void {
    const at = now();
    const usage = readUsage();
    const seconds = (at - last.at) / 1_000;
    const cpu: Record<string, number> = {};
    const memoryMb: Record<string, number> = {};
    for (const [name, { cpuSeconds, memoryBytes }] of Object.entries(usage)) {
      // A process that was started again counts from nothing.
      const before = last.usage[name]?.cpuSeconds ?? 0;
      cpu[name] = (100 * (cpuSeconds >= before ? cpuSeconds - before : cpuSeconds)) / seconds;
      memoryMb[name] = memoryBytes / 1e6;
    }
    const { p50, p99 } = ranksOf(times);
    samples.push({ second: (at - began) / 1_000, rate: units / seconds, p50, p99, cpu, memoryMb });
    times = [];
    units = 0;
    last = { at, usage };
  }

  return {
    samples,
    sample,
    note(ms: number, count: number): void {
      times.push(ms);
      units += count;
    },
  };
}

export interface Timeline extends Pick<ReturnType<typeof createTimeline>, 'samples' | 'note'> {
  /** Ends it; harmless when called again. */
  stop(): void;
}
