/**
 * The process: settings, the own Redis where none is configured, and the service, in this process or in several workers
 * on one port (processes/). On SIGTERM or SIGINT, also during the start, nothing new is accepted, requests under way are
 * answered, then Redis connections close, and the own Redis last, so that everything acknowledged is on its disk.
 */
import type { Keys } from './access/keys.js';
import { systemClock } from './clock.js';
import { configure } from './processes/configure.js';
import { workersOf } from './processes/cores.js';
import { live, type Part } from './processes/life.js';
import { primaryPart } from './processes/primary.js';
import { servicePart } from './processes/service.js';
import { createLocalServer } from './redis/local/server.js';
import { keepTickObject } from './tick-object.js';
import { tzdataVersion, tzdataWarning } from './windows/tzdata.js';
import { announceAccess, openConfiguredKeys } from './wiring/access.js';
import { checkSettings } from './wiring/settings.js';

void keepTickObject();
const { config, log } = configure();
const workers = workersOf(config.WORKERS);
const stopMsMax = config.STOP_SECONDS_MAX * 1_000;
const local = config.REDIS_URL
  ? undefined
  : createLocalServer({ dataDir: config.DATA_DIR, appendfsync: config.REDIS_APPENDFSYNC, log });

const settings: Part = { start: () => checkSettings(config), async stop() {} };
let keys: Keys | undefined;
const access: Part = {
  async start() {
    keys = await openConfiguredKeys(config, systemClock, log);
    announceAccess(config, keys, log);
    const warning = tzdataWarning(tzdataVersion, systemClock.now());
    if (warning !== undefined) log.warn(warning);
  },
  async stop() {},
};
const service =
  workers === 1
    ? servicePart(() => ({ config, keys, address: local?.connection ?? config.REDIS_URL, log }))
    : primaryPart({ workers, address: () => local?.connection, stopMsMax, log });

await live([settings, access, ...(local ? [local] : []), service], { log, stopMsMax });
