/** The log of a process: JSON lines on stdout, and what it says when it ends for a reason that a person can act on. */
import { pino } from 'pino';
import { redactJson } from '../redaction.js';
import { SettingsError } from '../settings-error.js';

/** Every line passes the redaction, also those of Fastify and of libraries. */
export const createLog = (level: string) => pino({ level, hooks: { streamWrite: redactJson } });

export type ProcessLog = ReturnType<typeof createLog>;

/** A log that writes why a process ends, also where the level turns everything else off. */
const fatalLog = (log: ProcessLog): ProcessLog => (log.isLevelEnabled('fatal') ? log : createLog('fatal'));

/** Says why a process cannot go on: one line, or one for each setting that is wrong. */
export function logFatal(log: ProcessLog, error: Error): void {
  for (const line of error instanceof SettingsError ? error.lines : [error.message])
    fatalLog(log).fatal(line);
}

/** Says that a fault of the service itself ends it. Its stack, which says where, is a field of the line. */
export function logUnexpected(log: ProcessLog, err: Error): void {
  fatalLog(log).fatal({ err }, `stopping because of an unexpected error: ${err.message}`);
}
