/**
 * What the own Redis prints: each line goes to the service's log, warnings as warnings and the rest at debug,
 * and the last few are kept, because they say why a server that ended at once did so.
 */
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import type { BaseLogger } from 'pino';

const linesKept = 8;

/** `<pid>:<role> <day> <month> <year> <time> <level> <text>`; a # is a warning. */
const line = /^\d+:\w+ \d+ \w+ \d+ [\d:.]+ ([#*.-]) (.*)$/;
/** Lines that a healthy start and stop print at the level of a warning. */
const routine =
  /is starting|version=|Configuration loaded|Server initialized|User requested shutdown|Received SIGTERM|ready to exit/i;

export function createServerOutput(log: Pick<BaseLogger, 'debug' | 'warn'>) {
  const lines: string[] = [];

  function take(text: string): void {
    lines.push(text);
    if (lines.length > linesKept) lines.shift();
    const [, level, message = text] = line.exec(text) ?? [];
    if (level === '#' && !routine.test(message)) log.warn({ redis: message }, 'own Redis warns');
    else log.debug({ redis: message }, 'own Redis');
  }

  return {
    /** Reads a stream of lines to its end. */
    read(stream: Readable): void {
      createInterface({ input: stream }).on('line', take);
    },
    /** The last lines, oldest first. */
    last: (): string => lines.join('\n'),
    clear: (): void => {
      lines.length = 0;
    },
  };
}
