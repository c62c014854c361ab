/** What every process begins with: its settings and its log. */
import { type Config, loadConfig } from '../config.js';
import { createLog, logFatal, type ProcessLog } from './log.js';

/** Reads the settings. Ends the process where they are wrong, with a line for each. */
export function configure(): { config: Config; log: ProcessLog } {
  try {
    const config = loadConfig();
    return { config, log: createLog(config.LOG_LEVEL) };
  } catch (error) {
    logFatal(createLog('fatal'), error as Error);
    process.exit(1);
  }
}
