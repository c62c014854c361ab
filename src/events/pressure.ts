/**
 * Pressure: whether the process is short of time or of memory. Looked at every `LOOK_MS`, so that asking costs nothing.
 *
 * Time: the mean delay of the event loop since the last look. One long turn, as a large body or a start makes, is not
 * yet a lag, so two looks in a row must be bad. Memory: what V8 has in use of what it may; garbage counts until it is
 * collected, so this is near the limit only where there is little left to collect.
 */
import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks';
import { getHeapStatistics } from 'node:v8';
import type { ShedReason } from '../metrics.js';

const LOOK_MS = 500;
const RESOLUTION_MS = 10;

interface PressureOptions {
  /** Mean delay of the event loop. */
  eventLoopDelayMsMax: number;
  /** Of V8's limit. */
  heapUsedPercentMax: number;
}

/** Milliseconds beyond the pause between two measurements; a loop that did not turn at all made none. */
const delayOf = ({ count, mean }: IntervalHistogram) => (count === 0 ? LOOK_MS : mean / 1e6 - RESOLUTION_MS);

/** Begins to look; `stop` ends it. */
export function watchPressure({ eventLoopDelayMsMax, heapUsedPercentMax }: PressureOptions) {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  histogram.enable();
  const heapBytesMax = (getHeapStatistics().heap_size_limit * heapUsedPercentMax) / 100;
  let wasSlow = false;
  let isLagging = false;
  let isFull = false;

  const timer = setInterval(() => {
    const isSlow = delayOf(histogram) > eventLoopDelayMsMax;
    histogram.reset();
    isLagging = isSlow && wasSlow;
    wasSlow = isSlow;
    isFull = process.memoryUsage().heapUsed > heapBytesMax;
  }, LOOK_MS).unref();

  return {
    /** Why nothing more should be taken in; undefined where it may. */
    get reason(): ShedReason | undefined {
      if (isLagging) return 'event_loop';
      return isFull ? 'heap' : undefined;
    },
    stop(): void {
      clearInterval(timer);
      histogram.disable();
    },
  };
}
