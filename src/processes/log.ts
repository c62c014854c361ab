/** The log of a process: JSON lines on stdout, and what it says when it ends for a reason that a person can act on. */
import { pino } from 'pino';
import { redactJson } from '../redaction.js';
import { SettingsError } from '../settings-error.js';

/** Every line passes the redaction, whoever writes it. */
export const createLog = (level: string) => pino({ level, hooks: { streamWrite: redactJson } });

/** Says why a process ends: one line, or one for each setting that is wrong, also where nothing else is logged. */
export function logFatal(log: ReturnType<typeof createLog>, error: Error): void {
  const told = log.isLevelEnabled('fatal') ? log : createLog('fatal');
  for (const line of error instanceof SettingsError ? error.lines : [error.message]) told.fatal(line);
}
