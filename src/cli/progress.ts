/**
 * Progress on standard error: a bar where that is a terminal and the size of the input is known, else a line
 * every few seconds, or nothing. The time left follows from the bytes read, since rows differ in length.
 */
import { SingleBar } from 'cli-progress';
import type { Clock } from '../clock.js';
import { formatCount, formatDuration, printable } from './text.js';

const linesEveryMs = 5_000;
const CLEAR_LINE = '\r\u001b[K';

interface ProgressOptions {
  /** Bytes of all inputs; NaN where that is not known. */
  bytesTotal: number;
  quiet: boolean;
  /** Monotonic. */
  clock: Clock;
  stream: NodeJS.WriteStream;
}

/** Starts showing progress. `stop` leaves the last state on the screen. */
export function startProgress({ bytesTotal, quiet, clock, stream }: ProgressOptions) {
  let startedAt = clock.now();
  let bytes = 0;
  let rows = 0;
  let firstBytes = 0;
  let isBegun = false;

  function state() {
    const seconds = (clock.now() - startedAt) / 1_000;
    const rate = seconds > 0 ? rows / seconds : 0;
    const done = bytes - firstBytes;
    const left = done > 0 && bytesTotal > 0 ? ((bytesTotal - bytes) / done) * seconds : undefined;
    return {
      rows: formatCount(rows),
      rate: formatCount(rate),
      left: left === undefined ? 'time left unknown' : `${formatDuration(Math.max(0, left))} left`,
    };
  }

  function writeLine(): void {
    const { rows, rate, left } = state();
    const share = bytesTotal ? `, ${Math.floor((100 * bytes) / bytesTotal)}%, ${left}` : '';
    stream.write(`papertrail: ${rows} rows, ${rate}/s${share}\n`);
  }

  const hasBar = !quiet && stream.isTTY && bytesTotal > 0;
  const bar = hasBar
    ? new SingleBar({
        format: '{bar} {percentage}%  {rows} rows  {rate}/s  {left}',
        stream,
        barsize: 30,
        hideCursor: false,
        gracefulExit: false,
        forceRedraw: true,
      })
    : undefined;
  bar?.start(bytesTotal, 0, state());
  const timer = bar || quiet ? undefined : setInterval(writeLine, linesEveryMs).unref();

  return {
    /**
     * To be called when there is something to send, once or more: what was passed over to get where an earlier
     * import stopped says nothing about the speed.
     */
    begin(): void {
      if (isBegun) return;
      isBegun = true;
      startedAt = clock.now();
      firstBytes = bytes;
    },
    addBytes(count: number): void {
      bytes += count;
      bar?.update(Math.min(bytes, bytesTotal), state());
    },
    addRows(count: number): void {
      rows += count;
      bar?.update(state());
    },
    /** A line among the progress. */
    say(text: string): void {
      if (!quiet) stream.write(`${bar ? CLEAR_LINE : ''}papertrail: ${printable(text)}\n`);
    },
    stop(): void {
      bar?.stop();
      clearInterval(timer);
    },
  };
}

export type Progress = ReturnType<typeof startProgress>;
